//! A site that keeps the contract gives no problems, whatever is lost on either side.

use proptest::prelude::*;

use super::teller::{Act, Teller, act, outage, table};

#[track_caller]
fn clean(acts: &[Act], lookback: u64) {
    let teller = Teller::tell(acts);
    let (watch, problems) = teller.heard(&teller.steps, lookback);
    assert_eq!(problems, []);
    assert_eq!(table(&watch), teller.table());
}

#[test]
fn a_quiet_site_is_clean() {
    clean(&[], 100);
    clean(&[Act::Wait(600_000)], 0);
}

#[test]
fn a_subscriber_that_was_away_catches_up() {
    for short in [false, true] {
        clean(
            &[
                Act::Alarm(0, 2),
                Act::Away(90_000, short),
                Act::Alarm(3, 0),
                Act::Away(1_000, short),
                Act::Alarm(3, 1),
            ],
            100,
        );
    }
}

#[test]
fn a_broker_that_forgot_everything_is_told_again() {
    clean(
        &[Act::Alarm(4, 0), Act::Broker(30_000), Act::Alarm(4, 0)],
        100,
    );
}

#[test]
fn a_gateway_that_comes_back_repeats_what_nobody_acknowledged() {
    clean(
        &[
            Act::Alarm(4, 0),
            Act::GatewayAway(90_000, 3),
            Act::Alarm(4, 0),
        ],
        100,
    );
}

#[test]
fn a_new_epoch_takes_the_states_over_and_empties_what_never_was() {
    clean(
        &[
            Act::Alarm(4, 0),
            Act::Alarm(3, 0),
            Act::Turn(1),
            Act::Alarm(0, 0),
        ],
        100,
    );
}

#[test]
fn the_end_of_an_epoch_that_is_told_after_the_states_of_the_next_is_no_problem() {
    for again in [0, 2] {
        clean(
            &[
                Act::Alarm(3, 0),
                Act::TurnLate(3, again),
                Act::Alarm(0, 0),
                Act::Away(20_000, false),
                Act::TurnLate(0, again),
            ],
            100,
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_a_site_that_keeps_the_contract_is_clean(
        acts in prop::collection::vec(prop_oneof![5 => act(), 1 => outage()], 0..40),
        lookback in prop_oneof![Just(0), Just(3), Just(100)],
    ) {
        let teller = Teller::tell(&acts);
        let (watch, problems) = teller.heard(&teller.steps, lookback);
        prop_assert_eq!(problems, []);
        prop_assert_eq!(table(&watch), teller.table());
        prop_assert!(watch.is_settled());
    }
}
