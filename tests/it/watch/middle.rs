//! A man in the middle: a broker hears what the gateway's broker does, but for what he does to it.
//!
//! He keeps retained flags and carries replay requests back.

use std::future::pending;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Filter, Packet};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::task::JoinSet;

/// A message on its way.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) topic: String,
    pub(super) retain: bool,
    pub(super) payload: Vec<u8>,
}

/// What becomes of a message.
pub(super) type Does = Box<dyn FnMut(Said) -> Vec<Said> + Send>;

/// A running middle; it ends with the value.
pub(super) struct Middle {
    _tasks: JoinSet<()>,
}

impl Middle {
    /// Carries from the gateway's broker to a regulator's, and waits until he hears both.
    pub(super) async fn between(gateway: u16, regulator: u16, does: Does) -> Self {
        let (near, mut near_loop) = client(gateway, regulator);
        let (far, mut far_loop) = client(regulator, regulator);
        listen(&near, &mut near_loop, &["alarm/#", "gateway/status"]).await;
        listen(&far, &mut far_loop, &["alarm/replay/+/request"]).await;
        let mut tasks = JoinSet::new();
        tasks.spawn(carry(near_loop, far, does));
        let back: Does = Box::new(|said| vec![said]);
        tasks.spawn(carry(far_loop, near, back));
        Self { _tasks: tasks }
    }
}

/// A client of a broker for the middle before `regulator`, one of many at the gateway's.
fn client(broker: u16, regulator: u16) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(format!("middle-{regulator}"), "127.0.0.1", broker);
    let mut properties = ConnectProperties::new();
    properties.max_packet_size = Some(1 << 20);
    properties.receive_maximum = Some(1_000);
    options.set_connect_properties(properties);
    AsyncClient::new(options, 10_000)
}

async fn listen(client: &AsyncClient, events: &mut EventLoop, topics: &[&str]) {
    let filters = topics.iter().map(|topic| Filter {
        path: format!("fengsui/v1/east/+/{topic}"),
        qos: QoS::AtLeastOnce,
        nolocal: true,
        preserve_retain: true,
        ..Filter::default()
    });
    client.subscribe_many(filters).await.unwrap();
    loop {
        if let Event::Incoming(Packet::SubAck(_)) = events.poll().await.unwrap() {
            return;
        }
    }
}

/// Until the connection is gone: then nobody hears anything any more.
async fn carry(mut from: EventLoop, to: AsyncClient, mut does: Does) {
    while let Ok(event) = from.poll().await {
        let Event::Incoming(Packet::Publish(publish)) = event else {
            continue;
        };
        let said = Said {
            topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
            retain: publish.retain,
            payload: publish.payload.to_vec(),
        };
        for Said {
            topic,
            retain,
            payload,
        } in does(said)
        {
            to.publish(topic, QoS::AtLeastOnce, retain, payload)
                .await
                .unwrap();
        }
    }
    pending().await
}
