//! Another gateway on the site: how it is noticed, and which of the two goes.
//!
//! A status names the process that sent it by its `instance`, a ULID of its start. Who is retained as `online` may be dead; who publishes a status, or answers a replay request, lives.
//! - Who does not serve yet goes when another one lives. While the broker retains another one's `online`, it says nothing, asks for a replay, and waits for a sign of life.
//! - Of two that serve, as after an outage of the broker, the one that started later goes and says goodbye. The other one then reads back what became of its topics, and begins a new epoch where they show numbers beyond its own.
//!
//! Both compare the same two instances, so they never both go and never both stay.

use serde::Deserialize;
use telemetry::UtcMs;
use telemetry::body::{self, ReplayRequest};
use telemetry::topic::Topic;

use super::connect::{Line, Sent, Stage};
use super::{Publisher, Report, message};
use crate::alarm::Epoch;
use crate::alarm::entry::Entry;

/// How long another gateway's `online` is watched for a sign of life, in milliseconds: the contract's silence.
const CONTEST_MS: u64 = 60_000;
/// How long, when it counts under an epoch of our own: most likely it is what we were before a power cut. A living one answers at once.
const FORMER_MS: u64 = 5_000;
/// How many events before its last we ask another gateway for, to see whether it answers: some of them have left.
const ASKED: u64 = 100;

/// What matters of a gateway's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rival {
    gateway: String,
    instance: String,
    state: String,
    epoch: Option<String>,
    seq: Option<u64>,
}

impl Publisher {
    /// A status came, perhaps our own.
    pub(super) fn status_came(&mut self, payload: &[u8], retained: bool, now: UtcMs) {
        if retained {
            self.note_number(payload);
        }
        let Ok(status) = serde_json::from_slice::<Rival>(payload) else {
            return;
        };
        let is_other = status.instance != self.settings.instance;
        let Some(line) = self.line.as_mut().filter(|_| !self.stopping) else {
            return;
        };
        match (status.state == "online", retained) {
            (true, true) if is_other => line.rival = Some(status),
            (true, false) if is_other => self.another_lives(&status, now),
            (false, false) if is_other => self.another_left(&status, now),
            // Ours, of a connection before: it stands where a true one should.
            (false, false) if self.serves => line.status_due = Some(now),
            _ => {}
        }
    }

    fn another_lives(&mut self, rival: &Rival, now: UtcMs) {
        let fatal = !self.serves || rival.instance < self.settings.instance;
        self.report(Report::OtherGateway {
            gateway: rival.gateway.clone(),
            fatal,
        });
        if fatal {
            self.stop(now);
        } else if let Some(line) = &mut self.line {
            // It goes when it hears of us.
            line.status_due = Some(now);
        }
    }

    /// Another gateway's last word, by itself or as its will: what it said before stands on our topics.
    fn another_left(&mut self, rival: &Rival, now: UtcMs) {
        let serves = self.serves;
        let Some(line) = &mut self.line else { return };
        let was_awaited = line
            .rival
            .take_if(|awaited| awaited.instance == rival.instance)
            .is_some();
        if serves && line.reading.is_under_way() {
            line.doubted = true;
        } else if serves {
            self.doubt(now);
        } else if was_awaited && matches!(line.stage, Stage::Contested(_)) {
            self.uncontested(now);
        }
    }

    /// Somebody spoke in our place: as at a start, nothing but a status leaves until everything of ours is read back.
    pub(super) fn doubt(&mut self, now: UtcMs) {
        let Some(line) = &self.line else { return };
        let next = Line {
            has_spoken: line.has_spoken,
            ..Line::new(line.window, self.at.acked, now)
        };
        let (after, hash) = *self.at.unsent.get_or_insert((self.at.place, self.at.head));
        self.journal(Entry::Unsent { after, hash }, true);
        self.begin(next, now);
    }

    /// Everything is read back; but another gateway was online, or still is.
    pub(super) fn contest(&mut self, rival: &Rival) {
        let epoch = rival.epoch.as_deref().and_then(|epoch| epoch.parse().ok());
        let is_ours = epoch.is_some_and(|epoch: Epoch| self.at.spans.of(epoch).is_some());
        let Some(line) = &mut self.line else { return };
        let wait = if is_ours { FORMER_MS } else { CONTEST_MS };
        line.stage = Stage::Contested(line.since.plus_ms(wait));
        self.report(Report::Contested {
            gateway: rival.gateway.clone(),
        });
        if let (Some(epoch), Some(seq)) = (epoch, rival.seq) {
            let client = self.settings.client_id.clone();
            let request = ReplayRequest {
                epoch: epoch.to_string(),
                from: seq.saturating_sub(ASKED).max(1),
                to: seq,
            };
            let topic = self.topic(Topic::ReplayRequest { client: &client });
            self.send(Sent::Question, message(topic, body::encode(&request)));
        }
    }

    /// The question whether somebody else is there can't be asked: then it takes as long as for a stranger.
    pub(super) fn question_refused(&mut self) {
        if let Some(line) = &mut self.line
            && let Stage::Contested(until) = &mut line.stage
        {
            *until = line.since.plus_ms(CONTEST_MS);
        }
    }

    /// Events came that were asked for: only a gateway sends them.
    pub(super) fn question_answered(&mut self, now: UtcMs) {
        if let Some(line) = &mut self.line
            && matches!(line.stage, Stage::Contested(_))
            && let Some(rival) = line.rival.take()
        {
            self.another_lives(&rival, now);
        }
    }

    /// Nobody else is there.
    pub(super) fn uncontested(&mut self, now: UtcMs) {
        if let Some(line) = &mut self.line {
            line.stage = Stage::Settling;
            self.settle(now);
        }
    }
}
