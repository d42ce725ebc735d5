//! Ingest by its messages: dating, live and late, what is refused, what a node says of itself.

mod wire;

use telemetry::body::{Anchor, BusState, Dropped, NodeState, NodeStatus};
use telemetry::senml::{Base, Encoder, Format, Header};
use telemetry::{Clock, Quality, Sample, Value};

use super::*;
use crate::log::{LoggedSample, PackId};

pub(super) const T0: UtcMs = UtcMs(1_795_420_800_000);

/// Keeps what comes out; the log may be full.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) full: bool,
    pub(super) end: u64,
    /// Kind, body and end of each record.
    pub(super) records: Vec<(u8, Vec<u8>, LogOffset)>,
    pub(super) letters: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
}

impl Out for Kept {
    fn record(&mut self, record: &Record<'_>) -> Option<LogOffset> {
        if self.full {
            return None;
        }
        let mut body = Vec::new();
        record.encode(&mut body);
        self.end += 10;
        self.records
            .push((record.kind(), body, LogOffset(self.end)));
        Some(LogOffset(self.end))
    }

    fn dead_letter(&mut self, letter: &DeadLetter<'_>) {
        self.letters
            .push((letter.cause.to_owned(), letter.detail.to_owned()));
    }

    fn note(&mut self, note: &Note<'_>) {
        self.notes.push(format!("{note:?}"));
    }
}

impl Kept {
    fn samples(&self) -> Vec<LoggedSample> {
        self.records
            .iter()
            .filter_map(
                |(kind, body, _)| match Record::decode(*kind, body).unwrap() {
                    Record::Pack { samples, .. } => {
                        Some(samples.iter().map(Result::unwrap).collect())
                    }
                    _ => None,
                },
            )
            .collect::<Vec<Vec<_>>>()
            .concat()
    }

    fn conditions(&self) -> Vec<(String, bool)> {
        self.records
            .iter()
            .filter_map(
                |(kind, body, _)| match Record::decode(*kind, body).unwrap() {
                    Record::Condition { alarm, active, .. } => Some((alarm.to_owned(), active)),
                    _ => None,
                },
            )
            .collect()
    }

    fn noted(&self, word: &str) -> usize {
        self.notes
            .iter()
            .filter(|note| note.starts_with(word))
            .count()
    }
}

fn point(unit: &str, name: &str, eu: Option<&str>) -> PointInfo {
    PointInfo {
        unit: unit.into(),
        point: name.into(),
        kind: "k".into(),
        eu: eu.map(Into::into),
        digital: name.starts_with("on"),
        period_ms: 1_000,
        max_age_ms: 3_000,
        node: Some("n1".into()),
        ..PointInfo::default()
    }
}

pub(super) fn ingest() -> Ingest {
    let points = [
        point("tank", "lel-1", Some("%LEL")),
        point("tank", "on-1", None),
        point("tank", "p-1", Some("kPa")),
        PointInfo {
            node: Some("n2".into()),
            ..point("tank", "x-1", Some("ppm"))
        },
    ];
    let bus = BusConfig {
        name: "b1".into(),
        slaves: vec![(7, "gd-7".into()), (8, "gd-8".into())],
    };
    let node = |name: &str, buses| NodeConfig {
        name: name.into(),
        buses,
    };
    let nodes = [node("n1", vec![bus]), node("n2", Vec::new())];
    Ingest::new("east", "plant", &points, &nodes)
}

/// What a record of a test pack says: name, unit, offset from the pack's base, value.
pub(super) type Row<'a> = (&'a str, Option<&'a str>, i64, Option<Value>);

