//! The bytes under a Modbus context: a serial port or a connection that outlives the context, counts what it reads, and can be emptied.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use devices::{Link, Parity};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_serial::{DataBits, SerialPortBuilderExt, SerialStream, StopBits};

/// An open line. Clones share it, so that dropping a Modbus context does not close a serial port.
#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    port: Port,
    received: u64,
}

#[derive(Debug)]
enum Port {
    Serial(SerialStream),
    Tcp(TcpStream),
}

impl Wire {
    /// Opens the line.
    pub(super) async fn open(link: &Link) -> io::Result<Self> {
        let port = match link {
            Link::Rtu {
                path,
                baud,
                parity,
                stop_bits,
            } => {
                let port = tokio_serial::new(path.as_str(), *baud)
                    .data_bits(DataBits::Eight)
                    .parity(match parity {
                        Parity::None => tokio_serial::Parity::None,
                        Parity::Even => tokio_serial::Parity::Even,
                        Parity::Odd => tokio_serial::Parity::Odd,
                    })
                    .stop_bits(if *stop_bits == 2 {
                        StopBits::Two
                    } else {
                        StopBits::One
                    })
                    .open_native_async()?;
                Port::Serial(port)
            }
            Link::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Port::Tcp(stream)
            }
        };
        Ok(Self(Arc::new(Mutex::new(Open { port, received: 0 }))))
    }

    /// How many bytes were read since it was opened.
    pub(super) fn received(&self) -> u64 {
        self.lock().received
    }

    /// Throws away what has arrived unasked; returns how many bytes that was.
    ///
    /// # Errors
    /// The line is gone.
    pub(super) fn discard_arrived(&self) -> io::Result<usize> {
        let mut buffer = [0; 256];
        let mut discarded = 0;
        loop {
            let read = match &mut self.lock().port {
                Port::Serial(port) => port.try_read(&mut buffer),
                Port::Tcp(stream) => stream.try_read(&mut buffer),
            };
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => discarded += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(discarded),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads and throws away until the line ends or the future is dropped.
    pub(super) async fn discard(&mut self) -> io::Error {
        let mut buffer = [0; 256];
        loop {
            match self.read(&mut buffer).await {
                Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Held only within these functions, which do not panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let mut open = self.lock();
        let polled = match &mut open.port {
            Port::Serial(port) => Pin::new(port).poll_read(cx, buf),
            Port::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        let count = buf.filled().len() - before;
        open.received += u64::try_from(count).unwrap_or(u64::MAX);
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.lock().port {
            Port::Serial(port) => Pin::new(port).poll_write(cx, bytes),
            Port::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.lock().port {
            // Waiting for the last bit to leave would block the thread, and the answer waits for it anyhow.
            Port::Serial(_) => Poll::Ready(Ok(())),
            Port::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.lock().port {
            // The context goes, the port stays.
            Port::Serial(_) => Poll::Ready(Ok(())),
            Port::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
