//! The core: what the core thread does with each thing that comes, without the thread.
//!
//! Sans-IO but for the journal's files, which the publisher's outlet writes. What it wants done is polled: acks, deadlines, chunks for the disk, snapshots.

use std::collections::{BTreeMap, VecDeque};

pub(super) use rules::compile::{BROKER, CHATTER, CLOCK, DATABASE, DISK, FLOOD};
use rules::output::{Known, Step};
use telemetry::UtcMs;
use telemetry::body::{Ack, Desired};
use tokio::sync::{oneshot, watch};

use super::desired::Desires;
use super::path::Path;
use crate::alarm::publish::Report;
use crate::alarm::shell::News;
use crate::clock::{LogTime, Reading};
use crate::event::{self, Event};
use crate::http::{Act, Ask, Counter, DatabaseView, NodeView, OutputView, Status};
use crate::ingest::{Ingest, PackIn};
use crate::log::{CommitQueue, LogOffset, Record, Snapshot};

/// A broker that is away for less than this is no alarm, in milliseconds.
const AWAY_MS: u64 = 5_000;
/// How long who acts waits for the disk at most, in milliseconds.
const REPLY_MS: u64 = 1_000;
/// A snapshot is taken when the log has grown by this many bytes.
const SNAPSHOT_BYTES: u64 = 64 << 20;
/// And when this long has passed since the last one, in milliseconds, and the log has grown at all.
const SNAPSHOT_MS: u64 = 600_000;

/// An answer that waits for the disk.
#[derive(Debug)]
struct Reply {
    end: LogOffset,
    until: UtcMs,
    to: oneshot::Sender<Result<(), String>>,
}

/// The gateway's state, all of it.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) path: Path,
    pub(super) ingest: Ingest,
    pub(super) time: LogTime,
    pub(super) gateway: String,
    pub(super) site: String,
    desires: Desires,
    /// The gateway's own conditions, by rule: the reason while they stand.
    pub(super) own: BTreeMap<&'static str, Option<String>>,
    /// True while packs can come and acks can go.
    pub(super) is_linked: bool,
    pub(super) away_since: Option<UtcMs>,
    pub(super) disk_fault: Option<String>,
    /// How far the database's writer is; none without a database.
    pub(super) written: Option<watch::Receiver<LogOffset>>,
    replies: VecDeque<Reply>,
    snapshot_at: (LogOffset, UtcMs),
    /// A snapshot that waits for the log to be on disk up to it.
    snapshot: Option<Snapshot>,
}

impl Core {
    pub(super) fn new(
        mut path: Path,
        ingest: Ingest,
        time: LogTime,
        gateway: String,
        site: String,
        instance: String,
    ) -> Self {
        let alarm = |rule: &str| format!("-/{gateway}/{rule}");
        let engine = path.host.engine();
        let own = [DISK, DATABASE, BROKER, CLOCK, FLOOD, CHATTER];
        let own: BTreeMap<_, _> = own
            .map(|rule| {
                let alarm = engine.program().find_alarm(&alarm(rule));
                let state = alarm.map(|alarm| engine.alarm(alarm));
                let standing = state.filter(|state| state.flags.active);
                let reason = standing.map(|state| state.reason.as_deref().unwrap_or("").to_owned());
                (rule, reason)
            })
            .into();
        path.host
            .rate_stands(own[FLOOD].as_deref(), own[CHATTER].as_deref());
        let snapshot_at = (path.appender.end(), path.t);
        let desires = Desires::new(path.host.engine().program(), instance, path.t);
        Self {
            desires,
            path,
            ingest,
            time,
            own,
            gateway,
            site,
            is_linked: false,
            away_since: None,
            disk_fault: None,
            written: None,
            replies: VecDeque::new(),
            snapshot_at,
            snapshot: None,
        }
    }

    /// Brings T to now; when it jumped, nothing was looked at between, and the log says so.
    pub(super) fn advance(&mut self, now: Reading) -> UtcMs {
        let (t, jumped) = self.time.advance(now);
        self.path.t = t;
        if let Some(from) = jumped {
            let from = from.max(self.path.appender.last_t());
            Event::Jumped {
                ms: t.since_ms(from),
            }
            .tell();
            self.path.put(&Record::Down { from, to: t });
        }
        let behind = self.time.is_behind();
        self.ingest.set_clock_is_behind(behind);
        let reason = behind.then_some("the wall clock is behind the log's time");
        self.condition(CLOCK, reason);
        t
    }

    pub(super) fn handle_pack(&mut self, pack: &PackIn<'_>, now: Reading) {
        let t = self.advance(now);
        self.ingest.handle_pack(pack, t, &mut self.path);
    }

