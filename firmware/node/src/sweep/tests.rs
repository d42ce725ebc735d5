//! A bus in virtual time: slaves that answer, stay silent, refuse, or answer every other time.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

const TIMEOUT_MS: u64 = 200;
const LATENESS_MS: u64 = 300;
const BACK_OFF: BackOffConfig = BackOffConfig {
    min_ms: 1_000,
    max_ms: 60_000,
};

/// How a slave behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Answers after so many milliseconds.
    Answers(u64),
    Refuses,
    Dead,
    /// Answers every other request.
    Flaps,
    /// Dead until this time.
    DeadUntil(u64),
    Garbles,
    /// Answers after so many milliseconds, which is too late; who is asked at that time has no answer.
    AnswersLate(u64),
}

/// What happened on the bus.
#[derive(Debug, Default)]
struct Seen {
    /// How often each request was answered.
    read: Vec<u64>,
    /// How often each request failed or was missed.
    failed: Vec<u64>,
    /// When each slave was asked.
    asked: Vec<(u64, usize)>,
    /// When a time-out ended.
    timeouts: Vec<(u64, usize)>,
}

/// One slave for each (manner, period), with one group of requests.
fn sweep(each: usize, slaves: &[(Manner, u64)], timeout_ms: u64, lateness_ms: u64) -> Sweep {
    let group = |(idx, (_, period_ms)): (usize, &(Manner, u64))| Group {
        slave: idx,
        period_ms: *period_ms,
        requests: idx * each..(idx + 1) * each,
    };
    let config = SweepConfig {
        groups: slaves.iter().enumerate().map(group).collect(),
        probes: (0..slaves.len()).map(|idx| Some(idx * each)).collect(),
        timeout_ms,
        lateness_ms,
        back_off: BACK_OFF,
    };
    Sweep::new(config, 7, 0)
}

fn run(slaves: &[(Manner, u64)], until: u64) -> Seen {
    run_with(1, slaves, until, TIMEOUT_MS, LATENESS_MS)
}

/// Slaves of `each` requests.
fn run_with(
    each: usize,
    slaves: &[(Manner, u64)],
    until: u64,
    timeout_ms: u64,
    lateness_ms: u64,
) -> Seen {
    let mut sweep = sweep(each, slaves, timeout_ms, lateness_ms);
    let mut seen = Seen {
        read: vec![0; each * slaves.len()],
        failed: vec![0; each * slaves.len()],
        ..Seen::default()
    };
    let mut mono = 0;
    let mut turn = false;
    let mut late: Option<u64> = None;
    while mono < until {
        let (token, slave) = match sweep.poll(mono) {
            Step::Send { token, request } => (token, request / each),
            Step::Write { .. } => panic!("nothing is to be written"),
            Step::Missed { requests } => {
                for request in requests {
                    seen.failed[request] += 1;
                }
                continue;
            }
            Step::Drain { until } => {
                assert!(until > mono, "a drain that takes no time");
                mono = until;
                continue;
            }
            Step::Idle { until } => {
                let until = until.expect("there is always something to poll");
                assert!(until > mono, "an idle bus with something due");
                mono = until;
                continue;
            }
        };
        seen.asked.push((mono, slave));
        turn = !turn;
        let (after, outcome) = match slaves[slave].0 {
            Manner::Answers(ms) => (ms, Outcome::Answered),
            Manner::Refuses => (10, Outcome::Exception),
            Manner::Flaps if turn => (10, Outcome::Answered),
            Manner::DeadUntil(at) if at <= mono => (10, Outcome::Answered),
            Manner::Garbles => (10, Outcome::Garbled),
            Manner::Dead | Manner::Flaps | Manner::DeadUntil(_) | Manner::AnswersLate(_) => {
                (timeout_ms, Outcome::Silent)
            }
        };
        let under_way = mono..mono + after;
        let (after, outcome) = match late.take_if(|late| *late < under_way.end) {
            Some(late) if under_way.contains(&late) => (late - mono, Outcome::Garbled),
            _ => (after, outcome),
        };
        if let Manner::AnswersLate(ms) = slaves[slave].0 {
            late = Some(mono + ms);
        }
        mono += after;
        if outcome == Outcome::Silent {
            seen.timeouts.push((mono, slave));
        }
        match sweep.handle_outcome(token, outcome, mono) {
            Fate::Stale | Fate::Written => panic!("the only request under way is not known"),
            Fate::Probe => {}
            Fate::Answered { request } => seen.read[request] += 1,
            Fate::Failed { requests } => requests.for_each(|r| seen.failed[r] += 1),
        }
    }
    seen
}

