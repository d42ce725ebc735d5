//! Everything breaks in any order, under a seed.

use proptest::prelude::*;

use super::world::{ALARMS, Disk, World};

#[derive(Clone, Debug)]
enum Op {
    Commit(Vec<(Option<usize>, bool)>),
    /// The disk catches up with the log: with this many of 255 of what is behind.
    Durable(u8),
    Tick(u64),
    Takes(usize),
    Arrives(usize),
    Connect(usize),
    Cut(usize),
    Refuse(&'static str),
    Allow,
    BrokerForgets,
    Kill(u8),
    PowerFails(u8, u8),
    Fuse(usize, u8),
    Snapshot,
    Checkpoint,
    SubscriberLeaves,
    SubscriberComes,
    Backup,
    Restore,
    NewFolder,
    CleanStop,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let alarm = prop_oneof![
        6 => (0..ALARMS.len()).prop_map(Some),
        1 => Just(None),
    ];
    let op = prop_oneof![
        8 => proptest::collection::vec((alarm, any::<bool>()), 1..4).prop_map(Op::Commit),
        6 => any::<u8>().prop_map(Op::Durable),
        5 => prop_oneof![1_u64..60, Just(20_000), Just(60_000)].prop_map(Op::Tick),
        8 => (1_usize..12).prop_map(Op::Takes),
        8 => (1_usize..12).prop_map(Op::Arrives),
        5 => (2_usize..10).prop_map(Op::Connect),
        3 => (0_usize..6).prop_map(Op::Cut),
        1 => prop_oneof![Just("alarm/event"), Just("gas"), Just("snapshot"), Just("status"), Just("alarm/")].prop_map(Op::Refuse),
        1 => Just(Op::Allow),
        1 => Just(Op::BrokerForgets),
        2 => any::<u8>().prop_map(Op::Kill),
        2 => any::<(u8, u8)>().prop_map(|(log, journal)| Op::PowerFails(log, journal)),
        2 => ((0_usize..20), any::<u8>()).prop_map(|(left, keep)| Op::Fuse(left, keep)),
        1 => Just(Op::Snapshot),
        1 => Just(Op::Checkpoint),
        1 => Just(Op::SubscriberLeaves),
        1 => Just(Op::SubscriberComes),
        1 => Just(Op::Backup),
        1 => Just(Op::Restore),
        1 => Just(Op::NewFolder),
        1 => Just(Op::CleanStop),
    ];
    proptest::collection::vec(op, 1..60)
}

fn run(world: &mut World, ops: impl IntoIterator<Item = Op>) {
    let mut backup: Option<Disk> = None;
    for op in ops {
        match op {
            Op::Commit(events) => world.commit(&events),
            Op::Durable(share) => {
                let behind = world.disk.log_end() - world.disk.log_durable;
                let more = behind * u64::from(share) / 255 / 10 * 10;
                world.durable(world.disk.log_durable + more);
            }
            Op::Tick(ms) => world.tick(ms),
            Op::Takes(count) => {
                for _ in 0..count {
                    world.broker_takes();
                }
            }
            Op::Arrives(count) => {
                for _ in 0..count {
                    world.answer_arrives();
                }
            }
            Op::Connect(window) => world.connect(window),
            Op::Cut(taken) => world.cut(taken),
            Op::Refuse(part) => world.broker_refuses(vec![part]),
            Op::Allow => world.broker_refuses(Vec::new()),
            // What only the broker still shows is not lost at the same time as the disk.
            Op::BrokerForgets => {
                let told_beyond = world.disk.log_durable < world.disk.log_end();
                if !world.at_risk && !told_beyond {
                    world.cut(0);
                    world.broker.retained.clear();
                }
            }
            Op::Kill(log_keep) => world.power_fails(log_keep, 255),
            Op::PowerFails(log, journal) => world.power_fails(log, journal),
            Op::Fuse(left, keep) => world.fuse = Some((left, keep)),
            Op::Snapshot => world.snapshot(),
            Op::Checkpoint => {
                world.publisher.checkpoint(world.now);
                world.obey();
            }
            Op::SubscriberLeaves => world.subscriber_leaves(),
            Op::SubscriberComes => {
                if !world.subscriber_there {
                    world.subscriber_comes();
                }
            }
            // A record that was copied and then lost at the source is beyond what anybody can notice.
            Op::Backup => {
                let mut disk = world.disk.clone();
                let durable = disk.log_durable;
                disk.log.retain(|(position, _)| *position <= durable);
                backup = Some(disk);
            }
            Op::Restore | Op::NewFolder => {
                // The broker has heard the last number.
                world.settle();
                world.tick(20_000);
                world.settle();
                world.cut(0);
                world.disk = match (&op, &backup) {
                    (Op::Restore, Some(backup)) => backup.clone(),
                    (Op::Restore, None) => continue,
                    _ => Disk::default(),
                };
                backup = backup.filter(|_| matches!(op, Op::Restore));
                world.at_risk = true;
                world.disk.journal_durable = world.disk.journal.len();
                world.start();
            }
            Op::CleanStop => {
                world.fuse = None;
                world.publisher.stop(world.now);
                world.obey();
                while !world.farewell && (world.broker_takes() | world.answer_arrives()) {}
                assert!(world.farewell);
                world.power_fails(255, 255);
            }
        }
    }
}

/// A life in which the line loses, doubles and reorders, the disk is slow, and the gateway, the broker and a subscriber go and come.
fn a_hard_life() -> Vec<Op> {
    use Op::{
        Arrives, BrokerForgets, Checkpoint, Commit, Connect, Cut, Durable, Kill, Snapshot,
        SubscriberComes, SubscriberLeaves, Takes, Tick,
    };
    let turns = |count: usize| (0..count).flat_map(|_| [Takes(2), Arrives(2)]);
    let mut life = vec![Connect(4)];
    life.extend(turns(12));
    life.extend([Commit(vec![(Some(0), true), (Some(1), true)]), Durable(255)]);
    life.extend(turns(2));
    // Taken and never answered: the next session sends it again.
    life.extend([
        Commit(vec![(Some(2), true)]),
        Durable(255),
        Takes(1),
        Cut(2),
        Connect(3),
    ]);
    life.extend(turns(12));
    // A slow disk: effects leave without it, and the log loses them.
    life.extend([Commit(vec![(Some(0), false), (None, false)]), Tick(25)]);
    life.extend(turns(4));
    life.extend([Kill(0), Connect(4)]);
    life.extend(turns(16));
    life.extend([Commit(vec![(Some(3), true)]), Durable(255), Checkpoint]);
    life.extend(turns(8));
    life.extend([
        SubscriberLeaves,
        Commit(vec![(Some(1), false)]),
        Durable(255),
        Cut(0),
        SubscriberComes,
        Connect(2),
    ]);
    life.extend(turns(16));
    life.extend([
        Snapshot,
        Commit(vec![(Some(4), true)]),
        Durable(255),
        BrokerForgets,
        Connect(4),
        Tick(20_000),
    ]);
    life.extend(turns(20));
    life
}

#[test]
fn a_stop_at_every_step_of_a_hard_life_leaves_the_table_true_and_the_chain_unbroken() {
    for keep in [0, 64, 128, 192, 255] {
        let mut n_stops = 0;
        loop {
            let mut world = World::new();
            world.fuse = Some((n_stops, keep));
            run(&mut world, a_hard_life());
            let came_to_its_end = world.fuse.is_some();
            world.check();
            if came_to_its_end {
                break;
            }
            n_stops += 1;
        }
        assert!(n_stops > 80, "{n_stops} steps are no life");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_breaks_the_table_ends_true_and_the_chain_unbroken(ops in ops()) {
        let mut world = World::new();
        run(&mut world, ops);
        world.check();
    }
}

#[test]
fn an_epoch_that_fails_before_it_is_told_and_begins_once_more_tells_each_event_once() {
    let mut world = World::new();
    let ops = vec![
        Op::Backup,
        Op::Restore,
        Op::Connect(2),
        Op::Commit(vec![(Some(0), false)]),
        Op::Commit(vec![(Some(0), false)]),
        Op::Refuse("alarm/"),
        Op::Takes(3),
        Op::Fuse(6, 0),
        Op::Durable(128),
        Op::Arrives(5),
    ];
    run(&mut world, ops);
    world.check();
}

#[test]
fn an_epoch_that_ended_on_disk_while_the_next_did_not_begin_there_is_followed_by_one() {
    let mut world = World::new();
    let ops = vec![
        Op::NewFolder,
        Op::Refuse("alarm/"),
        Op::Connect(2),
        Op::Takes(3),
        Op::Fuse(4, 255),
        Op::Arrives(5),
    ];
    run(&mut world, ops);
    world.check();
}

#[test]
fn a_restored_folder_whose_log_then_ends_before_its_journal_still_sees_what_was_told_after_the_backup()
 {
    let mut world = World::new();
    let event = || Op::Commit(vec![(Some(0), false)]);
    let ops = vec![
        Op::Restore,
        Op::Backup,
        event(),
        Op::Restore,
        Op::Restore,
        event(),
        event(),
        Op::Tick(20_000),
        Op::Kill(128),
    ];
    run(&mut world, ops);
    world.check();
}
