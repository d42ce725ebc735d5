//! The one file that knows the InfluxDB client library: its raw-body path, with the time limits that it lacks.

use std::time::Duration;

use influxdb2::api::write::TimestampPrecision;
use influxdb2::{Client, ClientBuilder, RequestError};
use thiserror::Error;

/// How long a server may take to answer a batch, and to take a connection.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// What to do about a batch that was not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The server is away, busy or broken: the same batch again, later.
    #[error("{0}")]
    Retry(String),
    /// The server refuses something in the batch: find it.
    #[error("{0}")]
    Reject(String),
    /// The server refuses whoever writes (401, 403, 404): a person must act; the batch is kept.
    #[error("{0}")]
    Refused(String),
}

/// Why no client could be made.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is none, or is one that this client can't reach safely.
    #[error("`{url}` is no address of an InfluxDB, expected http://HOST:PORT ({why})")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The library could not be started.
    #[error("the InfluxDB client did not start: {0}")]
    Start(String),
}

/// A bucket that can be written.
#[derive(Clone, Debug)]
pub struct InfluxClient {
    client: Client,
    org: String,
    bucket: String,
}

impl InfluxClient {
    /// A client for a bucket; nothing is sent yet.
    ///
    /// # Errors
    /// A URL that is none, or https: the library's TLS is outdated.
    pub fn new(url: &str, org: &str, bucket: &str, token: &str) -> Result<Self, ClientError> {
        Self::with_limit(url, org, bucket, token, ANSWER_LIMIT)
    }

    fn with_limit(
        url: &str,
        org: &str,
        bucket: &str,
        token: &str,
        answer_limit: Duration,
    ) -> Result<Self, ClientError> {
        let refused = |why: &str| ClientError::Url {
            url: url.to_owned(),
            why: why.to_owned(),
        };
        // The library panics on a URL that is none.
        let parsed = reqwest011::Url::parse(url).map_err(|error| refused(&error.to_string()))?;
        if parsed.scheme() != "http" {
            return Err(refused("the client library's TLS is outdated"));
        }
        let http = reqwest011::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(answer_limit)
            // A proxy from the environment would see the token.
            .no_proxy();
        let client = ClientBuilder::with_builder(http, url, org, token)
            .build()
            .map_err(|error| ClientError::Start(error.to_string()))?;
        Ok(Self {
            client,
            org: org.to_owned(),
            bucket: bucket.to_owned(),
        })
    }

