//! What the gateway's ack makes the node do, and what it never makes it do.

use node::Lane;
use telemetry::Clock;
use telemetry::body::{Ack, PackId};

use crate::world::{Setup, World, pack_id};

fn id(boot: u64, seq: u64) -> PackId {
    PackId { boot, seq }
}

#[test]
fn what_the_gateway_names_is_sent_at_once_on_the_history_topic() {
    let mut world = World::new(Setup::default());
    world.gateway.mute = true;
    world.run(10_000);
    let before = world.sent.len();
    world.inject_ack(&Ack {
        boot: 1,
        seq: 8,
        missing: vec![(1, 3, 4), (1, 6, 6)],
    });
    let resent: Vec<_> = world.sent[before..].to_vec();
    let at = world.at;
    assert_eq!(resent, [3, 4, 6].map(|seq| (at, Lane::History, id(1, seq))));
}

#[test]
fn while_the_ack_stands_still_packs_are_sent_again_with_a_growing_pause_and_none_is_given_up() {
    let mut world = World::new(Setup {
        period_ms: 60_000,
        ..Setup::default()
    });
    world.run(10_000);
    world.gateway.disk_full = true;
    let days = 2 * 24 * 60 * 60_000;
    world.run(days);
    let dropped = &world.gateway.status.as_ref().expect("a status").dropped;
    assert_eq!(
        *dropped,
        [],
        "nothing is given up while the ack stands still"
    );
    let first = world
        .sent
        .iter()
        .filter(|(at, lane, _)| *at > 10_000 && *lane == Lane::History);
    let first = first
        .map(|(_, _, id)| *id)
        .min()
        .expect("something was sent again");
    let times: Vec<u64> = world
        .sent
        .iter()
        .filter(|(_, _, id)| *id == first)
        .map(|(at, _, _)| *at)
        .collect();
    assert!(times.len() > 10, "{times:?}");
    assert!(
        times.len() < 400,
        "{} deliveries of one pack in two days",
        times.len()
    );
    let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[1] < 15_000, "{pauses:?}");
    assert!(
        pauses.iter().rev().take(5).all(|ms| *ms >= 500_000),
        "{pauses:?}"
    );
    world.heal();
    world.assert_nothing_lost();
    assert!(world.gaps.is_empty());
}

#[test]
fn a_pack_that_never_gets_through_is_given_up_after_ten_deliveries_if_the_ack_moves_on() {
    let mut world = World::new(Setup::default());
    world.gateway.deaf_to.insert(id(1, 5));
    world.run(60 * 60_000);
    let deliveries = world.gateway.deliveries[&id(1, 5)];
    assert!((10..=12).contains(&deliveries), "{deliveries}");
    assert!(world.gaps.contains(&id(1, 5)));
    assert_eq!(world.gaps.len(), 1);
    let dropped = &world.gateway.status.as_ref().expect("a status").dropped;
    assert_eq!(*dropped, [], "the gateway took note, so it is off the list");
    world.assert_nothing_lost();
}

#[test]
fn what_no_ack_covers_is_sent_again_at_each_connection() {
    let mut world = World::new(Setup::default());
    world.gateway.mute = true;
    world.run(4_000);
    for _ in 0..3 {
        world.cut();
        let before = world.sent.len();
        // Half a second to connect, two to wait for the retained ack.
        world.run(3_000);
        let again = world.sent[before..]
            .iter()
            .filter(|(_, lane, _)| *lane == Lane::History);
        let again: Vec<u64> = again.map(|(_, _, id)| id.seq).collect();
        assert!(again.starts_with(&[1, 2, 3]), "{again:?}");
    }
}

#[test]
fn a_pack_that_is_named_for_days_while_the_ack_stands_still_is_not_given_up() {
    let mut world = World::new(Setup {
        period_ms: 60_000,
        ..Setup::default()
    });
    world.gateway.mute = true;
    world.run(5 * 60_000);
    let named = Ack {
        boot: 1,
        seq: 4,
        missing: vec![(1, 2, 2)],
    };
    for _ in 0..24 * 60 {
        world.inject_ack(&named);
        world.run(60_000);
    }
    let deliveries = world.gateway.deliveries[&id(1, 2)];
    assert!(deliveries > 100, "{deliveries}");
    let dropped = &world.gateway.status.as_ref().expect("a status").dropped;
    assert_eq!(*dropped, []);
}

#[test]
fn the_ack_enters_a_new_boot_as_soon_as_the_packs_of_the_last_one_came() {
    // Without a clock there are no anchors, whose change would be a reason of its own to send a status.
    let mut world = World::new(Setup {
        clock_set_at: u64::MAX,
        ..Setup::default()
    });
    world.run(3_000);
    world.broker_up = false;
    world.cut();
    world.run(10_000);
    world.restart();
    world.broker_up = true;
    world.run(10_000);
    let held = world.node.as_ref().expect("it runs").counters().held;
    assert!(
        held <= 3,
        "the node said that nothing of boot 1 is left: {held} held"
    );
    assert!(world.gateway.deliveries.values().all(|n| *n == 1));
}

