//! The session: rumqttc's event loop, with a new client for each connection and our own waiting between them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, DisconnectReasonCode, Filter, LastWill, Packet, PubAckReason,
    PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, EventLoop, MqttOptions, StateError};
use rumqttc::{NetworkOptions, Outgoing, TlsConfiguration, Transport};
use thiserror::Error;
use tokio::time::{Sleep, sleep, timeout};

use super::backoff;
use super::options::{Options, Publish};

/// How long TCP, TLS and CONNECT may take together, in seconds.
const CONNECT_S: u64 = 10;
/// A connection that lived this long was a good one: the next wait is the shortest again.
const STABLE: Duration = Duration::from_secs(10);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// What happens to a session.
#[derive(Debug)]
pub enum Event {
    /// Connected. Subscriptions are the caller's to make again, unless the broker kept the session.
    Connected {
        /// True when the broker kept the session.
        session_present: bool,
        /// How many messages may be under way, as we and the broker want it.
        window: usize,
    },
    /// A message came.
    Message(Message),
    /// The broker answered a publish.
    Acked {
        /// Which.
        id: u64,
        /// Why it was refused, as by an access list.
        refused: Option<Refusal>,
    },
    /// The broker answered a subscription.
    Subscribed {
        /// Which.
        id: u64,
        /// The first of its filters that was refused, and why.
        refused: Option<Refusal>,
    },
    /// There is no connection: it broke, or could not be made. Whatever was not acknowledged is to be sent again.
    Lost(Loss),
}

/// A message that came.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where it was published.
    pub topic: String,
    /// The body.
    pub payload: Vec<u8>,
    /// True when the broker kept it from before the subscription.
    pub retained: bool,
    /// The MQTT 5 content type.
    pub content_type: Option<String>,
    /// For [`Session::ack`].
    pub receipt: Receipt,
}

/// Which message of which connection; an acknowledgement of an older connection's message is dropped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Receipt {
    connection: u64,
    packet: u16,
}

/// A reason code of 0x80 or above in a PUBACK or SUBACK.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("refused by the broker: {word} (0x{code:02x})")]
pub struct Refusal {
    /// MQTT 5's code.
    pub code: u8,
    /// Its name.
    pub word: &'static str,
}

impl Refusal {
    /// 0x87: an access list says no.
    pub const NOT_AUTHORIZED: Self = Self {
        code: 0x87,
        word: "not authorized",
    };
}

/// Why there is no connection.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Loss {
    /// The broker answered and did not want us: wrong password, not allowed, no such protocol.
    #[error("the broker refuses the connection: {0}")]
    Refused(String),
    /// Another client came with our client id.
    #[error("another client took over with the same client id")]
    TakenOver,
    /// The broker closed the connection and said why.
    #[error("the broker closed the connection: {0}")]
    Closed(String),
    /// No trust: a certificate that is not right, on either side.
    #[error("TLS: {0}")]
    Tls(String),
    /// The line: refused, unreachable, reset, silent.
    #[error("{0}")]
    Line(String),
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NotSent {
    /// There is no connection now.
    #[error("not connected")]
    NotConnected,
    /// As many as the window allows are under way.
    #[error("as many messages under way as the window allows")]
    Full,
    /// The topic is none that can be published to.
    #[error("no topic to publish to")]
    Topic,
}

/// A session. [`next`](Self::next) must be awaited for anything to move.
pub struct Session {
    options: Options,
    connections: u64,
    failures: u32,
    seed: u64,
    pause: Option<Pin<Box<Sleep>>>,
    link: Option<Link>,
}

type Stepped = (Box<EventLoop>, Result<rumqttc::v5::Event, ConnectionError>);

/// One connection, or the try to make one.
struct Link {
    client: AsyncClient,
    /// rumqttc's `poll`, owned: a cancelled [`Session::next`] leaves it as it is, and so never drops a packet that was taken and not yet written.
    step: Pin<Box<dyn Future<Output = Stepped> + Send>>,
    /// While this runs, the connection is too young to be called good.
    stable: Option<Pin<Box<Sleep>>>,
    connected: bool,
    window: usize,
    /// Ids in the order in which they were given to rumqttc; packet ids come in the same order.
    publishing: VecDeque<u64>,
    subscribing: VecDeque<u64>,
    unacked: HashMap<u16, u64>,
    unanswered: HashMap<u16, u64>,
}