    pub(super) fn handle_status(&mut self, node: &str, bytes: &[u8], now: Reading) {
        let t = self.advance(now);
        self.ingest.handle_status(node, bytes, t, &mut self.path);
    }

    /// The session that packs come by has a connection, or has none.
    pub(super) fn handle_link(&mut self, connected: bool, now: Reading) {
        let t = self.advance(now);
        self.is_linked = connected;
        if connected {
            self.ingest.handle_connected(t);
            self.desires.all_news(t);
        }
        self.reaches_broker(connected, t);
    }

    fn reaches_broker(&mut self, connected: bool, t: UtcMs) {
        if connected {
            self.away_since = None;
            self.condition(BROKER, None);
        } else if self.away_since.is_none() {
            self.away_since = Some(t);
        }
    }

    pub(super) fn handle_news(&mut self, news: News, now: Reading) {
        let t = self.advance(now);
        // Until this gateway serves the site there is no session for packs that says how the broker is.
        if !self.path.outlet.publisher().serves() {
            match news {
                News::Connected { .. } => self.reaches_broker(true, t),
                News::Lost(_) => self.reaches_broker(false, t),
                _ => {}
            }
        }
        self.path.outlet.news(news, t);
        self.tell_reports();
    }

    /// Begins or ends a condition of the gateway's own, or gives it another reason.
    pub(super) fn handle_fault(&mut self, rule: &'static str, fault: Option<String>, now: Reading) {
        self.advance(now);
        if rule == DISK {
            self.disk_fault.clone_from(&fault);
        }
        self.condition(rule, fault.as_deref());
    }

    fn condition(&mut self, rule: &'static str, reason: Option<&str>) {
        let known = self.own.entry(rule).or_default();
        if known.as_deref() == reason {
            return;
        }
        *known = reason.map(str::to_owned);
        self.path.put(&Record::Condition {
            alarm: &format!("-/{}/{rule}", self.gateway),
            active: reason.is_some(),
            reason: reason.unwrap_or_default(),
        });
    }

    fn look_at_rate(&mut self, t: UtcMs) {
        if self.path.host.look_at_rate(t) {
            let rate = self.path.host.rate();
            let reasons = [rate.flood(), rate.chatter()];
            let [flood, chatter] = reasons.map(|reason| reason.map(str::to_owned));
            let before = self.own[CHATTER].as_deref();
            let is_news = before.is_some_and(|before| rate.chatters_more_than(before));
            self.condition(FLOOD, flood.as_deref());
            if is_news {
                self.condition(CHATTER, None);
            }
            self.condition(CHATTER, chatter.as_deref());
        }
    }

    /// Has outputs switched as the alarms want it, and tells which did not obey.
    fn look_at_outputs(&mut self, t: UtcMs) {
        for step in self.path.host.look_at_outputs(t) {
            let outputs = self.path.host.outputs();
            let (output, ok, why) = match step {
                Step::Switch { output, on, alarm } => {
                    let program = self.path.host.engine().program();
                    let alarm = alarm.map(|alarm| program.id_of(alarm).to_string());
                    let known = outputs.get(output);
                    let alarm = alarm.unwrap_or_else(|| known.alarm.clone());
                    let name = known.name.clone();
                    let node = program.point(program.outputs()[output].point).node.clone();
                    Event::Switched {
                        output: &name,
                        on,
                        alarm: &alarm,
                    }
                    .tell();
                    self.path.put(&Record::Output {
                        output: &name,
                        on,
                        ok: None,
                        alarm: &alarm,
                    });
                    self.desires.news(node.as_deref().unwrap_or_default(), t);
                    continue;
                }
                Step::Shown { output } => (output, true, String::new()),
                Step::Failed { output, why } => (output, false, why),
            };
            let known = outputs.get(output).clone();
            self.path.put(&Record::Output {
                output: &known.name,
                on: known.on,
                ok: Some(ok),
                alarm: &known.alarm,
            });
            let engine = self.path.host.engine();
            let linkage = engine.program().outputs()[output].linkage;
            if engine.alarm(linkage).flags.active == ok {
                let alarm = engine.program().id_of(linkage).to_string();
                self.path.put(&Record::Condition {
                    alarm: &alarm,
                    active: !ok,
                    reason: &why,
                });
            }
        }
    }

    pub(super) fn handle_ask(&mut self, ask: Ask, now: Reading) {
        let t = self.advance(now);
        // Who asked may have given up waiting: then nobody is told.
        match ask {
            Ask::Status(to) => drop(to.send(self.status())),
            Ask::Alarms(to) => drop(to.send(self.path.outlet.publisher().abnormal())),
            Ask::Events(from, to) => drop(to.send(self.path.outlet.events(from))),
            Ask::Act(act, to) => self.act(&act, to, t),
        }
    }

