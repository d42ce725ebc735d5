//! The embedded broker: MQTT 5 and 3.1.1 on one port, in memory, for the demo and for trials.
//!
//! A plant runs a broker of its own (`configs/broker`): this one has no TLS and no access lists, and forgets everything when it stops.
//! The only file that knows the broker library. It starts no task: who runs it decides where.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use mqtt5::broker::config::{StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerConfig, BrokerShutdownHandle, MqttBroker};
use thiserror::Error;

/// Twice what the contract lets a message be, with room for its topic.
const PACKET_MAX: usize = 512 * 1024 + 1024;
/// Messages that may wait for one client: a burst of 20,000 alarms has two messages each.
const QUEUE_MAX: usize = 100_000;
/// How long a session of a lost client is kept.
const SESSION_KEPT: Duration = Duration::from_secs(3_600);

/// A broker that has its port and is not running yet.
pub struct Broker {
    inner: MqttBroker,
    local_addr: SocketAddr,
}

/// Stops a running broker; all clones stop the same one.
#[derive(Clone)]
pub struct Stopper(BrokerShutdownHandle);

/// Why a broker did not start or did not go on.
#[derive(Debug, Error)]
#[error("embedded broker on {listen}: {reason}")]
pub struct BrokerError {
    /// Where it should listen or listened.
    pub listen: SocketAddr,
    /// What the library said.
    pub reason: String,
}

impl Broker {
    /// Takes a port; 0 takes a free one.
    ///
    /// # Errors
    /// The port could not be taken.
    pub async fn bind(listen: SocketAddr) -> Result<Self, BrokerError> {
        let failed = |reason: String| BrokerError { listen, reason };
        // Everything that the library would do otherwise: all interfaces, files in the working folder, `$SYS`, 256 MB packets, sessions for ever.
        let mut config = BrokerConfig::default()
            .with_bind_address(listen)
            .with_max_clients(1_000)
            .with_max_packet_size(PACKET_MAX)
            .with_session_expiry(SESSION_KEPT)
            .with_client_channel_capacity(QUEUE_MAX)
            .with_max_outbound_inflight(1_000)
            .with_storage(
                StorageConfig::default()
                    .with_backend(StorageBackend::Memory)
                    .with_max_queued_messages_per_client(QUEUE_MAX),
            );
        config.sys_topics_enabled = false;
        let inner = MqttBroker::with_config(config)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let local_addr = inner
            .local_addr()
            .ok_or_else(|| failed("it has no address".to_owned()))?;
        Ok(Self { inner, local_addr })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What stops it while it runs.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.inner.shutdown_handle())
    }

    /// Serves until it is stopped; clients may connect before.
    ///
    /// # Errors
    /// It could not go on.
    pub async fn run(mut self) -> Result<(), BrokerError> {
        let ended = self.inner.run().await;
        ended.map_err(|error| BrokerError {
            listen: self.local_addr,
            reason: error.to_string(),
        })
    }
}

impl Stopper {
    /// Asks the broker to stop: connections are closed, [`Broker::run`] returns.
    pub fn stop(&self) {
        self.0.shutdown();
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const CONNECT_5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a";
    const CONNECT_311: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01b";

    async fn bind() -> Broker {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Broker::bind(listen).await.expect("a free port")
    }

    async fn connect(listen: SocketAddr, packet: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(listen).await.expect("it listens");
        client.write_all(packet).await.expect("it reads");
        let body = read_packet(&mut client, 0x20).await;
        assert_eq!(body[..2], [0, 0], "no session, accepted");
        client
    }

    /// The body of the next packet, which is shorter than 128 bytes.
    async fn read_packet(client: &mut TcpStream, kind: u8) -> Vec<u8> {
        let mut head = [0; 2];
        client.read_exact(&mut head).await.expect("a packet");
        assert_eq!(head[0], kind);
        let mut body = vec![0; usize::from(head[1])];
        client.read_exact(&mut body).await.expect("its body");
        body
    }

    #[tokio::test]
    async fn a_state_retained_by_an_mqtt_5_client_reaches_a_3_1_1_subscriber() {
        let broker = bind().await;
        let (listen, stopper) = (broker.local_addr(), broker.stopper());
        let clients = async {
            let mut publisher = connect(listen, CONNECT_5).await;
            let publish = b"\x33\x08\x00\x01t\x00\x07\x00hi";
            publisher.write_all(publish).await.expect("it reads");
            assert_eq!(read_packet(&mut publisher, 0x40).await[..2], [0, 7]);
            let mut subscriber = connect(listen, CONNECT_311).await;
            let subscribe = b"\x82\x06\x00\x01\x00\x01t\x01";
            subscriber.write_all(subscribe).await.expect("it reads");
            assert_eq!(read_packet(&mut subscriber, 0x90).await, [0, 1, 1]);
            let body = read_packet(&mut subscriber, 0x33).await;
            assert!(body.starts_with(b"\x00\x01t") && body.ends_with(b"hi"));
            stopper.stop();
        };
        let (ended, ()) = tokio::join!(broker.run(), clients);
        ended.expect("it was stopped");
    }

    #[tokio::test]
    async fn a_stopped_broker_gives_its_port_back_and_writes_no_file() {
        let before = std::fs::read_dir(".").expect("a folder").count();
        let broker = bind().await;
        let (listen, stopper) = (broker.local_addr(), broker.stopper());
        let client = async {
            let client = connect(listen, CONNECT_311).await;
            stopper.stop();
            drop(client);
        };
        let (ended, ()) = tokio::join!(broker.run(), client);
        ended.expect("it was stopped");
        let again = Broker::bind(listen).await.expect("the port is free");
        assert_eq!(again.local_addr(), listen);
        assert_eq!(std::fs::read_dir(".").expect("a folder").count(), before);
    }

    #[tokio::test]
    async fn a_taken_port_is_told_with_its_address() {
        let broker = bind().await;
        let error = Broker::bind(broker.local_addr()).await.expect_err("taken");
        let told = error.to_string();
        assert!(told.contains(&broker.local_addr().to_string()), "{told}");
    }
}
