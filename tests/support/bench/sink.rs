//! A pretend InfluxDB that counts lines and keeps none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// An HTTP/1.1 server on loopback that takes every write.
#[derive(Debug)]
pub struct Sink {
    port: u16,
    lines: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Sink {
    /// Starts it; it serves as long as the process lives.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a port");
        let port = listener.local_addr().expect("it is bound").port();
        let (lines, bytes) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let sink = Self {
            port,
            lines: lines.clone(),
            bytes: bytes.clone(),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (lines, bytes) = (lines.clone(), bytes.clone());
                thread::spawn(move || serve(&stream, &lines, &bytes));
            }
        });
        sink
    }

    /// Its address, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many lines have come.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// How many bytes they had.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Answers one connection's requests until it ends.
fn serve(stream: &TcpStream, lines: &AtomicU64, bytes: &AtomicU64) {
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if !matches!(reader.read_line(&mut line), Ok(1..)) {
                return;
            }
            let head = line.trim_end().to_ascii_lowercase();
            if let Some(told) = head.strip_prefix("content-length:") {
                length = told.trim().parse().expect("a length");
            }
            if head.is_empty() {
                break;
            }
        }
        body.resize(length, 0);
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let n = body.iter().filter(|byte| **byte == b'\n').count();
        lines.fetch_add(n as u64, Ordering::Relaxed);
        bytes.fetch_add(length as u64, Ordering::Relaxed);
        let mut writer = stream;
        if writer
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .is_err()
        {
            return;
        }
    }
}
