//! The traps of rumqttc that lose or invent messages, each with its name, held against our session with a real Mosquitto.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use host::mqtt::{Event, Loss, Message, NotSent, Options, Publish, Session};
use support::{Cable, Mosquitto};
use tokio::time::timeout;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
const TOPIC: &str = "a";

fn options(port: u16, client_id: &str) -> Options {
    Options::new("127.0.0.1", port, client_id)
}

fn message(number: u64) -> Publish {
    Publish {
        topic: TOPIC.into(),
        payload: number.to_string().into_bytes(),
        ..Publish::default()
    }
}

fn number(message: &Message) -> u64 {
    let text = std::str::from_utf8(&message.payload).unwrap();
    text.trim_end_matches('.').parse().unwrap()
}

async fn next(session: &mut Session) -> Event {
    timeout(PATIENCE, session.next()).await.expect("an event")
}

async fn until_connected(session: &mut Session) -> bool {
    loop {
        if let Event::Connected {
            session_present, ..
        } = next(session).await
        {
            return session_present;
        }
    }
}

async fn until_message(session: &mut Session) -> Message {
    loop {
        if let Event::Message(message) = next(session).await {
            return message;
        }
    }
}

/// A session that is connected and subscribed.
async fn subscriber(options: Options) -> Session {
    let mut session = Session::new(options);
    until_connected(&mut session).await;
    session.subscribe(1, [TOPIC.to_owned()]).unwrap();
    let told = next(&mut session).await;
    assert!(
        matches!(
            told,
            Event::Subscribed {
                id: 1,
                refused: None
            }
        ),
        "{told:?}"
    );
    session
}

#[tokio::test]
async fn what_a_lost_connection_took_with_it_is_told_and_nothing_is_dropped_in_silence() {
    const ALL: u64 = 2_000;
    let broker = Mosquitto::start();
    let cable = Cable::to(broker.port());
    let port = cable.url().rsplit(':').next().unwrap().parse().unwrap();
    let mut hearing = subscriber(options(broker.port(), "hearing")).await;
    let mut session = Session::new(options(port, "telling"));
    let mut open: BTreeSet<u64> = (0..ALL).collect();
    let mut given = BTreeSet::new();
    let mut cuts = vec![1_500, 900, 300];
    let mut lost = 0;
    while !open.is_empty() {
        while let Some(id) = open.iter().find(|id| !given.contains(*id)) {
            match session.publish(*id, message(*id)) {
                Ok(()) => given.insert(*id),
                Err(NotSent::Full | NotSent::NotConnected) => break,
                Err(other) => panic!("{other}"),
            };
        }
        match next(&mut session).await {
            Event::Acked { id, refused: None } => assert!(open.remove(&id), "{id} twice"),
            Event::Connected { .. } => {}
            Event::Lost(Loss::Line(_)) => {
                lost += 1;
                cable.put_back();
                given.clear();
            }
            other => panic!("{other:?}"),
        }
        let n_acked = ALL - u64::try_from(open.len()).unwrap();
        if cuts.pop_if(|at| *at <= n_acked).is_some() {
            cable.pull();
        }
    }
    assert!(lost >= 3, "{lost}");
    let mut heard = BTreeSet::new();
    while heard.len() < usize::try_from(ALL).unwrap() {
        heard.insert(number(&until_message(&mut hearing).await));
    }
}

