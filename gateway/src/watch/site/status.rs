//! The gateway's status: its pace, its head, and the order around a connection of the gateway.

use telemetry::UtcMs;

use super::{SILENCE_MS, SNAPSHOT_LATE_MS, STATUS_LATE_MS, Site, Standing};
use crate::watch::body::{self, Status};
use crate::watch::history::Claim;
use crate::watch::{Desk, ProblemKind};

impl Site {
    pub(in crate::watch) fn status_came(
        &mut self,
        payload: &[u8],
        retained: bool,
        desk: &mut Desk,
        now: UtcMs,
    ) {
        let status = match body::status(&self.name, payload) {
            Ok(status) => status,
            Err(why) => return self.malformed(desk, "gateway status", why, now),
        };
        desk.counts.statuses += 1;
        if let Some((epoch, seq, head)) = &status.head {
            if !self.is_current("gateway status", epoch, retained, desk, now) {
                return;
            }
            self.told_of(epoch, *seq, desk, now);
            self.claim(*seq, Claim::Head("status", *head), desk, now);
            if !retained && *seq < self.live.high {
                let before = self.live.high;
                self.problem(desk, ProblemKind::HeadWentBack { seq: *seq, before }, now);
            }
            if !retained {
                self.live.high = self.live.high.max(*seq);
            }
        }
        let was = self.standing();
        if let Some(before) = &self.status
            && !retained
            && before.online
            && status.online
            && before.gateway != status.gateway
            && self
                .live
                .status_at
                .is_some_and(|at| now.since_ms(at) < SILENCE_MS)
        {
            let (one, other) = (before.gateway.clone(), status.gateway.clone());
            self.problem(desk, ProblemKind::TwoGateways { one, other }, now);
        }
        if !retained {
            self.status_is_live(&status, desk, now);
        }
        self.heard_at = Some(now);
        self.silent = false;
        self.status = Some(status);
        match (was, self.standing()) {
            (Standing::Known, Standing::Offline) => desk.counts.silences += 1,
            (Standing::Known, _) => {}
            (_, Standing::Known) => {
                // What is owed, is owed from here on.
                self.live.snapshot_at = self.live.snapshot_at.max(Some(now));
                self.progress_at = now;
                self.behind = self.behind.map(|(high, _)| (high, now));
            }
            _ => {}
        }
    }

    /// A status that the gateway sent just now: its pace, and the order around a connection of the gateway.
    fn status_is_live(&mut self, status: &Status, desk: &mut Desk, now: UtcMs) {
        let stood = self.standing() == Standing::Known && status.known;
        let late = |since: Option<UtcMs>, limit| {
            let ms = since.map_or(0, |since| now.since_ms(since));
            (stood && ms > limit).then_some(ms / 1_000)
        };
        if let Some(seconds) = late(self.live.status_at, STATUS_LATE_MS) {
            self.problem(desk, ProblemKind::StatusLate { seconds }, now);
        }
        if let Some(seconds) = late(self.live.snapshot_at, SNAPSHOT_LATE_MS) {
            self.live.snapshot_at = Some(now);
            self.problem(desk, ProblemKind::SnapshotLate { seconds }, now);
        }
        self.live.status_at = Some(now);
        match (status.known, self.live.caught_up) {
            (false, _) => {
                self.live.caught_up = Some(false);
                if let Some(assembly) = &mut self.assembly {
                    assembly.interrupted = true;
                }
                // Its end was lost with the gateway's connection; it is asked for again.
                self.asking = None;
            }
            (true, Some(false)) => {
                self.live.caught_up = None;
                self.problem(desk, ProblemKind::KnownWithoutSnapshot, now);
            }
            (true, _) => {}
        }
        // From here on, what is told can be heard.
        if status.known {
            self.live.fresh = false;
            self.is_new = false;
        }
    }
}
