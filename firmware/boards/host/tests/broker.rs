//! Brokers that answer as no usual one does, against our session: raw bytes, so that nothing polite lies between.

use std::collections::BTreeSet;
use std::time::Duration;

use host::mqtt::{Event, NotSent, Options, Publish, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];
/// A CONNACK with receive maximum 5.
const CONNACK_5: [u8; 8] = [0x20, 6, 0, 0, 3, 0x21, 0, 5];
const PUBLISH: u8 = 3;

/// A packet's type and what follows its length.
async fn packet(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let first = stream.read_u8().await.expect("a packet");
    let mut len = 0;
    for shift in [0, 7, 14, 21] {
        let byte = stream.read_u8().await.expect("a length");
        len |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await.expect("a whole packet");
    (first >> 4, body)
}

/// The packet id of the next PUBLISH. Whenever nothing comes for a while, `when_still` are acknowledged; a ping is answered, and is no PUBLISH.
async fn publish(stream: &mut TcpStream, mut when_still: impl FnMut() -> Vec<u16>) -> u16 {
    loop {
        let mut first = [0];
        let come = tokio::time::timeout(Duration::from_millis(100), stream.peek(&mut first));
        if come.await.is_err() {
            for id in when_still() {
                puback(stream, id).await;
            }
            continue;
        }
        let (kind, body) = packet(stream).await;
        if kind == PUBLISH {
            let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
            return u16::from_be_bytes([body[2 + topic], body[3 + topic]]);
        }
        stream.write_all(&[0xD0, 0]).await.expect("it listens");
    }
}

async fn puback(stream: &mut TcpStream, id: u16) {
    let [high, low] = id.to_be_bytes();
    let ack = [0x40, 2, high, low];
    stream.write_all(&ack).await.expect("it listens");
}

/// Publishes this many messages and waits until each is answered once, whatever order the answers have.
async fn publishes(port: u16, window: u16, count: u64) {
    let mut options = Options::new("127.0.0.1", port, "c");
    options.window = window;
    let mut session = Session::new(options);
    let (mut told, mut open) = (0, BTreeSet::new());
    loop {
        match session.next().await {
            Event::Connected { .. } => {}
            Event::Acked { id, refused: None } => assert!(open.remove(&id), "{id} twice"),
            other => panic!("{other:?}"),
        }
        while told < count {
            let message = Publish {
                topic: "t".to_owned(),
                ..Publish::default()
            };
            match session.publish(told, message) {
                Ok(()) => open.insert(told),
                Err(NotSent::Full) => break,
                Err(other) => panic!("{other}"),
            };
            told += 1;
        }
        if told == count && open.is_empty() {
            return;
        }
    }
}

#[tokio::test]
async fn acknowledgements_that_come_out_of_order_are_each_messages_own_and_wedge_nothing() {
    const WINDOW: usize = 8;
    const ALL: u64 = 400;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it listens").port();
    let broker = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        packet(&mut stream).await;
        stream.write_all(&CONNACK).await.expect("it listens");
        // One of the first waits so long that its packet id's turn comes again; the others are answered backwards.
        let mut oldest = None;
        let mut waiting = Vec::new();
        for _ in 0..ALL {
            let id = publish(&mut stream, || oldest.take().into_iter().collect()).await;
            assert!(!waiting.contains(&id), "packet id {id} is in use");
            if oldest.is_none() && waiting.is_empty() {
                oldest = Some(id);
                continue;
            }
            waiting.push(id);
            if waiting.len() == WINDOW - 1 {
                while let Some(id) = waiting.pop() {
                    puback(&mut stream, id).await;
                }
            }
        }
        for id in waiting.into_iter().rev().chain(oldest) {
            puback(&mut stream, id).await;
        }
    };
    let window = u16::try_from(WINDOW).expect("small");
    let both = async { tokio::join!(broker, publishes(port, window, ALL)) };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("it goes on");
}

#[tokio::test]
async fn no_more_messages_are_under_way_than_the_broker_takes_at_once() {
    const ALL: u64 = 100;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it listens").port();
    let broker = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        packet(&mut stream).await;
        stream.write_all(&CONNACK_5).await.expect("it listens");
        let mut waiting = Vec::new();
        let mut arrived = 0;
        while arrived < ALL {
            // It answers only when no more comes.
            let id = publish(&mut stream, || std::mem::take(&mut waiting)).await;
            waiting.push(id);
            arrived += 1;
            assert!(waiting.len() <= 5, "{} at once", waiting.len());
        }
        for id in waiting {
            puback(&mut stream, id).await;
        }
    };
    let both = async { tokio::join!(broker, publishes(port, 64, ALL)) };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("it goes on");
}
