//! What a session is given: where, as whom, how safely, and what to leave behind.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;

/// A user name and a password. `Debug` hides the password.
#[derive(Clone, Eq, PartialEq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A message to send, at QoS 1.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Publish {
    /// Where to.
    pub topic: String,
    /// The body.
    pub payload: Vec<u8>,
    /// True when the broker keeps it for later subscribers.
    pub retain: bool,
    /// After how many seconds the broker drops what it could not deliver.
    pub expiry_s: Option<u32>,
    /// The MQTT 5 content type.
    pub content_type: Option<&'static str>,
}

/// What a session is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// A host name or an address; with TLS, also the name that the certificate must carry.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The MQTT client id; one level of a topic where it asks for replays.
    pub client_id: String,
    /// User and password.
    pub login: Option<Login>,
    /// TLS as [`Tls::load`](crate::mqtt::Tls::load) made it; none: plain TCP.
    pub tls: Option<Arc<ClientConfig>>,
    /// Seconds between pings on an idle line, at least 5; a dead line is noticed within two of them.
    pub keep_alive_s: u16,
    /// How many seconds the broker keeps the session of a lost connection. None: each connection starts clean.
    pub session_expiry_s: Option<u32>,
    /// True when [`Session::ack`](crate::mqtt::Session::ack) acknowledges each message, false when taking it does.
    pub manual_acks: bool,
    /// How many messages the broker may have under way to here, unacknowledged.
    pub receive_maximum: u16,
    /// The largest packet to take, in bytes. A larger one ends the connection.
    pub packet_max: u32,
    /// How many messages may be under way from here, unacknowledged; 1 to 16,000. The broker may allow fewer.
    pub window: u16,
    /// What the broker sends for us when it loses us.
    pub will: Option<Publish>,
}

impl Options {
    /// A clean session without login, TLS and will: 5 s keep alive, packets up to 1 MiB, 100 messages under way each way.
    pub fn new(host: impl Into<String>, port: u16, client_id: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port,
            client_id: client_id.into(),
            login: None,
            tls: None,
            keep_alive_s: 5,
            session_expiry_s: None,
            manual_acks: false,
            receive_maximum: 100,
            packet_max: 1 << 20,
            window: 100,
            will: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows_in_a_log() {
        let mut options = Options::new("broker", 8883, "gw");
        options.login = Some(Login {
            user: "gateway".into(),
            password: "hunter2".into(),
        });
        let shown = format!("{options:?}");
        assert!(
            shown.contains("gateway") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
