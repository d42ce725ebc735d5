//! The node's uplink as a cable that can be pulled: what connects to it reaches the broker, or nothing.
//!
//! It knows bytes only.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The two ends of a cable from a free port of 127.0.0.1 to `target`, plugged in.
#[derive(Debug)]
pub(super) struct Cable {
    listener: TcpListener,
    local_addr: SocketAddr,
    target: SocketAddr,
    plugged: watch::Sender<bool>,
}

/// Pulls the cable and puts it back.
#[derive(Clone, Debug)]
pub(super) struct Plug(watch::Sender<bool>);

impl Cable {
    /// Takes a free port.
    ///
    /// # Errors
    /// None could be had.
    pub(super) async fn bind(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self {
            local_addr: listener.local_addr()?,
            listener,
            target,
            plugged: watch::Sender::new(true),
        })
    }

    /// Where a client connects.
    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The hand on it.
    pub(super) fn plug(&self) -> Plug {
        Plug(self.plugged.clone())
    }

    /// Carries bytes for ever.
    pub(super) async fn run(self) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((near, _)) = self.listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            while connections.try_join_next().is_some() {}
            connections.spawn(carry(near, self.target, self.plugged.subscribe()));
        }
    }
}

impl Plug {
    /// Connections break, and new ones break at once.
    pub(super) fn pull(&self) {
        self.0.send_replace(false);
    }

    /// New connections hold again.
    pub(super) fn put_back(&self) {
        self.0.send_replace(true);
    }
}

async fn carry(mut near: TcpStream, target: SocketAddr, mut plugged: watch::Receiver<bool>) {
    let bytes = async {
        let mut far = TcpStream::connect(target).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        copy_bidirectional(&mut near, &mut far).await
    };
    tokio::select! {
        biased;
        _ = plugged.wait_for(|plugged| !plugged) => {}
        ended = bytes => tracing::debug!(?ended, "a connection over the cable ended"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_pulled_cable_breaks_what_is_connected_until_it_is_put_back() {
        let broker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let cable = Cable::bind(broker.local_addr().unwrap()).await.unwrap();
        let (local_addr, plug) = (cable.local_addr(), cable.plug());
        let mut tasks = JoinSet::new();
        tasks.spawn(cable.run());

        let mut near = TcpStream::connect(local_addr).await.unwrap();
        let (mut far, _) = broker.accept().await.unwrap();
        near.write_all(b"hi").await.unwrap();
        let mut heard = [0; 2];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hi");

        plug.pull();
        assert_eq!(near.read(&mut heard).await.unwrap_or(0), 0);
        assert_eq!(far.read(&mut heard).await.unwrap_or(0), 0);
        let mut refused = TcpStream::connect(local_addr).await.unwrap();
        assert_eq!(refused.read(&mut heard).await.unwrap_or(0), 0);

        plug.put_back();
        let mut near = TcpStream::connect(local_addr).await.unwrap();
        let (mut far, _) = broker.accept().await.unwrap();
        far.write_all(b"ok").await.unwrap();
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ok");
    }
}
