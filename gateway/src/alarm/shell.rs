//! The publisher with its journal's files and its session: the only part of the alarms that does I/O.
//!
//! [`Outlet`] lives on the gateway's core thread and never waits for the network; [`run_session`] is a task that owns the MQTT session.
//! Between them are two bounded channels. What the one towards the session can't take waits in the outlet, and is never more than the window and some subscriptions.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use host::mqtt::{Event, Loss, Message, NotSent, Options, Publish, Refusal, Session};
use telemetry::UtcMs;
use tokio::sync::mpsc;

use super::event::Draft;
use super::journal::{Journal, JournalError};
use super::publish::{Output, Publisher, Report, Settings};

/// How many orders may be on their way to the session.
const ORDERS: usize = 512;

/// What the session is to do, on which of its connections.
#[derive(Debug)]
pub struct Order {
    connection: u64,
    act: Act,
}

#[derive(Debug)]
enum Act {
    Publish { id: u64, publish: Publish },
    Subscribe { id: u64, filters: Vec<String> },
    Unsubscribe { filters: Vec<String> },
    Close,
}

/// What the session tells the core thread.
#[derive(Debug)]
pub enum News {
    /// Connected.
    Connected {
        /// Which connection of this session it is, from 1.
        connection: u64,
        /// How many messages may be under way.
        window: usize,
    },
    /// Not connected, or not any more.
    Lost(Loss),
    /// The broker answered a publish.
    Acked {
        /// Which.
        id: u64,
        /// Why it was refused.
        refused: Option<Refusal>,
    },
    /// The broker answered a subscription.
    Subscribed {
        /// Which.
        id: u64,
        /// Why a filter was refused.
        refused: Option<Refusal>,
    },
    /// A message came.
    Message(Message),
    /// The session said goodbye and is gone.
    Closed,
}

/// The publisher and its journal, on the core thread.
#[derive(Debug)]
pub struct Outlet {
    publisher: Publisher,
    journal: Journal,
    orders: mpsc::Sender<Order>,
    waiting: VecDeque<Order>,
    connection: u64,
    reports: Vec<Report>,
    journal_error: Option<String>,
}

impl Outlet {
    /// Opens the journal of a folder. The receiver is for [`run_session`].
    ///
    /// `log_end` is the offset behind the log's last record. Feed the log's replay with [`commit`](Self::commit), then [`start`](Self::start).
    ///
    /// # Errors
    /// A folder that can't be read or written, or a damaged journal.
    pub fn open(
        folder: &Path,
        log_end: u64,
        settings: Settings,
        now: UtcMs,
    ) -> Result<(Self, mpsc::Receiver<Order>), JournalError> {
        let (journal, recovered) = Journal::open(folder, log_end, now)?;
        let (orders, receiver) = mpsc::channel(ORDERS);
        let outlet = Self {
            publisher: Publisher::new(settings, recovered),
            journal,
            orders,
            waiting: VecDeque::new(),
            connection: 0,
            reports: Vec::new(),
            journal_error: None,
        };
        Ok((outlet, receiver))
    }

    /// The publisher, for what it knows.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// The journal's events from a place on, about 64 KiB; none when there are no more, or while its files can't be read.
    pub fn events(&mut self, from: u64) -> Vec<super::Event> {
        match self.journal.read(from) {
            Ok(events) => events,
            Err(error) => {
                self.journal_error = Some(error.to_string());
                Vec::new()
            }
        }
    }

    /// The events of one record of the log; see [`Publisher::commit`]. The record must be appended before.
    pub fn commit(&mut self, position: u64, drafts: Vec<Draft>, now: UtcMs) {
        if !drafts.is_empty() {
            self.publisher.commit(position, drafts, now);
            self.carry_out(now);
        }
    }

    /// The log's replay is over; what it held is on disk.
    pub fn start(&mut self, now: UtcMs) {
        self.publisher.start(now);
        self.carry_out(now);
    }

    /// The log is on disk up to this offset.
    pub fn durable(&mut self, position: u64, now: UtcMs) {
        self.publisher.durable(position, now);
        self.carry_out(now);
    }

    /// The rules changed.
    pub fn set_rules(&mut self, rules_hash: String, alarms: Vec<String>, now: UtcMs) {
        self.publisher.set_rules(rules_hash, alarms, now);
        self.carry_out(now);
    }

    /// The session has news.
    pub fn news(&mut self, news: News, now: UtcMs) {
        match news {
            News::Connected { connection, window } => {
                self.waiting.retain(|order| matches!(order.act, Act::Close));
                self.connection = connection;
                self.publisher.connected(window, now);
            }
            News::Lost(_) => self.publisher.disconnected(now),
            News::Acked { id, refused } => self.publisher.acked(id, refused, now),
            News::Subscribed { id, refused } => self.publisher.subscribed(id, refused, now),
            News::Message(message) => self.publisher.message(&message, now),
            News::Closed => {}
        }
        self.carry_out(now);
    }