    fn act(&mut self, act: &Act, to: oneshot::Sender<Result<(), String>>, t: UtcMs) {
        let (appended, refused) = self.path.put(&Record::Command {
            verb: &act.verb,
            alarm: &act.alarm,
            occurrence: act.occurrence,
            by: &act.by,
            comment: &act.comment,
            until: act.lasts_ms.map(|ms| t.plus_ms(ms)),
            second: &act.second,
            ticket: &act.ticket,
        });
        self.path.count("commands", 1);
        match refused {
            Some(why) => drop(to.send(Err(why.to_string()))),
            None => self.replies.push_back(Reply {
                end: appended.end,
                until: t.plus_ms(REPLY_MS),
                to,
            }),
        }
    }

    fn status(&self) -> Status {
        let publisher = self.path.outlet.publisher();
        let (epoch, seq) = publisher
            .head()
            .map_or((String::new(), 0), |(epoch, seq)| (epoch.to_string(), seq));
        let appender = &self.path.appender;
        let disk = self.path.outlet.journal_error();
        Status {
            gateway: self.gateway.clone(),
            site: self.site.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config_hash: appender.config().hash.clone(),
            epoch,
            seq,
            connected: self.is_linked && publisher.is_connected(),
            alarm_state: if publisher.is_known() {
                "known"
            } else {
                "unknown"
            }
            .to_owned(),
            alarms: u64::try_from(publisher.n_abnormal()).unwrap_or(u64::MAX),
            log_end: appender.end().0,
            log_durable: appender.durable().0,
            disk: self
                .disk_fault
                .as_deref()
                .or(disk)
                .unwrap_or_default()
                .to_owned(),
            database: self.database(),
            outputs: self.path.host.outputs().iter().map(output_view).collect(),
            nodes: self.ingest.nodes().map(|node| node_view(&node)).collect(),
            counters: self
                .path
                .counts
                .iter()
                .map(|(name, count)| Counter {
                    name: (*name).to_owned(),
                    count: *count,
                })
                .collect(),
        }
    }

    fn database(&self) -> Option<DatabaseView> {
        let written = *self.written.as_ref()?.borrow();
        let fault = self.own.get(DATABASE).cloned().flatten();
        Some(DatabaseView {
            fault: fault.unwrap_or_default(),
            behind: self.path.appender.durable().0.saturating_sub(written.0),
        })
    }

    /// Takes in how far the log is on disk.
    pub(super) fn handle_durable(&mut self, durable: LogOffset, now: Reading) {
        let t = self.advance(now);
        self.path.appender.set_durable(durable);
        self.ingest.set_durable(durable);
        self.path.outlet.durable(durable.0, t);
        if self.path.appender.can_resume() {
            // What was evaluated meanwhile is nowhere but in memory: a snapshot of it goes first.
            let snapshot = self.take_snapshot();
            self.path.appender.resume(snapshot);
            Event::LogTakes.tell();
            self.condition(DISK, None);
        }
        self.answer(t);
        self.tell_reports();
    }