#[test]
fn what_the_gateway_asks_for_and_the_node_never_had_is_owned_up_to() {
    let mut world = World::new(Setup::default());
    world.restart();
    world.gateway.mute = true;
    world.run(10_000);
    world.inject_ack(&Ack {
        boot: 2,
        seq: 5,
        missing: vec![(1, 1, u64::MAX), (2, 2, 2)],
    });
    world.run(3_000);
    let dropped = &world.gateway.status.as_ref().expect("a status").dropped;
    let rows: Vec<_> = dropped
        .iter()
        .map(|row| (row.boot, row.from, row.to))
        .collect();
    assert_eq!(rows, [(1, 1, u64::MAX)]);
    assert_eq!(dropped[0].cause, "not-held");
}

#[test]
fn an_ack_ahead_of_everything_formed_forgets_nothing_and_asks_for_a_later_boot() {
    for ack in [(7, 1), (1, 1_000_000)] {
        let mut world = World::new(Setup::default());
        world.gateway.mute = true;
        world.run(10_000);
        let held = world.node.as_ref().expect("it runs").counters().held;
        world.inject_ack(&Ack {
            boot: ack.0,
            seq: ack.1,
            missing: Vec::new(),
        });
        assert_eq!(world.node.as_ref().expect("it runs").counters().held, held);
        assert_eq!(world.boot_behind, Some(ack.0));
    }
}

#[test]
fn an_older_ack_that_comes_late_does_no_harm() {
    let mut world = World::new(Setup::default());
    world.run(60_000);
    world.inject_ack(&Ack {
        boot: 1,
        seq: 9,
        missing: vec![(1, 4, 5)],
    });
    world.run(60_000);
    world.assert_nothing_lost();
    let dropped = &world.gateway.status.as_ref().expect("a status").dropped;
    assert_eq!(
        *dropped,
        [],
        "owned up to for a moment, and off the list with the next ack"
    );
}

#[test]
fn a_node_without_a_clock_counts_from_its_boot_and_later_says_when_that_was() {
    let mut world = World::new(Setup {
        clock_set_at: 20_008,
        ..Setup::default()
    });
    world.gateway.mute = true;
    world.run(30_000);
    let (mut mono, mut utc) = (0, 0);
    for bytes in world.gateway.durable.values() {
        let pack = telemetry::senml::decode(bytes, telemetry::senml::Format::Cbor, &mut |record| {
            match record.expect("reads").time {
                telemetry::senml::Time::Mono(_) => mono += 1,
                telemetry::senml::Time::Utc(_) => utc += 1,
                telemetry::senml::Time::Arrival { .. } => panic!("no pack is without a time"),
            }
        })
        .expect("reads");
        let late = pack_id(bytes).seq > 21;
        assert_eq!(
            pack.clock,
            if late { Clock::Synced } else { Clock::Unsynced }
        );
    }
    assert_eq!(
        mono, 61,
        "three a second, and one of the pack in whose middle the clock was set"
    );
    assert!(utc >= 26, "{utc}");
    let status = world.gateway.status.clone().expect("a status");
    assert_eq!(status.clock, Some(Clock::Synced));
    let anchor = status.anchor[0];
    assert_eq!(anchor.boot, 1);
    assert_eq!(
        anchor.utc.0 - i64::try_from(anchor.mono).expect("small"),
        1_795_420_800_000,
        "the boot was at the world's beginning"
    );
    // The packs of that boot are still held: the next boot tells their anchor too.
    world.restart();
    world.run(5_000);
    let boots: Vec<u64> = world
        .gateway
        .status
        .as_ref()
        .expect("a status")
        .anchor
        .iter()
        .map(|a| a.boot)
        .collect();
    assert_eq!(boots, [1, 2]);
    world.gateway.mute = false;
    world.heal();
    let boots: Vec<u64> = world
        .gateway
        .status
        .as_ref()
        .expect("a status")
        .anchor
        .iter()
        .map(|a| a.boot)
        .collect();
    assert_eq!(boots, [2], "nothing of the first boot is held");
}

#[test]
fn a_wall_clock_that_jumps_by_an_hour_costs_no_reading_and_holds_nothing_up() {
    for off_ms in [3_600_000, -3_600_000] {
        let mut world = World::new(Setup::default());
        for wall_off_ms in [0, off_ms, 0] {
            world.wall_off_ms = wall_off_ms;
            world.run(60_000);
        }
        assert!(world.sent.iter().all(|(_, lane, _)| *lane == Lane::Live));
        assert!(world.gateway.deliveries.values().all(|n| *n == 1));
        world.assert_nothing_lost();
        let (mut right, mut off) = (0, 0);
        for bytes in world.gateway.durable.values() {
            telemetry::senml::decode(bytes, telemetry::senml::Format::Cbor, &mut |record| {
                let telemetry::senml::Time::Utc(at) = record.expect("reads").time else {
                    panic!("its clock is set");
                };
                let since = at.0 - 1_795_420_800_000;
                match (0..=180_000).contains(&since) {
                    true => right += 1,
                    false if (60_000..=120_000).contains(&(since - off_ms)) => off += 1,
                    false => panic!("{since}"),
                }
            })
            .expect("reads");
        }
        assert!(right >= 351 && off >= 174, "{right} {off}");
    }
}

#[test]
fn a_broken_store_costs_nothing_while_memory_lasts() {
    let mut world = World::new(Setup::default());
    world.run(3_000);
    world.disk.borrow_mut().broken = true;
    world.broker_up = false;
    world.cut();
    world.run(60_000);
    world.disk.borrow_mut().broken = false;
    world.heal();
    world.assert_nothing_lost();
    assert!(world.gaps.is_empty());
}
