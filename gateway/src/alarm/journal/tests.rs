//! The files as a publisher uses them, over weeks of virtual time.

use std::fs;

use super::*;
use crate::alarm::event::Draft;
use crate::alarm::message::Site;
use crate::alarm::publish::Settings;
use crate::alarm::shell::Outlet;

const START: UtcMs = UtcMs(1_795_420_800_000);
const DAY_MS: u64 = 24 * 3_600_000;

fn settings() -> Settings {
    Settings {
        site: Site {
            park: "east".into(),
            enterprise: "plant".into(),
            gateway: "gw-1".into(),
            version: "0.1.0".into(),
        },
        instance: "01KAR5Z9NZXW8Q4R7T2V5Y6B9C".into(),
        client_id: "gw-1.alarm".into(),
        rules_hash: "5b0c".into(),
        alarms: Vec::new(),
        chance: 7,
    }
}

/// A gateway whose log is always on disk: each record has one event.
struct Alarms {
    outlet: Outlet,
    now: UtcMs,
    log_end: u64,
}

impl Alarms {
    fn open(folder: &Path, log_end: u64, now: UtcMs) -> Self {
        let (mut outlet, _) = Outlet::open(folder, log_end, settings(), now).unwrap();
        outlet.start(now);
        Self {
            outlet,
            now,
            log_end,
        }
    }

    fn happens(&mut self, alarm: u64) {
        self.log_end += 10;
        let draft = Draft {
            lead: format!(r#""id":"tank/gd-{alarm}/gas","site":"east/plant","occurrence":1"#),
            tail: format!(r#""event":"raised","cause":{{"timer":"{}"}}"#, self.now),
            rest: format!(r#""letter":"B","changed_at":"{}""#, self.now),
            stateful: true,
        };
        self.outlet.commit(self.log_end, vec![draft], self.now);
        self.outlet.durable(self.log_end, self.now);
        self.outlet.tick(self.now);
    }

    /// Every event that can be replayed, from a place on.
    fn events(&mut self, mut from: u64) -> Vec<Event> {
        let mut all = Vec::new();
        loop {
            let events = self.outlet.events(from);
            let Some(last) = events.last() else {
                return all;
            };
            from = last.place + 1;
            all.extend(events);
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn events_of_thirty_days_can_be_told_again_over_restarts_and_older_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut alarms = Alarms::open(folder.path(), 0, START);
    let mut told = Vec::new();
    for day in 0..100 {
        alarms.now = START.plus_ms(day * DAY_MS);
        alarms.happens(day % 7);
        let events = alarms.events(day + 2);
        let [event] = &events[..] else {
            panic!("{events:?} on day {day}");
        };
        told.push((alarms.now, event.clone()));
        if day % 9 == 0 {
            let head = alarms.outlet.publisher().head();
            let n_abnormal = alarms.outlet.publisher().n_abnormal();
            let (log_end, now) = (alarms.log_end, alarms.now);
            drop(alarms);
            alarms = Alarms::open(folder.path(), log_end, now);
            assert_eq!(alarms.outlet.publisher().head(), head);
            assert_eq!(alarms.outlet.publisher().n_abnormal(), n_abnormal);
        }
        let last_30: Vec<_> = told
            .iter()
            .filter(|(at, _)| alarms.now.since_ms(*at) <= 30 * DAY_MS)
            .map(|(_, event)| event.clone())
            .collect();
        assert_eq!(alarms.events(last_30[0].place), last_30, "day {day}");
        assert!(files(folder.path()).len() <= 36, "day {day}");
    }
}

#[test]
fn a_write_that_a_power_cut_broke_off_is_cut_off_and_damage_before_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut alarms = Alarms::open(folder.path(), 0, START);
    for alarm in 0..5 {
        alarms.happens(alarm);
    }
    let (log_end, head) = (alarms.log_end, alarms.outlet.publisher().head());
    let events = alarms.events(1);
    drop(alarms);
    let file = files(folder.path()).pop().unwrap();
    let whole = fs::read(&file).unwrap();
    for torn in [
        &[0_u8; 4_096][..],
        &[9, 0, 0, 0, 7],
        &whole[..whole.len() / 2],
    ] {
        let bytes = [&whole[..], torn].concat();
        fs::write(&file, bytes).unwrap();
        let mut alarms = Alarms::open(folder.path(), log_end, START);
        assert_eq!(alarms.outlet.publisher().head(), head);
        assert_eq!(alarms.events(1), events);
    }

    // A segment that another one follows was written whole.
    let mut alarms = Alarms::open(folder.path(), log_end, START.plus_ms(2 * DAY_MS));
    alarms.happens(0);
    drop(alarms);
    assert!(files(folder.path()).len() > 1);
    let newest = files(folder.path()).pop().unwrap();
    fs::remove_file(newest).unwrap();
    let mut damaged = fs::read(&file).unwrap();
    damaged[40] ^= 1;
    let second = segment::create(folder.path(), 9, 7, START).unwrap();
    drop(second);
    fs::write(&file, damaged).unwrap();
    let opened = Outlet::open(folder.path(), log_end, settings(), START);
    let error = opened.expect_err("it is damaged");
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
}