pub(super) fn pack(boot: u64, seq: u64, base: Base, clock: Clock, rows: &[Row<'_>]) -> Vec<u8> {
    let mut buffer = vec![0; 64 << 10];
    let header = Header {
        base_name: "east/plant/tank/",
        base,
        boot,
        seq,
        clock,
    };
    let mut encoder = Encoder::new(&mut buffer, Format::Cbor, header);
    for (name, unit, offset_ms, value) in rows {
        let quality = match value {
            Some(_) => Quality::GOOD,
            None => Quality::COMM_ERROR,
        };
        encoder
            .push(name, *unit, *offset_ms, *value, quality)
            .unwrap();
    }
    let len = encoder.finish();
    buffer.truncate(len);
    buffer
}

pub(super) fn number(number: f64) -> Option<Value> {
    Some(Value::Number(number))
}

/// One test's ingest with what came out of it.
struct Rig {
    ingest: Ingest,
    out: Kept,
    seq: u64,
}

impl Rig {
    fn new() -> Self {
        Self {
            ingest: ingest(),
            out: Kept::default(),
            seq: 0,
        }
    }

    fn bytes(&mut self, way: Way, content_type: Option<&str>, bytes: &[u8], now: UtcMs) {
        let node = "n1";
        let pack = PackIn {
            node,
            way,
            content_type,
            bytes,
        };
        self.ingest.handle_pack(&pack, now, &mut self.out);
    }

    fn rows(&mut self, way: Way, base: Base, rows: &[Row<'_>], now: UtcMs) {
        self.seq += 1;
        let bytes = pack(1, self.seq, base, Clock::Synced, rows);
        self.bytes(way, None, &bytes, now);
    }

    /// A pack of one reading of lel-1 that was taken at `at`.
    fn reading(&mut self, way: Way, at: UtcMs, now: UtcMs) -> (Lane, Sample) {
        self.rows(way, Base::Utc(at), &[("lel-1", None, 0, number(1.0))], now);
        let last = self.out.samples().pop().unwrap();
        (last.lane, last.sample)
    }

    fn status(&mut self, status: &NodeStatus, now: UtcMs) {
        let bytes = telemetry::body::encode(status);
        self.ingest.handle_status("n1", &bytes, now, &mut self.out);
    }
}

pub(super) fn online(boot: u64) -> NodeStatus {
    NodeStatus {
        state: NodeState::Online,
        oldest_held: Some(PackId { boot, seq: 1 }),
        ..NodeStatus::will("n1", boot)
    }
}

#[test]
fn a_sample_is_live_when_it_is_newer_than_the_last_and_young_enough() {
    let mut rig = Rig::new();
    let lane = |rig: &mut Rig, way, back, after| {
        let now = T0.plus_ms(after);
        rig.reading(way, now.minus_ms(back), now).0
    };
    assert_eq!(lane(&mut rig, Way::Live, 3_000, 0), Lane::Live);
    assert_eq!(lane(&mut rig, Way::Live, 3_001, 10), Lane::Late);
    assert_eq!(lane(&mut rig, Way::Live, 1_000, 1_000), Lane::Live);
    // Overtaken by the one before.
    assert_eq!(lane(&mut rig, Way::Live, 1_500, 1_001), Lane::Late);
    // The same millisecond again: storage only.
    assert_eq!(lane(&mut rig, Way::Live, 1_001, 1_001), Lane::Again);
    // What comes through history in time is live all the same.
    assert_eq!(lane(&mut rig, Way::History, 100, 1_002), Lane::Live);
    assert_eq!(lane(&mut rig, Way::History, 9_000, 1_003), Lane::Late);
}

#[test]
fn a_sample_from_far_ahead_is_dated_by_arrival_and_raises_the_clock_alarm() {
    let mut rig = Rig::new();
    let ahead = T0.plus_ms(5 * 60_000);
    assert_eq!(rig.reading(Way::Live, ahead, T0).1.at, ahead);
    assert_eq!(rig.out.conditions(), []);
    let (lane, sample) = rig.reading(Way::Live, ahead.plus_ms(2), T0.plus_ms(1));
    assert_eq!(
        (lane, sample.at, sample.clock),
        (Lane::Live, T0.plus_ms(1), Clock::Arrival)
    );
    let alarm = || "-/n1/sys.clock".to_owned();
    assert_eq!(rig.out.conditions(), [(alarm(), true)]);
    let later = T0.plus_ms(61_000);
    rig.reading(Way::Live, later, later);
    assert_eq!(rig.out.conditions(), [(alarm(), true), (alarm(), false)]);
}

#[test]
fn records_dated_by_arrival_keep_their_distances() {
    let mut rig = Rig::new();
    let row = |offset| ("lel-1", None, offset, number(1.0));
    rig.rows(
        Way::Live,
        Base::Mono(5_000),
        &[row(0), row(400), row(1_000)],
        T0,
    );
    let times: Vec<_> = rig
        .out
        .samples()
        .iter()
        .map(|logged| logged.sample.at)
        .collect();
    assert_eq!(times, [T0.minus_ms(1_000), T0.minus_ms(600), T0]);
    assert!(
        rig.out
            .samples()
            .iter()
            .all(|logged| logged.lane == Lane::Live)
    );
}

#[test]
fn a_clock_with_a_steady_offset_is_found_and_its_rules_go_on_until_it_is_right_again() {
    for offset in [-3_600_000_i64, 60_000] {
        let mut rig = Rig::new();
        let mut lanes = Vec::new();
        for n in 0..20 {
            let now = T0.plus_ms(n * 1_000);
            let jitter = i64::try_from(n % 3).unwrap() * 300;
            let off = if n < 12 { offset } else { 0 };
            let (lane, sample) = rig.reading(Way::Live, UtcMs(now.0 + off - jitter), now);
            lanes.push((lane, sample.clock));
        }
        let live = (Lane::Live, Clock::Arrival);
        assert_eq!(lanes[4..12], [live; 8]);
        assert_eq!(lanes.last(), Some(&(Lane::Live, Clock::Synced)));
        let alarm = || "-/n1/sys.clock".to_owned();
        assert_eq!(rig.out.conditions(), [(alarm(), true), (alarm(), false)]);
    }
}

#[test]
fn a_slow_line_is_no_wrong_clock() {
    let mut rig = Rig::new();
    for n in 0..20 {
        let now = T0.plus_ms(n * 1_000);
        let (lane, _) = rig.reading(Way::Live, now.minus_ms(10_000 + n * 1_500 % 9_000), now);
        assert_eq!(lane, Lane::Late);
    }
    assert_eq!(rig.out.conditions(), []);
}

#[test]
fn packs_that_waited_at_the_broker_while_this_gateway_was_down_keep_their_own_times() {
    let mut rig = Rig::new();
    for n in 0..40 {
        // Four seconds of packs at once, the oldest first, each just too old to be live.
        let (now, at) = (T0.plus_ms(n / 2), T0.minus_ms(5_000 - n * 40));
        let (lane, sample) = rig.reading(Way::Live, at, now);
        assert_eq!((lane, sample.at), (Lane::Late, at));
        assert_eq!(sample.clock, Clock::Synced);
    }
    let (lane, sample) = rig.reading(Way::Live, T0.plus_ms(100), T0.plus_ms(110));
    assert_eq!((lane, sample.clock), (Lane::Live, Clock::Synced));
    assert_eq!(rig.out.conditions(), []);
}

#[test]
fn a_node_without_utc_is_dated_by_its_anchor_else_by_arrival() {
    let mut rig = Rig::new();
    let row = [("lel-1", None, 0, number(1.0))];
    rig.rows(Way::Live, Base::Mono(70_000), &row, T0);
    let sample = rig.out.samples()[0].sample;
    assert_eq!((sample.at, sample.clock), (T0, Clock::Arrival));
    // History waits for a status, which may have the anchor.
    rig.rows(Way::History, Base::Mono(10_000), &row, T0);
    assert_eq!(rig.out.noted("PackDeferred"), 1);
    let utc = T0.minus_ms(3_600_000);
    let anchor = vec![Anchor {
        boot: 1,
        mono: 9_000,
        utc,
    }];
    rig.status(
        &NodeStatus {
            anchor,
            ..online(1)
        },
        T0,
    );
    rig.seq -= 1;
    rig.rows(Way::History, Base::Mono(10_000), &row, T0);
    let logged = rig.out.samples()[1];
    assert_eq!(logged.sample.at, utc.plus_ms(1_000));
    assert_eq!(
        (logged.lane, logged.sample.clock),
        (Lane::Late, Clock::Unsynced)
    );
    // Without an anchor for its boot it is dated by arrival, and says nothing of now.
    rig.rows(Way::History, Base::Mono(1), &row, T0);
    let bytes = pack(9, 1, Base::Mono(20_000), Clock::Unsynced, &row);
    rig.bytes(Way::History, None, &bytes, T0.plus_ms(5));
    let logged = rig.out.samples().pop().unwrap();
    assert_eq!(logged.sample.at, T0.plus_ms(5));
    assert_eq!(
        (logged.lane, logged.sample.clock),
        (Lane::Late, Clock::Arrival)
    );
}

#[test]
fn a_gateway_whose_clock_is_behind_dates_live_samples_by_arrival() {
    let mut rig = Rig::new();
    rig.ingest.set_clock_is_behind(true);
    for n in 0..10 {
        let now = T0.plus_ms(n * 1_000);
        let (lane, sample) = rig.reading(Way::Live, now.minus_ms(86_400_000), now);
        assert_eq!(
            (lane, sample.at, sample.clock),
            (Lane::Live, now, Clock::Arrival)
        );
    }
    assert_eq!(rig.out.conditions(), []);
}

#[test]
fn values_are_stored_in_the_unit_of_their_point_or_refused() {
    let mut rig = Rig::new();
    let rows = [
        ("p-1", Some("Pa"), 0, number(1_500.0)),
        ("p-1", Some("kPa"), 1, number(2.5)),
        ("p-1", None, 2, number(3.5)),
        ("lel-1", Some("ppm"), 3, number(4.0)),
        ("lel-1", None, 4, Some(Value::Bool(true))),
        ("on-1", None, 5, number(1.0)),
        ("on-1", None, 6, number(2.0)),
        ("nobody", None, 7, number(1.0)),
        ("x-1", None, 8, number(1.0)),
        ("lel-1", None, 9, None),
    ];
    rig.rows(Way::Live, Base::Utc(T0), &rows, T0.plus_ms(10));
    let values: Vec<_> = rig
        .out
        .samples()
        .iter()
        .map(|logged| logged.sample.value)
        .collect();
    let wanted = [
        number(1.5),
        number(2.5),
        number(3.5),
        Some(Value::Bool(true)),
        None,
    ];
    assert_eq!(values, wanted);
    let letters: Vec<_> = rig
        .out
        .letters
        .iter()
        .map(|(_, detail)| detail.as_str())
        .collect();
    assert_eq!(
        letters,
        [
            "wrong-unit: east/plant/tank/lel-1 = 4 ppm",
            "wrong-type: east/plant/tank/lel-1 = 1",
            "wrong-type: east/plant/tank/on-1 = 2",
            "unknown-point: east/plant/tank/nobody = 1",
            "foreign-point: east/plant/tank/x-1 = 1",
        ]
    );
    assert_eq!(rig.out.noted("Refused"), 4, "{:?}", rig.out.notes);
}

#[test]
fn a_pack_that_does_not_parse_goes_to_the_dead_letters_whole_and_counts_as_durable() {
    let mut rig = Rig::new();
    rig.status(&online(1), T0);
    let text = br#"[{"bboot":1,"bseq":1,"bver":99,"n":"east/plant/tank/lel-1","v":1}]"#;
    rig.bytes(Way::Live, Some("application/senml+json"), text, T0);
    rig.bytes(Way::History, None, text, T0);
    rig.bytes(Way::Live, Some("text/plain"), b"hello", T0);
    rig.bytes(Way::Live, None, &[], T0);
    let causes: Vec<_> = rig
        .out
        .letters
        .iter()
        .map(|(cause, _)| cause.as_str())
        .collect();
    assert_eq!(causes, ["pack", "format", "format"]);
    rig.ingest.set_durable(LogOffset(rig.out.end));
    let (_, ack) = rig.ingest.poll_ack(T0).unwrap();
    assert_eq!((ack.boot, ack.seq, ack.missing), (1, 1, Vec::new()));
}

#[test]
fn the_same_number_with_other_bytes_is_counted_and_the_first_stands() {
    let mut rig = Rig::new();
    rig.reading(Way::Live, T0, T0);
    rig.seq = 0;
    rig.reading(Way::Live, T0, T0);
    rig.seq = 0;
    rig.rows(
        Way::Live,
        Base::Utc(T0),
        &[("lel-1", None, 0, number(9.0))],
        T0,
    );
    assert_eq!(rig.out.samples().len(), 1);
    assert_eq!(rig.out.noted("PackRepeated"), 1);
    assert_eq!(rig.out.noted("PackContradicted"), 1);
}

#[test]
fn a_pack_without_a_number_is_taken_in_and_nothing_is_acknowledged() {
    let mut rig = Rig::new();
    let text = br#"[{"n":"east/plant/tank/lel-1","v":1.5}]"#;
    rig.bytes(
        Way::Live,
        Some("application/senml+json; charset=utf-8"),
        text,
        T0,
    );
    rig.bytes(Way::Live, None, text, T0.plus_ms(1));
    let samples = rig.out.samples();
    assert_eq!(samples.len(), 2);
    assert_eq!(
        (samples[1].sample.at, samples[1].lane),
        (T0.plus_ms(1), Lane::Live)
    );
    rig.ingest.set_durable(LogOffset(rig.out.end));
    assert_eq!(rig.ingest.poll_ack(T0), None);
}

#[test]
fn acks_come_at_most_once_a_second_and_only_for_what_is_on_disk() {
    let mut rig = Rig::new();
    rig.status(&online(1), T0);
    rig.reading(Way::Live, T0, T0);
    assert_eq!(rig.ingest.poll_ack(T0), None);
    rig.ingest.set_durable(LogOffset(rig.out.end - 1));
    let (_, first) = rig.ingest.poll_ack(T0).unwrap();
    assert_eq!((first.boot, first.seq), (1, 0));
    rig.ingest.set_durable(LogOffset(rig.out.end));
    assert_eq!(rig.ingest.poll_ack(T0.plus_ms(999)), None);
    assert_eq!(rig.ingest.poll_timeout(), Some(T0.plus_ms(1_000)));
    let (node, ack) = rig.ingest.poll_ack(T0.plus_ms(1_000)).unwrap();
    assert_eq!((node, ack.seq), ("n1", 1));
    assert_eq!(rig.ingest.poll_ack(T0.plus_ms(9_000)), None, "nothing new");
    rig.ingest.handle_connected(T0.plus_ms(9_000));
    assert!(
        rig.ingest.poll_ack(T0.plus_ms(9_000)).is_some(),
        "a broker may have lost it"
    );
}

#[test]
fn a_full_log_takes_no_pack_and_takes_it_when_it_comes_again() {
    let mut rig = Rig::new();
    rig.status(&online(1), T0);
    rig.out.full = true;
    rig.rows(
        Way::Live,
        Base::Utc(T0),
        &[("lel-1", None, 0, number(1.0))],
        T0,
    );
    rig.out.full = false;
    rig.seq -= 1;
    rig.rows(
        Way::History,
        Base::Utc(T0),
        &[("lel-1", None, 0, number(1.0))],
        T0.plus_ms(50),
    );
    let samples = rig.out.samples();
    assert_eq!(samples.len(), 1);
    assert_eq!(
        samples[0].lane,
        Lane::Again,
        "it was evaluated when it came first"
    );
    rig.ingest.set_durable(LogOffset(rig.out.end));
    assert_eq!(rig.ingest.poll_ack(T0.plus_ms(50)).unwrap().1.seq, 1);
}

#[test]
fn a_will_raises_offline_and_an_older_boots_will_does_not() {
    let mut rig = Rig::new();
    let alarm = || "-/n1/sys.offline".to_owned();
    rig.status(&online(4), T0);
    rig.status(&NodeStatus::will("n1", 3), T0);
    assert_eq!(rig.out.conditions(), []);
    rig.status(&NodeStatus::will("n1", 4), T0);
    rig.status(&online(5), T0);
    assert_eq!(rig.out.conditions(), [(alarm(), true), (alarm(), false)]);
}

#[test]
fn a_node_of_which_nothing_is_heard_is_offline_after_a_while() {
    let mut rig = Rig::new();
    rig.ingest.handle_connected(T0);
    rig.status(&online(1), T0);
    let due = rig.ingest.silent_at.unwrap();
    rig.ingest.handle_timeout(due.minus_ms(1), &mut rig.out);
    assert_eq!(rig.out.conditions(), []);
    rig.ingest.handle_timeout(due, &mut rig.out);
    assert_eq!(
        rig.out.conditions(),
        [("-/n2/sys.offline".to_owned(), true)]
    );
    assert_eq!(rig.ingest.poll_timeout().filter(|at| *at > due), None);
}

#[test]
fn a_silent_slave_is_one_alarm_and_a_silent_bus_another() {
    let mut rig = Rig::new();
    let row = |slave, state: &str| BusState {
        name: "b1".into(),
        slave,
        state: state.into(),
        errors: 0,
    };
    let mut tell = |a: &str, b: &str| {
        let before = rig.out.conditions().len();
        let bus = vec![row(7, a), row(8, b)];
        rig.status(&NodeStatus { bus, ..online(1) }, T0);
        rig.out.conditions().split_off(before)
    };
    let is = |rule: &str, active| (format!("-/n1/{rule}"), active);
    assert_eq!(tell("ok", "unknown"), []);
    assert_eq!(tell("ok", "silent"), [is("sys.slave.b1.gd-8", true)]);
    let both = [is("sys.slave.b1.gd-7", true), is("sys.bus.b1", true)];
    assert_eq!(tell("line-down", "silent"), both);
    assert_eq!(tell("line-down", "silent"), []);
    let again = [
        is("sys.slave.b1.gd-7", false),
        is("sys.slave.b1.gd-8", false),
        is("sys.bus.b1", false),
    ];
    assert_eq!(tell("ok", "exception"), again);
}

#[test]
fn what_a_node_gave_up_is_a_gap_once_and_leaves_missing() {
    let mut rig = Rig::new();
    rig.status(&online(1), T0);
    rig.reading(Way::Live, T0, T0);
    rig.seq = 6;
    rig.reading(Way::Live, T0.plus_ms(1), T0.plus_ms(1));
    let dropped = vec![Dropped {
        boot: 1,
        from: 1,
        to: 4,
        cause: "no-room".into(),
    }];
    let status = NodeStatus {
        dropped,
        ..online(1)
    };
    rig.status(&status, T0);
    rig.status(&status, T0);
    assert_eq!(rig.out.noted("GapFound"), 1);
    assert!(
        rig.out
            .notes
            .iter()
            .any(|note| note.contains("from: 2, to: 4"))
    );
    rig.ingest.set_durable(LogOffset(rig.out.end));
    let (_, ack) = rig.ingest.poll_ack(T0.plus_ms(1_000)).unwrap();
    assert_eq!((ack.boot, ack.seq, ack.missing), (1, 7, vec![(1, 5, 6)]));
}

#[test]
fn a_status_that_is_none_goes_to_the_dead_letters() {
    let mut rig = Rig::new();
    rig.ingest.handle_status("n1", b"{}", T0, &mut rig.out);
    rig.status(&NodeStatus::will("n2", 1), T0);
    let causes: Vec<_> = rig
        .out
        .letters
        .iter()
        .map(|(cause, _)| cause.as_str())
        .collect();
    assert_eq!(causes, ["status", "status"]);
}

#[test]
fn a_snapshot_brings_back_what_was_known() {
    let mut rig = Rig::new();
    rig.status(
        &NodeStatus {
            clock: Some(Clock::Unsynced),
            ..online(1)
        },
        T0,
    );
    rig.reading(Way::Live, T0, T0);
    rig.status(&NodeStatus::will("n1", 1), T0);
    let bytes = rig.ingest.snapshot();
    let mut back = ingest();
    back.restore(&bytes).unwrap();
    assert_eq!(back.snapshot(), bytes);
    assert_eq!(back.watermarks, rig.ingest.watermarks);
    let standing: Vec<_> = back.nodes[0].standing().map(|(rule, _)| rule).collect();
    assert_eq!(standing, ["sys.clock", "sys.offline"]);
    for len in 0..bytes.len() {
        assert!(ingest().restore(&bytes[..len]).is_err());
    }
}

#[test]
fn senders_that_nobody_configured_are_remembered_up_to_a_limit() {
    let mut rig = Rig::new();
    for n in 0..STRANGERS_MAX + 5 {
        let name = format!("stranger-{n}");
        let bytes = telemetry::body::encode(&NodeStatus::will(name.as_str(), 1));
        rig.ingest.handle_status(&name, &bytes, T0, &mut rig.out);
    }
    assert_eq!(rig.ingest.nodes.len(), 2 + STRANGERS_MAX);
    assert_eq!(rig.out.conditions(), []);
}