#[test]
fn a_dead_slave_costs_one_time_out_per_pause_and_the_others_keep_their_rate() {
    let minutes = 10 * 60_000;
    let slaves = [
        (Manner::Answers(20), 500),
        (Manner::Dead, 500),
        (Manner::Answers(20), 1_000),
        (Manner::Dead, 1_000),
        (Manner::Answers(20), 200),
    ];
    let seen = run(&slaves, minutes);
    for (idx, (manner, period_ms)) in slaves.iter().enumerate() {
        let wanted = minutes / period_ms;
        if *manner == Manner::Dead {
            assert_eq!(seen.read[idx], 0);
            assert!(
                seen.failed[idx] * 100 >= wanted * 95,
                "slave {idx}: only {} of {wanted} gaps were told",
                seen.failed[idx]
            );
        } else {
            assert!(
                seen.read[idx] * 100 >= wanted * 95,
                "slave {idx}: {} of {wanted}",
                seen.read[idx]
            );
        }
    }
    for dead in [1, 3] {
        let times = seen.timeouts.iter().filter(|(_, slave)| *slave == dead);
        let times: Vec<u64> = times.map(|(at, _)| *at).collect();
        assert!(times.len() <= 6 + 10, "{times:?}");
        for (nth, pair) in times.windows(2).enumerate() {
            let pause = (BACK_OFF.min_ms << nth).min(BACK_OFF.max_ms);
            assert!(pair[1] - pair[0] >= pause, "{times:?}");
        }
    }
}

#[test]
fn the_first_minute_of_a_faulty_slave_costs_its_neighbours_hardly_a_reading() {
    // The shipped example's figures: one failure takes longer than a period.
    let (timeout_ms, lateness_ms) = (300, 1_000);
    for faulty in [Manner::Dead, Manner::Garbles, Manner::Flaps] {
        // Three slaves of two requests each: groups of one slave that come due together.
        let slaves = [
            (faulty, 1_000),
            (Manner::Answers(30), 1_000),
            (Manner::Answers(30), 1_000),
        ];
        let seen = run_with(2, &slaves, 60_000, timeout_ms, lateness_ms);
        for request in 2..6 {
            assert!(
                seen.read[request] >= 59,
                "{faulty:?}: {:?} of 60",
                seen.read
            );
        }
    }
}

#[test]
fn who_answers_too_late_breaks_into_its_neighbours_answers_once_and_not_again() {
    for late_ms in (310..1_300).step_by(10) {
        let slaves = [
            (Manner::AnswersLate(late_ms), 1_000),
            (Manner::Answers(50), 1_000),
            (Manner::Answers(50), 1_000),
        ];
        let seen = run_with(2, &slaves, 60_000, 300, 1_000);
        let neighbours = seen.read[2..].iter();
        // What it broke into, and what was not asked while the line was quiet after it.
        let is_read = neighbours.min() >= Some(&58);
        assert!(is_read, "{late_ms} ms: {:?} of 60", seen.read);
    }
}

#[test]
fn a_probe_that_must_cost_a_reading_does_not_wait_for_ever_for_a_better_moment() {
    let slaves = [(Manner::DeadUntil(20_000), 200), (Manner::Answers(10), 200)];
    let seen = run_with(1, &slaves, 60_000, 300, 1_000);
    let found = seen
        .asked
        .iter()
        .find(|(at, slave)| *slave == 0 && *at >= 20_000);
    let (found, _) = found.expect("it was asked again");
    assert!(*found <= 20_000 + 18_000 + 200, "{found}");
}