/// Sends itself messages of this size and acknowledges each when it comes; with every step under way dropped now and then.
async fn hears_itself(size: usize, is_interrupted: bool) {
    const ALL: u64 = 2_000;
    let broker = Mosquitto::start();
    let mut options = options(broker.port(), "itself");
    options.manual_acks = true;
    options.receive_maximum = 10;
    let mut session = subscriber(options).await;
    let (mut told, mut acked) = (0, BTreeMap::<u64, u32>::new());
    let mut heard = Vec::new();
    let all = usize::try_from(ALL).unwrap();
    while acked.len() < all || heard.len() < all {
        if told < ALL {
            let mut message = message(told);
            message.payload.resize(size, b'.');
            if session.publish(told, message).is_ok() {
                told += 1;
            }
        }
        let event = if is_interrupted {
            tokio::select! {
                biased;
                event = session.next() => event,
                () = tokio::task::yield_now() => continue,
            }
        } else {
            next(&mut session).await
        };
        match event {
            Event::Acked { id, refused: None } => *acked.entry(id).or_default() += 1,
            Event::Message(message) => {
                heard.push(number(&message));
                session.ack(message.receipt).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(acked.values().all(|times| *times == 1));
    assert!(heard.into_iter().eq(0..ALL), "once each, in order");
}

#[tokio::test]
async fn a_client_that_publishes_hears_itself_and_acknowledges_by_hand_is_never_stuck() {
    timeout(PATIENCE, hears_itself(5, false))
        .await
        .expect("it goes on");
}

#[tokio::test]
async fn a_step_that_is_dropped_on_its_way_loses_and_doubles_nothing() {
    timeout(PATIENCE, hears_itself(4_096, true))
        .await
        .expect("it goes on");
}

#[tokio::test]
async fn an_acknowledgement_of_an_older_connections_message_is_none() {
    let broker = Mosquitto::start();
    let cable = Cable::to(broker.port());
    let port = cable.url().rsplit(':').next().unwrap().parse().unwrap();
    let mut options_ = options(port, "by-hand");
    options_.manual_acks = true;
    options_.session_expiry_s = Some(300);
    let mut session = subscriber(options_).await;
    let mut telling = Session::new(options(broker.port(), "telling"));
    until_connected(&mut telling).await;
    telling.publish(1, message(1)).unwrap();
    next(&mut telling).await;
    let old = until_message(&mut session).await;
    for receipt in [Some(old.receipt), None] {
        cable.pull();
        while !matches!(next(&mut session).await, Event::Lost(_)) {}
        cable.put_back();
        assert!(
            until_connected(&mut session).await,
            "the broker kept the session"
        );
        let again = until_message(&mut session).await;
        assert_eq!(number(&again), 1, "it was not acknowledged");
        session.ack(receipt.unwrap_or(again.receipt)).unwrap();
        // Behind the acknowledgement: when this is answered, the broker has it.
        session
            .publish(
                9,
                Publish {
                    topic: "b".into(),
                    ..message(9)
                },
            )
            .unwrap();
        while !matches!(next(&mut session).await, Event::Acked { id: 9, .. }) {}
    }
    cable.pull();
    while !matches!(next(&mut session).await, Event::Lost(_)) {}
    cable.put_back();
    until_connected(&mut session).await;
    telling.publish(2, message(2)).unwrap();
    next(&mut telling).await;
    assert_eq!(number(&until_message(&mut session).await), 2);
}

#[tokio::test]
async fn subscriptions_between_publishes_take_no_answer_of_theirs() {
    const ALL: u64 = 1_000;
    let broker = Mosquitto::start();
    let mut options = options(broker.port(), "both");
    options.window = 8;
    let mut session = Session::new(options);
    until_connected(&mut session).await;
    let (mut told, mut asked) = (0, 0);
    let (mut acked, mut subscribed) = (Vec::new(), Vec::new());
    while acked.len() + subscribed.len() < 2 * usize::try_from(ALL).unwrap() {
        if told < ALL && session.publish(told, message(told)).is_ok() {
            told += 1;
        }
        let filter = format!("nobody/{asked}");
        if asked < ALL && session.subscribe(asked, [filter]).is_ok() {
            asked += 1;
        }
        match next(&mut session).await {
            Event::Acked { id, refused: None } => acked.push(id),
            Event::Subscribed { id, refused: None } => subscribed.push(id),
            other => panic!("{other:?}"),
        }
    }
    acked.sort_unstable();
    subscribed.sort_unstable();
    assert!(acked.into_iter().eq(0..ALL));
    assert!(subscribed.into_iter().eq(0..ALL));
}

#[tokio::test]
async fn the_largest_pack_that_the_contract_allows_goes_both_ways() {
    let broker = Mosquitto::start();
    let mut session = subscriber(options(broker.port(), "large")).await;
    let mut large = message(7);
    large.payload.resize(256 << 10, b'.');
    session.publish(1, large.clone()).unwrap();
    assert_eq!(until_message(&mut session).await.payload, large.payload);
}

#[tokio::test]
async fn a_message_that_is_too_large_for_the_broker_is_refused_and_the_others_go_on() {
    let broker = Mosquitto::with(|port| {
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_packet_size 20000\n")
    });
    let mut session = subscriber(options(broker.port(), "large")).await;
    let mut large = message(1);
    large.payload.resize(20_000, b'.');
    session.publish(1, large).unwrap();
    session.publish(2, message(2)).unwrap();
    let mut outcomes = BTreeMap::new();
    while outcomes.len() < 2 {
        match next(&mut session).await {
            Event::Acked { id, refused } => {
                outcomes.insert(id, refused.map(|refusal| refusal.code));
            }
            Event::Message(message) => assert_eq!(number(&message), 2),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outcomes, [(1, Some(0x95)), (2, None)].into());
}

#[tokio::test]
async fn a_publish_that_the_access_list_refuses_is_not_taken_for_sent() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("acl");
    std::fs::write(&list, "topic readwrite a\n").unwrap();
    let broker = Mosquitto::with(|port| {
        let list = list.display();
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nacl_file {list}\n")
    });
    let mut session = Session::new(options(broker.port(), "refused"));
    until_connected(&mut session).await;
    let forbidden = Publish {
        topic: "b".into(),
        ..message(1)
    };
    session.publish(1, forbidden).unwrap();
    let told = next(&mut session).await;
    let Event::Acked {
        id: 1,
        refused: Some(refusal),
    } = told
    else {
        panic!("{told:?}");
    };
    assert_eq!(refusal.code, 0x87);
}

#[tokio::test]
async fn a_broker_that_falls_silent_without_hanging_up_is_left_and_nothing_is_taken_for_sent() {
    const ALL: u64 = 60;
    let broker = Mosquitto::start();
    let cable = Cable::to(broker.port());
    let port = cable.url().rsplit(':').next().unwrap().parse().unwrap();
    let mut hearing = subscriber(options(broker.port(), "hearing")).await;
    let mut session = Session::new(options(port, "telling"));
    until_connected(&mut session).await;
    cable.fall_silent();
    for id in 0..ALL {
        session.publish(id, message(id)).unwrap();
    }
    let told = next(&mut session).await;
    assert!(matches!(told, Event::Lost(Loss::Line(_))), "{told:?}");
    cable.put_back();
    until_connected(&mut session).await;
    for id in 0..ALL {
        session.publish(id, message(id)).unwrap();
    }
    let mut open: BTreeSet<u64> = (0..ALL).collect();
    while !open.is_empty() {
        match next(&mut session).await {
            Event::Acked { id, refused: None } => assert!(open.remove(&id), "{id} twice"),
            other => panic!("{other:?}"),
        }
    }
    for id in 0..ALL {
        assert_eq!(number(&until_message(&mut hearing).await), id);
    }
}
