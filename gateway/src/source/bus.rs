//! Packs from the node in this process: its uplink ends here instead of at a broker, and everything else is as with any node.
//!
//! Its status also goes to the broker, retained, for everybody else.

use std::collections::VecDeque;

use host::mqtt::Publish;
use host::{UplinkEvent, UplinkPeer};
use node::Effect;
use tokio::sync::mpsc;

use super::mqtt::News;
use super::{Incoming, Pack};
use crate::event::Event;
use crate::ingest::Way;

/// The other ends of a node's uplink.
#[derive(Debug)]
pub struct Ends {
    /// Where live packs go.
    pub live: mpsc::Sender<Pack>,
    /// Where history goes.
    pub history: mpsc::Sender<Pack>,
    /// Where everything else goes.
    pub news: mpsc::Sender<News>,
    /// What the gateway has to say to it.
    pub messages: mpsc::Receiver<Publish>,
    /// What the broker is to have too.
    pub posts: mpsc::Sender<Publish>,
}

/// Serves a node until it is gone, or nobody wants its packs any more.
pub async fn run(mut peer: UplinkPeer, mut ends: Ends) {
    if peer
        .events
        .send(UplinkEvent::Connected { session: 1 })
        .await
        .is_err()
    {
        return;
    }
    let mut history: VecDeque<(u64, Pack)> = VecDeque::new();
    loop {
        tokio::select! {
            effect = peer.effects.recv() => {
                let Some((_, effect)) = effect else { return };
                let told = match effect {
                    Effect::Subscribe(_) => Some(UplinkEvent::Subscribed),
                    Effect::Publish(publish) => {
                        let token = publish.token;
                        let content_type = Some(publish.content_type).filter(|word| !word.is_empty());
                        let body = publish.payload.clone();
                        match Incoming::new(&publish.topic, content_type.map(str::to_owned), body) {
                            Incoming::Pack(pack) if pack.way == Way::History => {
                                history.push_back((token, pack));
                                None
                            }
                            Incoming::Pack(pack) => {
                                if ends.live.send(pack).await.is_err() {
                                    return;
                                }
                                Some(puback(token))
                            }
                            Incoming::Status { node, bytes } => {
                                if ends.news.send(News::Status { node, bytes }).await.is_err() {
                                    return;
                                }
                                post(&ends, &publish);
                                Some(puback(token))
                            }
                            Incoming::Stray => {
                                post(&ends, &publish);
                                Some(puback(token))
                            }
                        }
                    }
                    Effect::Disconnect => Some(UplinkEvent::Connected { session: 1 }),
                    Effect::BootBehind { boot } => {
                        let why = format!("the gateway knows boot {boot} of it");
                        Event::Ended { part: "the node in this process", why }.tell();
                        None
                    }
                };
                if let Some(told) = told
                    && peer.events.send(told).await.is_err()
                {
                    return;
                }
            }
            permit = ends.history.reserve(), if !history.is_empty() => {
                let (Ok(permit), Some((token, pack))) = (permit, history.pop_front()) else {
                    return;
                };
                permit.send(pack);
                if peer.events.send(puback(token)).await.is_err() {
                    return;
                }
            }
            message = ends.messages.recv() => {
                let Some(Publish { topic, payload, .. }) = message else { return };
                if peer.events.send(UplinkEvent::Message { topic, payload }).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn puback(token: u64) -> UplinkEvent {
    UplinkEvent::Puback { token, reason: 0 }
}

/// A copy for the broker; one that has no room for it gets the next one.
fn post(ends: &Ends, publish: &node::Publish) {
    drop(ends.posts.try_send(Publish {
        topic: publish.topic.to_string(),
        payload: publish.payload.clone(),
        retain: publish.retain,
        ..Publish::default()
    }));
}