#[test]
fn a_silent_slave_is_not_asked_again_while_its_answer_may_be_late_and_the_others_are() {
    // Its pause is over long before its answer can't come any more.
    let lateness_ms = 5_000;
    let slaves = [(Manner::Dead, 100), (Manner::Answers(5), 1_000)];
    let seen = run_with(1, &slaves, 60_000, TIMEOUT_MS, lateness_ms);
    assert!(seen.timeouts.len() > 4, "{:?}", seen.timeouts);
    for (ended, dead) in &seen.timeouts {
        let mut again = seen.asked.iter().filter(|(at, _)| at >= ended);
        let again = again.find(|(_, slave)| slave == dead);
        assert!(again.is_none_or(|(at, _)| *at >= ended + lateness_ms));
    }
    assert!(seen.read[1] >= 59, "{}", seen.read[1]);
}

#[test]
fn nobody_ends_the_time_in_which_a_slaves_answer_may_be_late() {
    let mut sweep = sweep(1, &[(Manner::Dead, 100)], TIMEOUT_MS, LATENESS_MS);
    let Step::Send { token, .. } = sweep.poll(0) else {
        panic!("due at once");
    };
    sweep.handle_outcome(token, Outcome::Silent, TIMEOUT_MS);
    sweep.wake(0);
    let mut asks = |mono| loop {
        match sweep.poll(mono) {
            Step::Missed { .. } => {}
            step => break matches!(step, Step::Send { .. }),
        }
    };
    let asked = (TIMEOUT_MS..60_000).find(|mono| asks(*mono));
    assert_eq!(asked, Some(TIMEOUT_MS + LATENESS_MS));
}

#[test]
fn after_a_broken_answer_the_whole_line_is_quiet_for_the_stated_lateness() {
    let slaves = [(Manner::Garbles, 1_000), (Manner::Answers(5), 100)];
    let seen = run(&slaves, 60_000);
    let broken = seen.asked.iter().filter(|(_, slave)| *slave == 0);
    let mut n_broken = 0;
    for (at, _) in broken {
        let ended = at + 10;
        let next = seen.asked.iter().map(|(at, _)| *at).find(|at| *at >= ended);
        assert!(next.is_none_or(|next| next >= ended + LATENESS_MS));
        n_broken += 1;
    }
    assert!(n_broken > 3, "{n_broken}");
}

/// Slaves of one period, some of them dead, and the worst of the others' shares of their readings, in percent, in each minute.
fn worst_share_by_minute(n: usize, n_dead: usize, period_ms: u64, answer_ms: u64) -> Vec<u64> {
    let manner = |idx| match idx % (n / n_dead) {
        0 if idx / (n / n_dead) < n_dead => Manner::Dead,
        _ => Manner::Answers(answer_ms),
    };
    let slaves: Vec<_> = (0..n).map(|idx| (manner(idx), period_ms)).collect();
    let seen = |minutes: u64| run_with(1, &slaves, minutes * 60_000, 300, 1_000);
    let upto: Vec<Seen> = (0..=10).map(seen).collect();
    upto.windows(2)
        .map(|pair| {
            let healthy = (0..n).filter(|idx| slaves[*idx].0 != Manner::Dead);
            let read = healthy.map(|idx| pair[1].read[idx] - pair[0].read[idx]);
            read.min().expect("some are healthy") * 100 * period_ms / 60_000
        })
        .collect()
}

#[test]
fn of_32_slaves_ten_dead_ones_cost_the_others_only_the_first_round() {
    // A full line: 22 answers of 25 ms every second, as 9,600 baud gives them.
    let shares = worst_share_by_minute(32, 10, 1_000, 25);
    // Ten time-outs of 300 ms, before anybody knows.
    assert!(shares[0] >= 93, "{shares:?}");
    assert!(shares[1..].iter().all(|share| *share >= 95), "{shares:?}");
}