    /// When [`tick`](Self::tick) is due, if nothing else happens before.
    pub fn due(&self) -> Option<UtcMs> {
        self.publisher.poll_timeout()
    }

    /// Does what has become due.
    pub fn tick(&mut self, now: UtcMs) {
        if self.journal.wants_segment(now) && !self.publisher.is_checkpointing() {
            let begun = self.journal.begin_segment(now);
            self.note(begun.map_err(|error| error.to_string()));
            self.publisher.checkpoint(now);
        }
        self.publisher.tick(now);
        self.carry_out(now);
    }

    /// Puts every event of the log up to this offset on disk. The log may forget those records, by a snapshot, only after this.
    ///
    /// # Errors
    /// A disk that takes nothing; or events that have no number yet, because a new epoch is being told.
    pub fn sync(&mut self, position: u64) -> io::Result<()> {
        if self.publisher.is_behind(position) {
            return Err(io::Error::other("a new epoch is being told, later"));
        }
        self.journal.sync()
    }

    /// Says goodbye; [`News::Closed`] follows when the session is gone.
    pub fn stop(&mut self, now: UtcMs) {
        self.publisher.stop(now);
        self.carry_out(now);
    }

    /// What people should know, since the last call.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Why the journal's disk takes nothing, while it doesn't. Alarms go on all the same.
    pub fn journal_error(&self) -> Option<&str> {
        self.journal_error.as_deref()
    }

    fn carry_out(&mut self, now: UtcMs) {
        while let Some(output) = self.publisher.poll() {
            let act = match output {
                Output::Journal { entry, sync } => {
                    self.journal.append(&entry);
                    if sync {
                        let synced = self.journal.sync();
                        self.note(synced.map_err(|error| error.to_string()));
                    }
                    continue;
                }
                Output::Fetch { purpose, from } => {
                    let events = self.events(from);
                    self.publisher.fetched(purpose, events, now);
                    continue;
                }
                Output::Report(report) => {
                    self.reports.push(report);
                    continue;
                }
                Output::Publish { id, publish } => Act::Publish { id, publish },
                Output::Subscribe { id, filters } => Act::Subscribe { id, filters },
                Output::Unsubscribe { filters } => Act::Unsubscribe { filters },
                Output::Farewell => Act::Close,
            };
            self.waiting.push_back(Order {
                connection: self.connection,
                act,
            });
        }
        // What leaves is in the journal's file before.
        let flushed = self.journal.flush();
        self.note(flushed.map_err(|error| error.to_string()));
        while let Some(order) = self.waiting.pop_front() {
            match self.orders.try_send(order) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(order)) => {
                    self.waiting.push_front(order);
                    break;
                }
                // The session is gone: there is nobody to tell.
                Err(mpsc::error::TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
    }

    fn note(&mut self, outcome: Result<(), String>) {
        self.journal_error = outcome.err();
    }
}

/// Owns the MQTT session: tells its news, carries out orders, until it has said goodbye or nobody listens.
///
/// `tell` puts news into the core thread's queue and waits for room there; false ends the session.
pub async fn run_session(
    options: Options,
    mut orders: mpsc::Receiver<Order>,
    mut tell: impl AsyncFnMut(News) -> bool,
) {
    let mut session = Session::new(options);
    let mut connection = 0;
    let mut blocked: Option<Order> = None;
    loop {
        let news = tokio::select! {
            event = session.next() => match event {
                Event::Connected { window, .. } => {
                    connection += 1;
                    blocked = None;
                    News::Connected { connection, window }
                }
                Event::Lost(loss) => News::Lost(loss),
                Event::Acked { id, refused } => News::Acked { id, refused },
                Event::Subscribed { id, refused } => News::Subscribed { id, refused },
                Event::Message(message) => News::Message(message),
            },
            order = orders.recv(), if blocked.is_none() => {
                let Some(order) = order else { return };
                if matches!(order.act, Act::Close) {
                    session.close().await;
                    tell(News::Closed).await;
                    return;
                }
                blocked = carry_out(&mut session, connection, order);
                continue;
            }
        };
        if !tell(news).await {
            return;
        }
        if let Some(order) = blocked.take() {
            blocked = carry_out(&mut session, connection, order);
        }
    }
}

/// Gives an order to the session; gives it back when there is no room. An order for an older connection is void.
fn carry_out(session: &mut Session, connection: u64, order: Order) -> Option<Order> {
    if order.connection != connection {
        return None;
    }
    let outcome = match &order.act {
        Act::Publish { id, publish } => session.publish(*id, publish.clone()),
        Act::Subscribe { id, filters } => session.subscribe(*id, filters.clone()),
        Act::Unsubscribe { filters } => session.unsubscribe(filters.clone()),
        Act::Close => Ok(()),
    };
    match outcome {
        Err(NotSent::Full) => Some(order),
        // Not connected: the news of it is on its way, and everything is sent again.
        Ok(()) | Err(NotSent::NotConnected | NotSent::Topic) => None,
    }
}