impl Session {
    /// A session that is not connected yet; nothing happens before [`next`](Self::next).
    pub fn new(options: Options) -> Self {
        let mut hasher = DefaultHasher::new();
        options.client_id.hash(&mut hasher);
        Self {
            seed: hasher.finish(),
            options,
            connections: 0,
            failures: 0,
            pause: None,
            link: None,
        }
    }

    /// What it was made from.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The next event; connects, and connects again after a pause that doubles up to five seconds.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Event {
        if let Some(pause) = &mut self.pause {
            pause.as_mut().await;
            self.pause = None;
        }
        loop {
            let link = self.link.get_or_insert_with(|| {
                self.connections += 1;
                Link::open(&self.options)
            });
            let outcome = tokio::select! {
                (event_loop, outcome) = &mut link.step => {
                    link.step = step(event_loop);
                    outcome
                }
                () = ripe(&mut link.stable) => {
                    self.failures = 0;
                    continue;
                }
            };
            let event = match outcome {
                Ok(rumqttc::v5::Event::Incoming(packet)) => {
                    link.incoming(packet, self.connections, &self.options)
                }
                Ok(rumqttc::v5::Event::Outgoing(outgoing)) => {
                    link.outgoing(&outgoing);
                    None
                }
                Err(error) => Some(Event::Lost(loss(&error))),
            };
            match event {
                Some(Event::Lost(loss)) => {
                    self.link = None;
                    self.failures = self.failures.saturating_add(1);
                    let wait = backoff::wait(self.failures, self.seed);
                    self.pause = Some(Box::pin(sleep(wait)));
                    return Event::Lost(loss);
                }
                Some(event) => return event,
                None => {}
            }
        }
    }

    /// Gives a message to the connection; [`Event::Acked`] tells with this id what became of it, or [`Event::Lost`].
    ///
    /// # Errors
    /// No connection, as many under way as the window allows, or a topic with a wildcard.
    pub fn publish(&mut self, id: u64, publish: Publish) -> Result<(), NotSent> {
        let link = connected(&mut self.link)?;
        if link.publishing.len() + link.unacked.len() >= link.window {
            return Err(NotSent::Full);
        }
        let Publish {
            topic,
            payload,
            retain,
            expiry_s,
            content_type,
        } = publish;
        if topic.is_empty() || topic.contains(['+', '#']) {
            return Err(NotSent::Topic);
        }
        let properties = PublishProperties {
            message_expiry_interval: expiry_s,
            content_type: content_type.map(Into::into),
            ..PublishProperties::default()
        };
        link.client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)
            .map_err(|_full| NotSent::Full)?;
        link.publishing.push_back(id);
        Ok(())
    }

    /// Subscribes at QoS 1; [`Event::Subscribed`] tells with this id what became of it.
    ///
    /// # Errors
    /// No connection, or too many requests waiting.
    pub fn subscribe(
        &mut self,
        id: u64,
        filters: impl IntoIterator<Item = String>,
    ) -> Result<(), NotSent> {
        let link = connected(&mut self.link)?;
        let filters = filters
            .into_iter()
            .map(|filter| Filter::new(filter, QoS::AtLeastOnce));
        link.client
            .try_subscribe_many(filters)
            .map_err(|_full| NotSent::Full)?;
        link.subscribing.push_back(id);
        Ok(())
    }

    /// Takes filters back. There is no answer to wait for: a message may still come.
    ///
    /// # Errors
    /// No connection, or too many requests waiting.
    pub fn unsubscribe(
        &mut self,
        filters: impl IntoIterator<Item = String>,
    ) -> Result<(), NotSent> {
        let link = connected(&mut self.link)?;
        for filter in filters {
            link.client
                .try_unsubscribe(filter)
                .map_err(|_full| NotSent::Full)?;
        }
        Ok(())
    }

    /// Acknowledges a message, with manual acknowledgements. One of an older connection is dropped: it comes again.
    ///
    /// Acknowledge in the order in which they came: some brokers close the connection otherwise.
    ///
    /// # Errors
    /// No connection, or too many requests waiting.
    pub fn ack(&mut self, receipt: Receipt) -> Result<(), NotSent> {
        let connections = self.connections;
        let link = connected(&mut self.link)?;
        if receipt.connection != connections || receipt.packet == 0 {
            return Ok(());
        }
        let mut message = rumqttc::v5::mqttbytes::v5::Publish::new("", QoS::AtLeastOnce, "", None);
        message.pkid = receipt.packet;
        link.client.try_ack(&message).map_err(|_full| NotSent::Full)
    }

    /// Says goodbye, so that the broker forgets the will. Wait for what must arrive before this.
    pub async fn close(mut self) {
        let Some(mut link) = self.link.take().filter(|link| link.connected) else {
            return;
        };
        if link.client.try_disconnect().is_err() {
            return;
        }
        let farewell = async {
            loop {
                let (event_loop, outcome) = link.step.as_mut().await;
                match outcome {
                    Err(_) | Ok(rumqttc::v5::Event::Outgoing(Outgoing::Disconnect)) => break,
                    Ok(_) => link.step = step(event_loop),
                }
            }
        };
        // A broker that does not listen any more sends the will, which says what is true.
        drop(timeout(FAREWELL, farewell).await);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("options", &self.options)
            .field("connections", &self.connections)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

fn connected(link: &mut Option<Link>) -> Result<&mut Link, NotSent> {
    link.as_mut()
        .filter(|link| link.connected)
        .ok_or(NotSent::NotConnected)
}

/// Ends once, when the timer does; never without one.
async fn ripe(timer: &mut Option<Pin<Box<Sleep>>>) {
    match timer {
        Some(running) => running.as_mut().await,
        None => std::future::pending().await,
    }
    *timer = None;
}

fn step(mut event_loop: Box<EventLoop>) -> Pin<Box<dyn Future<Output = Stepped> + Send>> {
    Box::pin(async move {
        let outcome = event_loop.poll().await;
        (event_loop, outcome)
    })
}

impl Link {
    fn open(options: &Options) -> Self {
        let window = options.window.clamp(1, 16_000);
        let mut mqtt = MqttOptions::new(&options.client_id, &options.host, options.port);
        mqtt.set_keep_alive(Duration::from_secs(options.keep_alive_s.max(5).into()))
            .set_clean_start(options.session_expiry_s.is_none())
            .set_connection_timeout(CONNECT_S)
            .set_manual_acks(options.manual_acks)
            // Packet ids run to this and SUBSCRIBE shares them: twice the window keeps one in use from being given again.
            .set_outgoing_inflight_upper_limit(window * 2);
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = options.session_expiry_s;
        properties.receive_maximum = Some(options.receive_maximum.max(1));
        // rumqttc takes 10 KiB unless told otherwise.
        properties.max_packet_size = Some(options.packet_max);
        mqtt.set_connect_properties(properties);
        // Off by default in rumqttc; Nagle costs 40 ms.
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        mqtt.set_network_options(network);
        if let Some(login) = &options.login {
            mqtt.set_credentials(&login.user, &login.password);
        }
        if let Some(tls) = &options.tls {
            mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                tls.clone(),
            )));
        }
        if let Some(will) = &options.will {
            mqtt.set_last_will(LastWill::new(
                will.topic.clone(),
                will.payload.clone(),
                QoS::AtLeastOnce,
                will.retain,
                None,
            ));
        }
        let requests = usize::from(window) + usize::from(options.receive_maximum) + 1_024;
        let (client, event_loop) = AsyncClient::new(mqtt, requests);
        Self {
            client,
            step: step(Box::new(event_loop)),
            stable: None,
            connected: false,
            window: usize::from(window),
            publishing: VecDeque::new(),
            subscribing: VecDeque::new(),
            unacked: HashMap::new(),
            unanswered: HashMap::new(),
        }
    }

    fn outgoing(&mut self, outgoing: &Outgoing) {
        match outgoing {
            Outgoing::Publish(packet) => {
                if let Some(id) = self.publishing.pop_front() {
                    self.unacked.insert(*packet, id);
                }
            }
            Outgoing::Subscribe(packet) => {
                if let Some(id) = self.subscribing.pop_front() {
                    self.unanswered.insert(*packet, id);
                }
            }
            _ => {}
        }
    }

    fn incoming(&mut self, packet: Packet, connection: u64, options: &Options) -> Option<Event> {
        match packet {
            Packet::ConnAck(ack) => {
                let theirs = ack.properties.and_then(|properties| properties.receive_max);
                let half = usize::from(theirs.unwrap_or(u16::MAX) / 2).max(1);
                self.window = self.window.min(half);
                self.connected = true;
                self.stable = Some(Box::pin(sleep(STABLE)));
                Some(Event::Connected {
                    session_present: ack.session_present && options.session_expiry_s.is_some(),
                    window: self.window,
                })
            }
            Packet::Publish(publish) => Some(Event::Message(Message {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload.into(),
                retained: publish.retain,
                content_type: publish
                    .properties
                    .and_then(|properties| properties.content_type),
                receipt: Receipt {
                    connection,
                    packet: publish.pkid,
                },
            })),
            Packet::PubAck(ack) => {
                let id = self.unacked.remove(&ack.pkid)?;
                let refused = puback_refusal(ack.reason);
                Some(Event::Acked { id, refused })
            }
            Packet::SubAck(ack) => {
                let id = self.unanswered.remove(&ack.pkid)?;
                let refused = ack.return_codes.into_iter().find_map(suback_refusal);
                Some(Event::Subscribed { id, refused })
            }
            _ => None,
        }
    }
}

