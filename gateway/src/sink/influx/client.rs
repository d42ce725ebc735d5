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
            .timeout(ANSWER_LIMIT)
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
    use super::*;

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
