//! Whatever goes wrong between node and gateway, every pack arrives as it was formed, or is owned up to.

use node::Lane;
use proptest::prelude::*;

use crate::world::{Setup, World};

/// Something that goes wrong, or right again.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Cut,
    BrokerDown,
    BrokerUp,
    /// The broker takes publishes, sends PUBACKs, and tells nobody: the gateway's session was lost.
    BrokerForgets,
    BrokerRemembers,
    /// Publishes arrive and their PUBACKs do not: the next session brings doubles.
    NoPubacks,
    Pubacks,
    KillGateway,
    StartGateway,
    DiskFull,
    DiskFree,
    SlowCommits,
    RestartNode,
}

fn apply(world: &mut World, fault: Fault) {
    match fault {
        Fault::Cut => world.cut(),
        Fault::BrokerDown => {
            world.broker_up = false;
            world.cut();
        }
        Fault::BrokerUp => world.broker_up = true,
        Fault::BrokerForgets => world.broker_forgets = true,
        Fault::BrokerRemembers => world.broker_forgets = false,
        Fault::NoPubacks => world.no_pubacks = true,
        Fault::Pubacks => world.no_pubacks = false,
        Fault::KillGateway => world.kill_gateway(),
        Fault::StartGateway => world.start_gateway(),
        Fault::DiskFull => world.gateway.disk_full = true,
        Fault::DiskFree => world.free_disk(),
        Fault::SlowCommits => world.gateway.commit_ms = 4_000,
        Fault::RestartNode => world.restart(),
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Cut),
        Just(Fault::BrokerDown),
        Just(Fault::BrokerUp),
        Just(Fault::BrokerForgets),
        Just(Fault::BrokerRemembers),
        Just(Fault::NoPubacks),
        Just(Fault::Pubacks),
        Just(Fault::KillGateway),
        Just(Fault::StartGateway),
        Just(Fault::DiskFull),
        Just(Fault::DiskFree),
        Just(Fault::SlowCommits),
        Just(Fault::RestartNode),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_pack_is_lost_whatever_fails_and_in_whatever_order(
        faults in proptest::collection::vec((fault(), 0_u64..8_000), 1..24),
    ) {
        let mut world = World::new(Setup::default());
        for (fault, ms) in faults {
            world.run(ms);
            apply(&mut world, fault);
        }
        world.heal();
        world.assert_nothing_lost();
        prop_assert!(world.gaps.is_empty(), "there was room for everything: {:?}", world.gaps);
    }

    #[test]
    fn with_too_little_room_what_is_gone_is_owned_up_to(
        faults in proptest::collection::vec((fault(), 0_u64..8_000), 1..24),
    ) {
        let room = 1_500;
        let mut world = World::new(Setup { room, ..Setup::default() });
        for (fault, ms) in faults {
            world.run(ms);
            apply(&mut world, fault);
        }
        world.heal();
        world.assert_nothing_lost();
    }
}

#[test]
fn a_node_that_is_killed_at_any_step_loses_nothing_that_was_packed() {
    for step in 0..120 {
        let mut world = World::new(Setup::default());
        world.run(3_000);
        world.broker_up = false;
        world.cut();
        world.run(5_000);
        world.broker_up = true;
        // Now history and live are under way; each millisecond is another step of theirs.
        world.run(500 + step);
        world.restart();
        world.run(700 + step / 3);
        world.restart();
        world.heal();
        world.assert_nothing_lost();
        assert!(world.gaps.is_empty(), "step {step}: {:?}", world.gaps);
    }
}

#[test]
fn on_a_good_line_each_pack_is_sent_once_and_live() {
    let mut world = World::new(Setup::default());
    world.run(60 * 60_000);
    let doubles: Vec<_> = world
        .gateway
        .deliveries
        .iter()
        .filter(|(_, n)| **n != 1)
        .collect();
    assert!(doubles.is_empty(), "{doubles:?}");
    assert!(world.sent.len() > 3_000, "{}", world.sent.len());
    assert!(world.sent.iter().all(|(_, lane, _)| *lane == Lane::Live));
}

#[test]
fn a_live_pack_expires_on_the_broker_when_it_would_not_be_live_any_more_and_history_never() {
    let mut world = World::new(Setup {
        period_ms: 1_100,
        ..Setup::default()
    });
    world.run(10_000);
    world.broker_up = false;
    world.cut();
    world.run(60_000);
    world.broker_up = true;
    world.run(10_000);
    let of = |wanted: Lane| {
        let sent = world
            .expiries
            .iter()
            .filter(move |(lane, _)| *lane == wanted);
        sent.map(|(_, expiry_s)| *expiry_s).collect::<Vec<_>>()
    };
    let (live, history) = (of(Lane::Live), of(Lane::History));
    // Three periods are 3.3 s.
    assert!(
        live.len() > 10 && live.iter().all(|it| *it == Some(4)),
        "{live:?}"
    );
    assert!(
        history.len() > 10 && history.iter().all(Option::is_none),
        "{history:?}"
    );
}

#[test]
fn after_an_outage_what_is_new_does_not_wait_for_what_is_old() {
    let uplink = node::UplinkConfig {
        window: 8,
        ..node::UplinkConfig::default()
    };
    let mut world = World::new(Setup {
        uplink,
        ..Setup::default()
    });
    world.run(2_000);
    world.broker_up = false;
    world.cut();
    world.run(20 * 60_000);
    world.broker_up = true;
    let back = world.at;
    world.run(10_000);
    // A pack is formed each second, 50 ms after its first reading; live ones go out then, not after 1,200 old ones.
    let live = world
        .sent
        .iter()
        .filter(|(at, lane, _)| *at > back + 4_000 && *lane == Lane::Live);
    assert!(live.count() >= 5);
    let history = world
        .sent
        .iter()
        .filter(|(_, lane, _)| *lane == Lane::History)
        .count();
    assert!(history >= 512, "{history} old packs in ten seconds");
    world.heal();
    world.assert_nothing_lost();
    let twice = world
        .gateway
        .deliveries
        .values()
        .filter(|n| **n > 1)
        .count();
    assert!(twice <= 8, "{twice} packs came more than once");
}

#[test]
fn a_broker_that_keeps_publishes_unanswered_is_left() {
    let mut world = World::new(Setup::default());
    world.run(5_000);
    world.no_pubacks = true;
    world.broker_forgets = true;
    world.run(40_000);
    world.no_pubacks = false;
    world.broker_forgets = false;
    world.run(20_000);
    world.assert_nothing_lost();
}

#[test]
fn a_dead_slave_leaves_the_others_their_packs_and_its_gaps_are_told() {
    let mut world = World::new(Setup::default());
    world.dead.insert(2);
    world.run(10 * 60_000);
    let mut good = 0;
    let mut gaps = 0;
    for bytes in world.gateway.durable.values() {
        telemetry::senml::decode(bytes, telemetry::senml::Format::Cbor, &mut |record| {
            let record = record.expect("reads");
            match record.name {
                "east/plant-1/tank/p2" => {
                    assert_eq!(record.quality, telemetry::Quality::COMM_ERROR);
                    assert_eq!(record.value, None);
                    gaps += 1;
                }
                _ => {
                    assert!(record.quality.is_good());
                    good += 1;
                }
            }
        })
        .expect("reads");
    }
    assert!(good >= 1_140, "{good} of 1200");
    assert!(gaps >= 570, "{gaps} of 600");
}