fn refusal(code: u8, word: &'static str) -> Option<Refusal> {
    Some(Refusal { code, word })
}

fn puback_refusal(reason: PubAckReason) -> Option<Refusal> {
    match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
        PubAckReason::UnspecifiedError => refusal(0x80, "unspecified error"),
        PubAckReason::ImplementationSpecificError => refusal(0x83, "implementation specific error"),
        PubAckReason::NotAuthorized => Some(Refusal::NOT_AUTHORIZED),
        PubAckReason::TopicNameInvalid => refusal(0x90, "topic name invalid"),
        PubAckReason::PacketIdentifierInUse => refusal(0x91, "packet identifier in use"),
        PubAckReason::QuotaExceeded => refusal(0x97, "quota exceeded"),
        PubAckReason::PayloadFormatInvalid => refusal(0x99, "payload format invalid"),
    }
}

fn suback_refusal(reason: SubscribeReasonCode) -> Option<Refusal> {
    match reason {
        SubscribeReasonCode::Success(_) => None,
        SubscribeReasonCode::Failure | SubscribeReasonCode::Unspecified => {
            refusal(0x80, "unspecified error")
        }
        SubscribeReasonCode::ImplementationSpecific => {
            refusal(0x83, "implementation specific error")
        }
        SubscribeReasonCode::NotAuthorized => Some(Refusal::NOT_AUTHORIZED),
        SubscribeReasonCode::TopicFilterInvalid => refusal(0x8F, "topic filter invalid"),
        SubscribeReasonCode::PkidInUse => refusal(0x91, "packet identifier in use"),
        SubscribeReasonCode::QuotaExceeded => refusal(0x97, "quota exceeded"),
        SubscribeReasonCode::SharedSubscriptionsNotSupported => {
            refusal(0x9E, "shared subscriptions not supported")
        }
        SubscribeReasonCode::SubscriptionIdNotSupported => {
            refusal(0xA1, "subscription identifiers not supported")
        }
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => {
            refusal(0xA2, "wildcard subscriptions not supported")
        }
    }
}

fn loss(error: &ConnectionError) -> Loss {
    match error {
        ConnectionError::ConnectionRefused(code) => Loss::Refused(format!("{code:?}")),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => match (reason_code, reason_string) {
            (DisconnectReasonCode::SessionTakenOver, _) => Loss::TakenOver,
            (code, None) => Loss::Closed(format!("{code:?}")),
            (code, Some(reason)) => Loss::Closed(format!("{code:?}: {reason}")),
        },
        ConnectionError::Tls(error) => Loss::Tls(error.to_string()),
        ConnectionError::Timeout(_) => Loss::Line(format!("no answer within {CONNECT_S} s")),
        // rustls speaks through io::Error once the handshake has begun.
        ConnectionError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Loss::Tls(error.to_string())
        }
        other => Loss::Line(other.to_string()),
    }
}