#[test]
fn a_slave_that_answers_just_in_time_is_read_like_any_other() {
    let slaves = [
        (Manner::Answers(TIMEOUT_MS - 1), 1_000),
        (Manner::Answers(5), 1_000),
    ];
    let seen = run(&slaves, 60_000);
    assert_eq!((seen.read, seen.failed), (vec![60, 60], vec![0, 0]));
}

#[test]
fn a_slave_that_refuses_is_there_and_is_asked_at_its_rate() {
    let seen = run(&[(Manner::Refuses, 1_000)], 60_000);
    assert_eq!((seen.read[0], seen.failed[0]), (0, 60));
}

#[test]
fn a_slave_that_answers_every_other_time_does_not_cost_a_time_out_every_other_time() {
    let seen = run(&[(Manner::Flaps, 100)], 10 * 60_000);
    assert!(seen.timeouts.len() < 40, "{}", seen.timeouts.len());
}

#[test]
fn a_slave_whose_answers_are_broken_is_left_alone_after_three() {
    let seen = run(&[(Manner::Garbles, 100)], 60_000);
    let first: Vec<u64> = seen.asked.iter().take(4).map(|(at, _)| *at).collect();
    assert!(first[3] - first[2] >= BACK_OFF.min_ms, "{first:?}");
    assert!(seen.asked.len() < 12, "{}", seen.asked.len());
    assert!(seen.failed[0] > 500, "its gaps are told all the same");
}

#[test]
fn a_slave_that_comes_back_is_found_by_one_probe_and_read_at_once() {
    let back = 20_000;
    let seen = run(&[(Manner::DeadUntil(back), 5_000)], 60_000);
    let found = seen.asked.iter().position(|(at, _)| *at >= back);
    let found = found.expect("it was asked again");
    let (probe, read) = (seen.asked[found].0, seen.asked[found + 1].0);
    assert!(probe <= back + 18_000, "pauses double: {probe}");
    assert_eq!(read, probe + 10, "the probe took 10 ms");
    assert!(seen.read[0] >= 4);
}

#[test]
fn a_line_that_is_gone_makes_every_slave_miss_and_is_tried_within_seconds() {
    let mut sweep = sweep(
        1,
        &[(Manner::Dead, 1_000), (Manner::Dead, 1_000)],
        TIMEOUT_MS,
        LATENESS_MS,
    );
    let (mut mono, mut tried, mut missed) = (0, Vec::new(), 0);
    while mono < 60_000 {
        match sweep.poll(mono) {
            Step::Send { token, .. } => {
                tried.push(mono);
                match sweep.handle_outcome(token, Outcome::LineDown, mono) {
                    Fate::Failed { requests } => missed += requests.len(),
                    other => panic!("{other:?}"),
                }
            }
            Step::Missed { requests } => missed += requests.len(),
            Step::Write { .. } => panic!("nothing is to be written"),
            Step::Drain { .. } => panic!("nothing can come late on a line that is gone"),
            Step::Idle { until } => mono = until.expect("it is tried again"),
        }
    }
    assert!(
        tried.windows(2).all(|pair| pair[1] - pair[0] <= 6_700),
        "{tried:?}"
    );
    assert!(tried.len() <= 25, "{tried:?}");
    assert!(missed >= 110, "{missed}");
    assert_eq!(sweep.slave(1).0, SlaveState::LineDown);
}

#[test]
fn the_answer_to_an_earlier_request_is_no_answer() {
    let mut sweep = sweep(1, &[(Manner::Answers(1), 100)], TIMEOUT_MS, LATENESS_MS);
    let Step::Send { token, .. } = sweep.poll(0) else {
        panic!("due at once");
    };
    assert_eq!(
        sweep.handle_outcome(token + 1, Outcome::Answered, 5),
        Fate::Stale
    );
    assert_eq!(
        sweep.handle_outcome(token, Outcome::Answered, 5),
        Fate::Answered { request: 0 }
    );
    assert_eq!(
        sweep.handle_outcome(token, Outcome::Answered, 6),
        Fate::Stale
    );
}

