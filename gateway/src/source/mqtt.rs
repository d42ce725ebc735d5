//! Packs from a broker: one session for live packs and statuses, another for history, so that a backlog holds up nothing.
//!
//! A message is acknowledged to the broker when the core has room for it; that is flow control and no promise.
//! Acks to nodes leave by the live session.

use std::collections::VecDeque;

use host::mqtt::{Event as SessionEvent, Message, Options, Publish, Session};
use telemetry::topic::{Filter, SiteFilter};
use tokio::sync::mpsc;

use super::{Incoming, Pack};
use crate::event::Event;

/// Messages that the broker may have under way to a session.
const RECEIVE_MAX: u16 = 256;
/// How long the broker keeps what comes while we are away, in seconds: what is older comes by history.
const SESSION_EXPIRY_S: u32 = 300;
/// The largest message: a pack of 256 KiB and its topic.
const PACKET_MAX: u32 = 300 << 10;
/// Acks under way.
const WINDOW: u16 = 256;

/// What a session tells the core beside packs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum News {
    /// A status of a node.
    Status {
        /// The node.
        node: String,
        /// The body.
        bytes: Vec<u8>,
    },
    /// The live session stands and has its subscriptions, or doesn't.
    Link {
        /// True when it stands.
        connected: bool,
    },
}

/// What a session is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    /// Live packs and statuses in, acks out.
    Live,
    /// History.
    History,
}

impl Lane {
    /// Its word, also the end of its client id.
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::History => "history",
        }
    }

    fn filters(self) -> &'static [Filter] {
        match self {
            // Statuses first: they say how to read what follows.
            Self::Live => &[Filter::Status, Filter::Telemetry],
            Self::History => &[Filter::History],
        }
    }
}

/// A session's other ends.
#[derive(Debug)]
pub struct Ends {
    /// Where packs go.
    pub packs: mpsc::Sender<Pack>,
    /// Where everything else goes.
    pub news: mpsc::Sender<News>,
    /// What to publish; a session of history has nothing.
    pub posts: Option<mpsc::Receiver<Publish>>,
}

/// Runs a session until nobody wants its packs any more.
pub async fn run(
    lane: Lane,
    mut options: Options,
    park: String,
    enterprise: String,
    mut ends: Ends,
) {
    options.session_expiry_s = Some(SESSION_EXPIRY_S);
    options.manual_acks = true;
    options.receive_maximum = RECEIVE_MAX;
    options.packet_max = PACKET_MAX;
    options.window = WINDOW;
    let filters = lane.filters().iter().map(|filter| {
        let site = SiteFilter {
            park: &park,
            enterprise: Some(&enterprise),
            filter: *filter,
        };
        site.to_string()
    });
    let filters: Vec<String> = filters.collect();
    let mut session = Session::new(options);
    let mut waiting: VecDeque<Message> = VecDeque::new();
    let mut post: Option<Publish> = None;
    let (mut connected, mut n_posts) = (false, 0);
    loop {
        if let Some(publish) = post.take() {
            n_posts += 1;
            if session.publish(n_posts, publish.clone()).is_err() && connected {
                post = Some(publish);
            }
        }
        tokio::select! {
            event = session.next() => match event {
                SessionEvent::Connected { .. } => {
                    Event::Connected { session: lane.word() }.tell();
                    connected = true;
                    // What came before is of another connection: the broker sends it again.
                    waiting.clear();
                    // There is room for a first request.
                    let _room = session.subscribe(1, filters.iter().cloned());
                }
                SessionEvent::Subscribed { refused, .. } => {
                    if let Some(why) = refused {
                        let why = &why.to_string();
                        Event::Refused { session: lane.word(), why }.tell();
                    }
                    if !tell_link(lane, true, &ends).await {
                        return;
                    }
                }
                SessionEvent::Lost(loss) => {
                    let why = &loss.to_string();
                    Event::Lost { session: lane.word(), why }.tell();
                    (connected, post) = (false, None);
                    if !tell_link(lane, false, &ends).await {
                        return;
                    }
                }
                SessionEvent::Acked { refused: Some(why), .. } => {
                    let why = &why.to_string();
                    Event::Refused { session: lane.word(), why }.tell();
                }
                SessionEvent::Acked { refused: None, .. } => {}
                SessionEvent::Message(message) => waiting.push_back(message),
            },
            permit = ends.packs.reserve(), if !waiting.is_empty() => {
                let (Ok(permit), Some(message)) = (permit, waiting.pop_front()) else {
                    return;
                };
                let Message { topic, payload, content_type, receipt, .. } = message;
                match Incoming::new(&topic, content_type, payload) {
                    Incoming::Pack(pack) => permit.send(pack),
                    Incoming::Status { node, bytes } => {
                        if ends.news.send(News::Status { node, bytes }).await.is_err() {
                            return;
                        }
                    }
                    Incoming::Stray => Event::Stray { topic: &topic }.tell(),
                }
                // Without a connection the message comes again, and is known.
                let _lost = session.ack(receipt);
            },
            next = next_post(&mut ends.posts), if post.is_none() => match next {
                Some(publish) => post = Some(publish).filter(|_| connected),
                None => ends.posts = None,
            },
        }
    }
}

async fn next_post(posts: &mut Option<mpsc::Receiver<Publish>>) -> Option<Publish> {
    match posts {
        Some(posts) => posts.recv().await,
        None => std::future::pending().await,
    }
}

/// False when nobody listens any more.
async fn tell_link(lane: Lane, connected: bool, ends: &Ends) -> bool {
    match lane {
        Lane::Live => ends.news.send(News::Link { connected }).await.is_ok(),
        Lane::History => true,
    }
}