    fn answer(&mut self, t: UtcMs) {
        let durable = self.path.appender.durable();
        while let Some(reply) = self.replies.front()
            && (reply.end <= durable || reply.until <= t)
        {
            if let Some(reply) = self.replies.pop_front() {
                drop(reply.to.send(Ok(())));
            }
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Reading) {
        let t = self.advance(now);
        if self.path.host.poll_timeout().is_some_and(|due| due <= t) {
            self.path.put(&Record::Time);
        }
        self.ingest.handle_timeout(t, &mut self.path);
        self.look_at_rate(t);
        self.look_at_outputs(t);
        for point in self.path.host.look_at_sampling() {
            let program = self.path.host.engine().program();
            if let Some(node) = &program.point(point).node {
                self.desires.news(node, t);
            }
        }
        if self.path.outlet.due().is_some_and(|due| due <= t) {
            self.path.outlet.tick(t);
        }
        if self
            .away_since
            .is_some_and(|since| t.since_ms(since) >= AWAY_MS)
        {
            self.condition(BROKER, Some("no connection to the broker"));
        }
        if self.path.appender.is_adrift() && self.disk_fault.is_none() {
            self.condition(DISK, Some("the disk does not keep up"));
        }
        self.answer(t);
        self.tell_reports();
        let (at, taken) = self.snapshot_at;
        let grown = self.path.appender.end().0 - at.0;
        let is_due = grown >= SNAPSHOT_BYTES || (grown > 0 && t.since_ms(taken) >= SNAPSHOT_MS);
        if is_due && self.snapshot.is_none() && !self.path.appender.is_adrift() {
            self.snapshot = Some(self.take_snapshot());
        }
    }

    /// When [`Self::tick`] or an ack is due.
    pub(super) fn poll_timeout(&mut self) -> Option<UtcMs> {
        let away = self.away_since.filter(|_| self.own[BROKER].is_none());
        [
            self.path.host.poll_timeout(),
            self.ingest.poll_timeout(),
            self.path.host.rate().poll_timeout(),
            self.path.host.outputs().poll_timeout(),
            self.desires.poll_timeout(),
            self.path.outlet.due(),
            away.map(|since| since.plus_ms(AWAY_MS)),
            self.replies.front().map(|reply| reply.until),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next ack that is due.
    pub(super) fn poll_ack(&mut self) -> Option<(String, Ack)> {
        let (node, ack) = self.ingest.poll_ack(self.path.t)?;
        Some((node.to_owned(), ack))
    }

    /// What a node is to be told of its outputs and periods, where that is due.
    pub(super) fn poll_desired(&mut self) -> Option<(String, Desired)> {
        let host = &self.path.host;
        let program = host.engine().program();
        let outputs = |node: &str| host.outputs().of_node(program, node);
        let periods = |node: &str| {
            let wanted = host.sampling().periods();
            wanted
                .map(|(point, period_ms)| (program.point(point), period_ms))
                .filter(|(info, _)| info.node.as_deref() == Some(node))
                .map(|(info, period_ms)| (format!("{}/{}", info.unit, info.point), period_ms))
                .collect()
        };
        self.desires.poll(self.path.t, outputs, periods)
    }

    /// It could not be told to the node: it is due again at once.
    pub(super) fn desired_lost(&mut self, node: &str) {
        self.desires.news(node, self.path.t);
    }

    /// Hands what was appended to the disk's thread.
    pub(super) fn submit(&mut self, queue: &CommitQueue) {
        queue.submit(&mut self.path.appender);
    }

    /// A snapshot that may be stored: the log is on disk up to it, and the journal too.
    pub(super) fn poll_snapshot(&mut self) -> Option<Snapshot> {
        let durable = self.path.appender.durable();
        let snapshot = self.snapshot.take_if(|snapshot| snapshot.at <= durable)?;
        match self.path.outlet.sync(snapshot.at.0) {
            Ok(()) => Some(snapshot),
            Err(error) => {
                let why = error.to_string();
                Event::SnapshotFailed { why }.tell();
                None
            }
        }
    }

    /// A snapshot of now.
    pub(super) fn take_snapshot(&mut self) -> Snapshot {
        let end = self.path.appender.end();
        self.snapshot_at = (end, self.path.t);
        Snapshot {
            at: end,
            prev: end,
            t: self.path.t,
            config: self.path.appender.config().hash.clone(),
            parts: vec![
                ("engine".to_owned(), self.path.host.snapshot()),
                ("outputs".to_owned(), self.path.host.outputs_snapshot()),
                ("ingest".to_owned(), self.ingest.snapshot()),
            ],
        }
    }

    /// Says goodbye to the broker.
    pub(super) fn stop(&mut self, now: Reading) {
        let t = self.advance(now);
        self.path.outlet.stop(t);
        self.tell_reports();
    }

    /// A snapshot at a stop; none when not all is on disk.
    pub(super) fn last_snapshot(&mut self) -> Option<Snapshot> {
        self.snapshot = Some(self.take_snapshot());
        self.poll_snapshot()
    }

    fn tell_reports(&mut self) {
        for report in self.path.outlet.take_reports() {
            if matches!(report, Report::Refused { .. }) {
                self.path.count("refused-by-broker", 1);
            }
            event::report(&report);
        }
    }
}

fn output_view(output: &Known) -> OutputView {
    OutputView {
        output: output.name.clone(),
        on: output.on,
        since: output.since.to_string(),
        alarm: output.alarm.clone(),
        shown: match output.ok {
            Some(true) => "shown",
            Some(false) => "failed",
            None => "waiting",
        }
        .to_owned(),
    }
}

fn node_view(node: &crate::ingest::NodeView<'_>) -> NodeView {
    let missing = node.ack.iter().flat_map(|ack| &ack.missing);
    NodeView {
        node: node.name.to_owned(),
        state: node.state().to_owned(),
        last: node
            .ack
            .as_ref()
            .map_or_else(String::new, |ack| format!("{}:{}", ack.boot, ack.seq)),
        missing: missing
            .map(|(_, from, to)| (to - from).saturating_add(1))
            .fold(0, u64::saturating_add),
    }
}
