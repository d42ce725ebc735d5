//! Snapshots, held against the states that they list.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::UtcMs;

use super::{Assembly, Held, Site, Unlisted};
use crate::watch::body::{self, AlarmView, Row};
use crate::watch::history::{Claim, Verdict};
use crate::watch::{Desk, ProblemKind, Told};

impl Site {
    pub(in crate::watch) fn part_came(
        &mut self,
        number: u32,
        payload: &[u8],
        retained: bool,
        desk: &mut Desk,
        now: UtcMs,
    ) {
        let what = format!("snapshot part {number}");
        let part = match body::part(&self.name, payload) {
            Ok(part) if part.part == number => part,
            Ok(_) => return self.malformed(desk, &what, "`part`: not its topic's".to_owned(), now),
            Err(why) => return self.malformed(desk, &what, why, now),
        };
        if !self.is_current(&what, &part.epoch, retained, desk, now) {
            return;
        }
        self.told_of(&part.epoch, part.seq, desk, now);
        self.claim(part.seq, Claim::Head("snapshot", part.head), desk, now);
        if part.part >= part.parts {
            return;
        }
        let key = (part.epoch, part.seq, part.at, part.parts);
        if self
            .assembly
            .as_ref()
            .is_none_or(|assembly| assembly.key != key)
        {
            let before = self.assembly.take();
            if let Some(before) =
                before.filter(|before| before.live && !before.interrupted && !retained)
            {
                let (_, at, _, parts) = before.key;
                let there = u32::try_from(before.parts.len()).unwrap_or(u32::MAX);
                let missing = parts.saturating_sub(there);
                self.problem(desk, ProblemKind::SnapshotIncomplete { at, missing }, now);
            }
            self.assembly = Some(Assembly {
                key,
                parts: BTreeMap::new(),
                live: true,
                interrupted: false,
            });
        }
        let Some(assembly) = &mut self.assembly else {
            return;
        };
        assembly.live &= !retained;
        assembly.parts.insert(part.part, part.rows);
        let whole = u32::try_from(assembly.parts.len()).is_ok_and(|count| count == part.parts);
        if let Some(assembly) = self.assembly.take_if(|_| whole) {
            self.snapshot_came(assembly, part.seq, desk, now);
        }
    }

    fn snapshot_came(&mut self, assembly: Assembly, at: u64, desk: &mut Desk, now: UtcMs) {
        desk.counts.snapshots += 1;
        if assembly.live {
            self.live.snapshot_at = Some(now);
            if self.live.caught_up == Some(false) {
                self.live.caught_up = None;
            }
        }
        let epoch = assembly.key.0;
        let mut wrong = Vec::new();
        let mut rows: BTreeMap<Arc<str>, Row> = BTreeMap::new();
        for row in assembly.parts.into_values().flatten() {
            if let Some(twice) = rows.insert(row.id.clone(), row) {
                wrong.push((twice.id, "it is listed twice"));
            }
        }
        // What it does not list and is held at or below its number has cleared.
        if self.history.is_none() {
            return;
        }
        let (mut gone, mut unlisted) = (Vec::new(), Vec::new());
        self.alarms.retain(|id, held| {
            if rows.contains_key(id) {
                return true;
            }
            let cleared = held.seq <= at && held.view.letter != 'A';
            if held.epoch == epoch && cleared {
                unlisted.push((id.clone(), held.seq));
            }
            let stays = held.epoch == epoch && !cleared;
            if !stays && held.view.letter != 'A' {
                gone.push(id.to_string());
            }
            stays
        });
        for id in gone {
            desk.tell(&self.name, Told::Gone { id });
        }
        for row in rows.into_values() {
            if let Some(why) = self.row_came(&epoch, &row, at, desk) {
                wrong.push((row.id, why));
            }
        }
        for (id, why) in wrong {
            let id = id.to_string();
            self.problem(desk, ProblemKind::SnapshotDiffers { at, id, why }, now);
        }
        self.unlisted = Some(Unlisted {
            epoch,
            at,
            alarms: unlisted,
        });
        self.judge_unlisted(desk, now);
    }

