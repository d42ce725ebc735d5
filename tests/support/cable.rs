//! A TCP line on loopback that can be pulled and put back.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A line to a port of 127.0.0.1; it is pulled when the value goes.
#[derive(Debug)]
pub struct Cable {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    is_pulled: AtomicBool,
    is_over: AtomicBool,
    is_silent: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Cable {
    /// A line to a port.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a port");
        let own = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        start(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                accepting.carry(near, port);
            }
        });
        Self { port: own, shared }
    }

    /// The URL at the near end.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Breaks every connection, and each that is tried until it is put back.
    pub fn pull(&self) {
        self.shared.is_pulled.store(true, Ordering::SeqCst);
        self.shared.cut();
    }

    /// Carries nothing more and closes nothing, as when packets are dropped on the way; what is said meanwhile is lost.
    pub fn fall_silent(&self) {
        self.shared.is_silent.store(true, Ordering::SeqCst);
    }

    /// Lets connections through again; those that lost something meanwhile are gone.
    pub fn put_back(&self) {
        if self.shared.is_silent.swap(false, Ordering::SeqCst) {
            self.shared.cut();
        }
        self.shared.is_pulled.store(false, Ordering::SeqCst);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.pull();
        // Wakes who accepts.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

impl Shared {
    fn carry(self: &Arc<Self>, near: TcpStream, port: u16) {
        let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
            return;
        };
        let mut streams = self.streams.lock().expect("nobody panics with it");
        if self.is_pulled.load(Ordering::SeqCst) {
            return;
        }
        let twice = |stream: &TcpStream| stream.try_clone().expect("a socket can be shared");
        streams.extend([twice(&near), twice(&far)]);
        let (near_too, far_too) = (twice(&near), twice(&far));
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        start(move || there.copy(near, far));
        start(move || back.copy(far_too, near_too));
    }

    fn cut(&self) {
        let mut streams = self.streams.lock().expect("nobody panics with it");
        for stream in streams.drain(..) {
            // It may be closed already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Carries bytes until either end is closed, and then closes both; while the line is silent nothing of that is passed on.
    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let is_silent = self.is_silent.load(Ordering::SeqCst);
            if !is_silent && to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        if self.is_silent.load(Ordering::SeqCst) {
            return;
        }
        for stream in [from, to] {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn start(work: impl FnOnce() + Send + 'static) {
    #[allow(
        clippy::disallowed_methods,
        reason = "ends with the sockets that it reads"
    )]
    std::thread::spawn(work);
}