#[test]
fn a_group_is_read_in_order_and_fails_from_the_first_silence_on() {
    let config = SweepConfig {
        groups: vec![Group {
            slave: 0,
            period_ms: 1_000,
            requests: 0..3,
        }],
        probes: vec![Some(2)],
        timeout_ms: TIMEOUT_MS,
        lateness_ms: 0,
        back_off: BACK_OFF,
    };
    let mut sweep = Sweep::new(config, 1, 0);
    let mut next = |mono| match sweep.poll(mono) {
        Step::Send { token, request } => {
            let outcome = match request {
                0 => Outcome::Exception,
                _ => Outcome::Silent,
            };
            (request, Some(sweep.handle_outcome(token, outcome, mono)))
        }
        Step::Missed { requests } => (requests.start, None),
        other => panic!("{other:?}"),
    };
    assert_eq!(next(0), (0, Some(Fate::Failed { requests: 0..1 })));
    assert_eq!(next(10), (1, Some(Fate::Failed { requests: 1..3 })));
    assert_eq!(
        next(1_000),
        (0, None),
        "left alone: the whole pass is missed"
    );
    assert_eq!(next(1_200), (2, Some(Fate::Probe)), "the cheapest request");
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        (1_u64..40).prop_map(Manner::Answers),
        Just(Manner::Refuses),
        Just(Manner::Dead),
        Just(Manner::Flaps),
        (0_u64..60_000).prop_map(Manner::DeadUntil),
        Just(Manner::Garbles),
    ]
}

proptest! {
    #[test]
    fn whatever_the_others_do_a_good_slave_is_read_and_every_pass_is_accounted_for(
        others in proptest::collection::vec((manner(), 500_u64..5_000), 0..6),
    ) {
        let until = 5 * 60_000;
        let mut slaves = others;
        slaves.push((Manner::Answers(10), 1_000));
        let seen = run(&slaves, until);
        let good = slaves.len() - 1;
        // Up to six slaves may be dead at the start, each for a time-out and its drain.
        prop_assert!(seen.read[good] * 100 >= 300 * 85, "{} of 300", seen.read[good]);
        for (idx, (_, period_ms)) in slaves.iter().enumerate() {
            let told = seen.read[idx] + seen.failed[idx];
            prop_assert!(told * 100 >= until / period_ms * 75, "slave {}: {} of {}", idx, told, until / period_ms);
        }
    }
}

#[test]
fn a_write_goes_before_what_is_only_read_and_waits_for_a_slave_that_is_left_alone() {
    let slaves = [(Manner::Answers(10), 100), (Manner::Dead, 100)];
    let mut sweep = sweep(1, &slaves, TIMEOUT_MS, LATENESS_MS);
    // The second slave is found dead.
    let mut mono = 0;
    while sweep.slave(1).0 != SlaveState::Silent {
        let Step::Send { token, request } = sweep.poll(mono) else {
            panic!("something is due");
        };
        let outcome = [Outcome::Answered, Outcome::Silent][request];
        sweep.handle_outcome(token, outcome, mono);
    }
    sweep.write(1, 7);
    sweep.write(0, 5);
    sweep.write(0, 5);
    mono += 1_000;
    let mut written = Vec::new();
    while mono < 10_000 {
        match sweep.poll(mono) {
            Step::Write { token, write } => {
                written.push(write);
                let fate = sweep.handle_outcome(token, Outcome::Answered, mono);
                assert_eq!(fate, Fate::Written);
            }
            // The second slave is there again.
            Step::Send { token, .. } => {
                sweep.handle_outcome(token, Outcome::Answered, mono);
            }
            Step::Missed { .. } => {}
            Step::Drain { until } => mono = until,
            Step::Idle { until } => mono = until.expect("there is something to poll"),
        }
    }
    assert_eq!(written, [5, 7]);
}