    /// Finds what was active by every event that the last snapshot speaks of, and is not listed.
    ///
    /// A snapshot may come before the events that it speaks of: the gateway sends it at each connection.
    pub(super) fn judge_unlisted(&mut self, desk: &mut Desk, now: UtcMs) {
        let (Some(history), Some(unlisted)) = (&self.history, &mut self.unlisted) else {
            return;
        };
        if history.epoch != unlisted.epoch {
            self.unlisted = None;
            return;
        }
        let at = unlisted.at;
        let mut wrong = Vec::new();
        unlisted.alarms.retain(|(id, seq)| {
            let is_known = *seq >= history.floor && history.knows_all(*seq + 1..=at);
            if is_known {
                // From its own on: what begins behind its end is no range.
                let mut since = history.events.range(*seq..=at);
                if !since.any(|(later, seen)| later > seq && seen.has_state && seen.id == *id) {
                    wrong.push(id.to_string());
                }
            }
            !is_known
        });
        for id in wrong {
            let why = "it is active and not listed";
            self.problem(desk, ProblemKind::SnapshotDiffers { at, id, why }, now);
        }
    }

    /// Holds a row against what is known; fills the table where that is less. Gives what is wrong.
    fn row_came(
        &mut self,
        epoch: &Arc<str>,
        row: &Row,
        at: u64,
        desk: &mut Desk,
    ) -> Option<&'static str> {
        if row.seq > at {
            return Some("its number is beyond the snapshot's");
        }
        let history = self.history.as_mut()?;
        let claim = Claim::Row(row.id.clone(), at);
        if history.claim(row.seq, claim) != Verdict::Stands {
            return Some("its event is not its own");
        }
        if self.live.turned && row.seq == 1 && !self.live.shown.contains_key(&row.id) {
            return Some("its state was not sent again in the new epoch");
        }
        let held = self.alarms.get(&row.id).filter(|held| held.epoch == *epoch);
        match held.map_or(Ordering::Greater, |held| row.seq.cmp(&held.seq)) {
            Ordering::Less if held.is_some_and(|held| held.seq <= at) => {
                return Some("its number is behind its state's");
            }
            Ordering::Less => return None,
            Ordering::Equal => {
                let view = &held?.view;
                let same = view.letter == row.letter
                    && view.occurrence == row.occurrence
                    && view.level == row.level
                    && view.colour == row.colour
                    && view.changed_at == row.changed_at;
                return (!same).then_some("it says something else than the state");
            }
            Ordering::Greater => {}
        }
        let (state, active) = match row.letter {
            'B' => ("active-unacked", true),
            'C' => ("active-acked", true),
            'D' => ("rtn-unacked", false),
            'E' => ("latched-unacked", false),
            'F' => ("latched-acked", false),
            'G' => ("shelved", false),
            'H' => ("suppressed", false),
            _ => ("out-of-service", false),
        };
        let view = AlarmView {
            letter: row.letter,
            state: state.to_owned(),
            occurrence: row.occurrence,
            active,
            latched: matches!(row.letter, 'E' | 'F'),
            unknown: false,
            test: false,
            level: row.level.clone(),
            colour: row.colour.clone(),
            severity: None,
            changed_at: row.changed_at,
            raised_at: None,
            value: None,
            unit: None,
            tag: None,
            text: [None, None],
            acked_by: None,
            shelved_until: None,
            suppressed_by: Vec::new(),
            reason: None,
            action: None,
        };
        let told = Told::State {
            seq: row.seq,
            id: row.id.to_string(),
            view: Box::new(view.clone()),
        };
        desk.tell(&self.name, told);
        let held = Held {
            epoch: epoch.clone(),
            seq: row.seq,
            view,
            from_row: true,
        };
        self.alarms.insert(row.id.clone(), held);
        None
    }
}
