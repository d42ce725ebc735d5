//! One request to a server on loopback.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends a request; the answer's status line with its head, and its body put together from its chunks where it has them.
///
/// `head` is the request line and the headers but for `Host`, `Connection` and `Content-Length`, each ended by `\r\n`.
pub(crate) fn request(port: u16, head: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    let length = body.len();
    write!(
        stream,
        "{head}Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("the server reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the server answers in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if is_chunked {
        joined(body)
    } else {
        body.to_owned()
    };
    (head.to_owned(), body)
}

fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((length, chunk)) = chunks.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).expect("a chunk's length");
        if length == 0 {
            break;
        }
        body.push_str(chunk.get(..length).expect("a whole chunk"));
        chunks = chunk.get(length + 2..).unwrap_or_default();
    }
    body
}
