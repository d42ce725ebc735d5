//! A node's uplink over MQTT: its effects to the broker, the broker's answers to it.

use node::{Effect, Will};
use tracing::{info, warn};

use crate::mqtt::{Event, NotSent, Options, Publish, Session};
use crate::runtime::{UplinkEvent, UplinkPeer};

/// Adds a node's will to what its session is made from.
#[must_use]
pub fn with_will(mut options: Options, will: &Will) -> Options {
    options.will = Some(Publish {
        topic: will.topic.to_string(),
        payload: will.payload.clone(),
        retain: true,
        ..Publish::default()
    });
    options
}

/// Serves a node until it is gone, then waits for what it said last and says goodbye.
///
/// The session must start clean: what was not acknowledged is the node's to send again.
pub async fn serve(mut session: Session, mut peer: UplinkPeer) {
    let mut number = 0;
    let mut connected = false;
    let mut waiting: Option<Effect> = None;
    let mut gone = false;
    let mut under_way = 0_usize;
    loop {
        if let Some(effect) = waiting.take() {
            match give(&mut session, number, &effect) {
                Ok(publishes) => under_way += publishes,
                Err(NotSent::Full | NotSent::NotConnected) => waiting = Some(effect),
                Err(NotSent::Topic) => warn!("the node gave a topic that can't be published to"),
            }
        }
        if gone && (!connected || (waiting.is_none() && under_way == 0)) {
            session.close().await;
            return;
        }
        tokio::select! {
            event = session.next() => {
                let told = match event {
                    Event::Connected { .. } => {
                        info!("connected");
                        connected = true;
                        number += 1;
                        under_way = 0;
                        waiting = None;
                        Some(UplinkEvent::Connected { session: number })
                    }
                    Event::Lost(loss) => {
                        warn!(%loss, "no connection");
                        waiting = None;
                        std::mem::take(&mut connected).then_some(UplinkEvent::Disconnected)
                    }
                    Event::Acked { id, refused } => {
                        under_way = under_way.saturating_sub(1);
                        let reason = refused.map_or(0, |refusal| refusal.code);
                        Some(UplinkEvent::Puback { token: id, reason })
                    }
                    Event::Subscribed { refused: None, .. } => Some(UplinkEvent::Subscribed),
                    Event::Subscribed { refused: Some(refusal), .. } => {
                        warn!(%refusal, "the broker refuses the node its ack and command topics");
                        Some(UplinkEvent::Subscribed)
                    }
                    Event::Message(message) => Some(UplinkEvent::Message {
                        topic: message.topic,
                        payload: message.payload,
                    }),
                };
                if let Some(told) = told {
                    tell(&peer, told).await;
                }
            }
            effect = peer.effects.recv(), if waiting.is_none() && !gone => match effect {
                Some((wanted_in, Effect::Disconnect)) if wanted_in == number && connected => {
                    warn!("the broker keeps messages without an answer: connecting again");
                    session = Session::new(session.options().clone());
                    connected = false;
                    tell(&peer, UplinkEvent::Disconnected).await;
                }
                Some((wanted_in, effect)) if wanted_in == number && connected => waiting = Some(effect),
                // Of a session that is over: the node sends it again.
                Some(_) => {}
                None => gone = true,
            },
        }
    }
}

/// Tells the node; one that is gone hears nothing more, and what it said last is still sent.
async fn tell(peer: &UplinkPeer, event: UplinkEvent) {
    drop(peer.events.send(event).await);
}

/// Gives an effect to the session; returns how many publishes are to be acknowledged for it.
fn give(session: &mut Session, number: u64, effect: &Effect) -> Result<usize, NotSent> {
    match effect {
        Effect::Publish(publish) => {
            let message = Publish {
                topic: publish.topic.to_string(),
                payload: publish.payload.clone(),
                retain: publish.retain,
                expiry_s: publish.expiry_s,
                content_type: (!publish.content_type.is_empty()).then_some(publish.content_type),
            };
            session.publish(publish.token, message).map(|()| 1)
        }
        Effect::Subscribe(topics) => session
            .subscribe(number, topics.iter().map(ToString::to_string))
            .map(|()| 0),
        Effect::Disconnect | Effect::BootBehind { .. } => Ok(0),
    }
}
