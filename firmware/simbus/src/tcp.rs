//! The shell for Modbus TCP: bytes in, replies out when they are due.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bus::Control;
use crate::clock;
use crate::frame::{Framing, Parsed, parse_request};
use crate::slave::Reply;
use crate::supervise::Tasks;

/// Binds a free port of 127.0.0.1 and serves it.
pub(crate) async fn start(control: Control, tasks: &mut Tasks) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let local_addr = listener.local_addr()?;
    tasks.spawn(accept(listener, control));
    Ok(local_addr)
}

async fn accept(listener: TcpListener, control: Control) {
    let mut connections = Tasks::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let control = control.clone();
                connections.spawn(async move {
                    if let Err(error) = serve(stream, &control).await {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one client until it closes, loses the stream or a cut closes it.
async fn serve(mut stream: TcpStream, control: &Control) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    let mut due: Vec<(Instant, Reply)> = Vec::new();
    loop {
        let next = due.iter().map(|(at, _)| *at).min();
        let mut chunk = [0; 512];
        tokio::select! {
            count = stream.read(&mut chunk) => {
                let count = count?;
                if count == 0 {
                    return Ok(());
                }
                received.extend(chunk.iter().take(count));
                if !take_requests(&mut received, &mut due, control) {
                    return Ok(());
                }
            }
            () = sleep_until(next), if next.is_some() => {}
        }
        let now = clock::now();
        due.sort_by_key(|(at, _)| *at);
        while due.first().is_some_and(|(at, _)| *at <= now) {
            let (_, reply) = due.remove(0);
            stream.write_all(&reply.bytes).await?;
            if reply.cut {
                return stream.shutdown().await;
            }
        }
    }
}

/// False when the stream is lost.
fn take_requests(
    received: &mut Vec<u8>,
    due: &mut Vec<(Instant, Reply)>,
    control: &Control,
) -> bool {
    loop {
        match parse_request(Framing::Mbap, received) {
            Parsed::Incomplete => return true,
            Parsed::Broken => return false,
            Parsed::Request(request, used) => {
                if let Some(reply) = control.handle_request(Framing::Mbap, request) {
                    due.push((clock::now() + Duration::from_millis(reply.after_ms), reply));
                }
                received.drain(..used);
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}
