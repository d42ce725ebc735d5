//! The session: rumqttc's event loop, with a new client for each connection and our own waiting between them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Filter, LastWill, Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, ConnectionError, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, Outgoing, TlsConfiguration, Transport};
use thiserror::Error;
use tokio::time::{Sleep, sleep, timeout};

use super::backoff;
use super::options::{Options, Publish};
use super::reason::{self, Loss, Refusal};

/// How long TCP, TLS and CONNECT may take together, in seconds.
const CONNECT_S: u64 = 10;
/// A connection that lived this long was a good one: the next wait is the shortest again.
const STABLE: Duration = Duration::from_secs(10);
/// How many subscriptions may be under way.
const SUBSCRIPTIONS: u16 = 8;
/// What a PUBLISH has beside topic, content type and body, at most, in bytes.
const PUBLISH_OVERHEAD: usize = 32;
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
    /// What the broker said before the connection broke, and that it broke.
    last_words: VecDeque<Event>,
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
    /// The largest packet that the broker takes.
    packet_max: usize,
    /// Publishes that were too large for it, until that is told.
    too_large: VecDeque<u64>,
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
            last_words: VecDeque::new(),
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
        if let Some(event) = self.last_words.pop_front() {
            return event;
        }
        if let Some(pause) = &mut self.pause {
            pause.as_mut().await;
            self.pause = None;
        }
        loop {
            let link = self.link.get_or_insert_with(|| {
                self.connections += 1;
                Link::open(&self.options)
            });
            if let Some(id) = link.too_large.pop_front() {
                let refused = Some(Refusal::TOO_LARGE);
                return Event::Acked { id, refused };
            }
            let (mut event_loop, outcome) = tokio::select! {
                stepped = &mut link.step => stepped,
                () = ripe(&mut link.stable) => {
                    self.failures = 0;
                    continue;
                }
            };
            let error = match outcome {
                Ok(event) => {
                    link.step = step(event_loop);
                    match link.take(event, self.connections, &self.options) {
                        Some(event) => return event,
                        None => continue,
                    }
                }
                Err(error) => error,
            };
            // A broker that hangs up on whom it refuses says so before: an answer that came with the end is still one.
            for event in event_loop.state.events.drain(..) {
                let event = link.take(event, self.connections, &self.options);
                let answer = event.filter(|event| matches!(event, Event::Acked { .. }));
                self.last_words.extend(answer);
            }
            let loss = reason::loss(&error, CONNECT_S);
            self.last_words.push_back(Event::Lost(loss));
            self.link = None;
            self.failures = self.failures.saturating_add(1);
            let wait = backoff::wait(self.failures, self.seed);
            self.pause = Some(Box::pin(sleep(wait)));
            if let Some(event) = self.last_words.pop_front() {
                return event;
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
        let described = topic.len() + content_type.map_or(0, str::len);
        if described + payload.len() + PUBLISH_OVERHEAD > link.packet_max {
            link.too_large.push_back(id);
            return Ok(());
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
        if link.subscribing.len() + link.unanswered.len() >= usize::from(SUBSCRIPTIONS) {
            return Err(NotSent::Full);
        }
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
            // Packet ids run to this and SUBSCRIBE shares them unchecked: twice what may be under way keeps one in use from being given again.
            .set_outgoing_inflight_upper_limit(2 * (window + SUBSCRIPTIONS));
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
            packet_max: usize::MAX,
            too_large: VecDeque::new(),
            publishing: VecDeque::new(),
            subscribing: VecDeque::new(),
            unacked: HashMap::new(),
            unanswered: HashMap::new(),
        }
    }

    /// What the caller is told of an event of rumqttc's.
    fn take(
        &mut self,
        event: rumqttc::v5::Event,
        connection: u64,
        options: &Options,
    ) -> Option<Event> {
        match event {
            rumqttc::v5::Event::Incoming(packet) => self.incoming(packet, connection, options),
            rumqttc::v5::Event::Outgoing(outgoing) => {
                self.outgoing(&outgoing);
                None
            }
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
                let theirs = ack.properties.as_ref();
                let receive_max = theirs.and_then(|properties| properties.receive_max);
                let half = usize::from(receive_max.unwrap_or(u16::MAX) / 2).max(1);
                let packet_max = theirs.and_then(|properties| properties.max_packet_size);
                self.packet_max = packet_max
                    .and_then(|max| usize::try_from(max).ok())
                    .unwrap_or(usize::MAX);
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
                let refused = reason::publish_refused(ack.reason);
                Some(Event::Acked { id, refused })
            }
            Packet::SubAck(ack) => {
                let id = self.unanswered.remove(&ack.pkid)?;
                let mut codes = ack.return_codes.into_iter();
                let refused = codes.find_map(reason::subscribe_refused);
                Some(Event::Subscribed { id, refused })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_broker_that_refuses_a_publish_and_hangs_up_at_once_is_still_heard() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1_024];
            // CONNECT, then PUBLISH: each comes whole, nothing else is under way.
            for answer in [
                &[0x20_u8, 3, 0, 0, 0][..],
                // PUBACK of packet 1: not authorized. With it the end comes.
                &[0x40, 3, 0, 1, 0x87],
            ] {
                assert!(stream.read(&mut buffer).await.unwrap() > 0);
                stream.write_all(answer).await.unwrap();
            }
        };
        let client = async {
            let mut session = Session::new(Options::new("127.0.0.1", port, "c"));
            let connected = session.next().await;
            assert!(
                matches!(connected, Event::Connected { .. }),
                "{connected:?}"
            );
            let topic = "t".to_owned();
            let message = Publish {
                topic,
                ..Publish::default()
            };
            session.publish(7, message).unwrap();
            // The end is there before anybody asks.
            (session.next().await, session.next().await)
        };
        let ((), (first, second)) = tokio::join!(broker, client);
        let refused = Some(Refusal::NOT_AUTHORIZED);
        assert!(
            matches!(first, Event::Acked { id: 7, refused: it } if it == refused),
            "{first:?}"
        );
        assert!(matches!(second, Event::Lost(_)), "{second:?}");
    }
}