    /// Writes lines whose times are in milliseconds.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write(&self, lines: Vec<u8>) -> Result<(), WriteError> {
        let written = self
            .client
            .write_line_protocol_with_precision(
                &self.org,
                &self.bucket,
                lines,
                TimestampPrecision::Milliseconds,
            )
            .await;
        match written {
            Ok(()) => Ok(()),
            Err(RequestError::Http { status, text }) => {
                let what = format!("{status}: {}", text.chars().take(300).collect::<String>());
                Err(match status.as_u16() {
                    // The library takes any other success for an error.
                    200..=299 => return Ok(()),
                    400 | 413 | 422 => WriteError::Reject(what),
                    401 | 403 | 404 => WriteError::Refused(what),
                    _ => WriteError::Retry(what),
                })
            }
            Err(error) => Err(WriteError::Retry(error.to_string())),
        }
    }

    /// True when the server says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.client.ready().await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const LINES: &[u8] = b"sample,point=a value=1 1\nsample,point=b value=2 2\n";

    /// A server for one request, and a client of it.
    async fn pair() -> (TcpListener, InfluxClient) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let client = InfluxClient::new(&url, "o", "b", "t").unwrap();
        (server, client)
    }

    /// The head and body of a request whose body has its length before it.
    async fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length = head.split("content-length: ").nth(1).expect("a length");
                let length = length.lines().next().unwrap().parse::<usize>().unwrap();
                let body = bytes.split_off(head.len() + 4);
                if body.len() == length {
                    return (head.to_owned(), body);
                }
                bytes.extend(body);
            }
            assert!(
                stream.read_buf(&mut bytes).await.unwrap() > 0,
                "half a request"
            );
        }
    }

    /// What a write comes to that is answered so.
    async fn answered(answer: &str) -> (Result<(), WriteError>, String, Vec<u8>) {
        let (server, client) = pair().await;
        let serving = async {
            let (mut stream, _) = server.accept().await.unwrap();
            let (head, body) = request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            (head, body)
        };
        let (written, (head, body)) = tokio::join!(client.write(LINES.to_vec()), serving);
        (written, head, body)
    }

    async fn answered_with(status: u16) -> Result<(), WriteError> {
        let answer =
            format!("HTTP/1.1 {status} x\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{{}}");
        answered(&answer).await.0
    }

    #[tokio::test]
    async fn a_batch_goes_out_in_one_body_as_it_is_and_in_milliseconds() {
        let (written, head, body) = answered("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(written.is_ok(), "{written:?}");
        assert_eq!(body, LINES);
        assert!(head.contains("precision=ms"), "{head}");
        assert!(!head.contains("chunked"), "{head}");
    }

    #[tokio::test]
    async fn any_success_is_one_so_that_nothing_is_written_for_ever() {
        for status in [200, 201, 204] {
            let written = answered_with(status).await;
            assert!(written.is_ok(), "{status}: {written:?}");
        }
    }

    #[tokio::test]
    async fn a_busy_or_broken_server_gets_the_same_batch_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            let written = answered_with(status).await;
            assert!(
                matches!(written, Err(WriteError::Retry(_))),
                "{status}: {written:?}"
            );
        }
        let (written, ..) = answered("").await;
        assert!(
            matches!(written, Err(WriteError::Retry(_))),
            "no answer: {written:?}"
        );
        let (written, ..) = answered("HTTP/1.1 20").await;
        assert!(
            matches!(written, Err(WriteError::Retry(_))),
            "half an answer: {written:?}"
        );
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_not_waited_for_for_ever() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let limit = Duration::from_millis(100);
        let client = InfluxClient::with_limit(&url, "o", "b", "t", limit).unwrap();
        let silent = async {
            let (mut stream, _) = server.accept().await.unwrap();
            request(&mut stream).await;
            // It ends when the client hangs up.
            let hung_up = stream.read(&mut [0]).await.unwrap();
            assert_eq!(hung_up, 0);
        };
        let both = async { tokio::join!(client.write(LINES.to_vec()), silent) };
        let (written, ()) = tokio::time::timeout(Duration::from_secs(60), both)
            .await
            .expect("it gives up");
        assert!(matches!(written, Err(WriteError::Retry(_))), "{written:?}");
    }

    #[tokio::test]
    async fn only_what_the_server_calls_wrong_in_the_batch_is_looked_for_in_it() {
        for status in [400, 413, 422] {
            let written = answered_with(status).await;
            assert!(
                matches!(written, Err(WriteError::Reject(_))),
                "{status}: {written:?}"
            );
        }
        for status in [401, 403, 404] {
            let written = answered_with(status).await;
            assert!(
                matches!(written, Err(WriteError::Refused(_))),
                "{status}: {written:?}"
            );
        }
    }

    #[test]
    fn an_address_that_the_library_would_panic_on_is_an_error() {
        let error = InfluxClient::new("127.0.0.1:8086", "o", "b", "t").unwrap_err();
        assert!(
            error.to_string().contains("expected http://HOST:PORT"),
            "{error}"
        );
    }

    #[test]
    fn https_is_refused_with_its_reason() {
        let error = InfluxClient::new("https://db.example", "o", "b", "t").unwrap_err();
        assert!(error.to_string().contains("TLS is outdated"), "{error}");
    }

    #[test]
    fn the_token_is_not_in_what_is_printed() {
        let client = InfluxClient::new("http://127.0.0.1:1", "o", "b", "very-secret").unwrap();
        assert!(!format!("{client:?}").contains("very-secret"));
    }
}
