//! What a line makes of slaves that answer well and of slaves that do not.

use std::net::Ipv4Addr;
use std::time::Duration;

use devices::{Function, Link, Parity};
use host::Clock;
use host::line::{Line, Outcome};
use node::Request;
use simbus::{Bus, Control, Encoding, Fault, RtuBus, Scenario, Slave, Space, TcpBus};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const LATENESS: Duration = Duration::from_millis(250);

fn slaves() -> Scenario {
    let slave = |unit: u8| {
        Slave::new(unit)
            .words(Space::Holding, 0, &[u16::from(unit) * 100, 2, 3, 4])
            .words(Space::Holding, 10, &[u16::from(unit) * 100 + 1, 6, 7, 8])
            .number(Space::Input, 0, Encoding::U16, 5.0)
    };
    Scenario::of([slave(1), slave(2)])
}

fn request(slave: u8, address: u16) -> Request {
    Request {
        token: 1,
        slave,
        function: Function::HoldingRegisters,
        address,
        count: 4,
        write: None,
        timeout_ms: 100,
    }
}

fn words(first: u16, rest: [u16; 3]) -> Outcome {
    Outcome::Words([&[first][..], &rest].concat())
}

enum Peer {
    Tcp(TcpBus),
    Rtu(RtuBus),
}

impl Peer {
    async fn both() -> [(Self, Line); 2] {
        let tcp = Bus::start_tcp(slaves())
            .await
            .expect("loopback has a free port");
        let rtu = Bus::start_rtu(slaves(), 115_200).expect("the system has pseudo-terminals");
        let to_tcp = Link::Tcp {
            host: tcp.local_addr().ip().to_string(),
            port: tcp.local_addr().port(),
        };
        let to_rtu = Link::Rtu {
            path: rtu.path().to_str().expect("a path in UTF-8").to_owned(),
            baud: 115_200,
            parity: Parity::None,
            stop_bits: 1,
        };
        [
            (Self::Tcp(tcp), Line::new(to_tcp, Clock::start())),
            (Self::Rtu(rtu), Line::new(to_rtu, Clock::start())),
        ]
    }

    fn control(&self) -> &Control {
        match self {
            Self::Tcp(bus) => bus.control(),
            Self::Rtu(bus) => bus.control(),
        }
    }
}

#[tokio::test]
async fn registers_come_back_as_the_slave_has_them() {
    for (_peer, mut line) in Peer::both().await {
        assert_eq!(line.transact(&request(1, 0)).await, words(100, [2, 3, 4]));
        assert_eq!(line.transact(&request(2, 10)).await, words(201, [6, 7, 8]));
        let input = Request {
            function: Function::InputRegisters,
            count: 1,
            write: None,
            ..request(1, 0)
        };
        assert_eq!(line.transact(&input).await, Outcome::Words(vec![5]));
    }
}

#[tokio::test]
async fn an_exception_is_told_from_silence() {
    for (peer, mut line) in Peer::both().await {
        peer.control()
            .fault_next(1, Fault::Exception { code: 4 }, 1);
        assert_eq!(line.transact(&request(1, 0)).await, Outcome::Exception(4));
        peer.control().fault_next(1, Fault::Silence, 1);
        assert_eq!(line.transact(&request(1, 0)).await, Outcome::Silent);
        line.drain(LATENESS).await;
        assert_eq!(line.transact(&request(1, 0)).await, words(100, [2, 3, 4]));
    }
}

#[tokio::test]
async fn a_late_reply_of_the_same_shape_never_answers_the_next_question() {
    for (peer, mut line) in Peer::both().await {
        peer.control().fault_next(1, Fault::Late { ms: 200 }, 1);
        assert_eq!(line.transact(&request(1, 0)).await, Outcome::Silent);
        line.drain(LATENESS).await;
        for _ in 0..4 {
            assert_eq!(line.transact(&request(1, 10)).await, words(101, [6, 7, 8]));
            assert_eq!(line.transact(&request(1, 0)).await, words(100, [2, 3, 4]));
        }
    }
}

#[tokio::test]
async fn what_is_no_answer_to_the_question_is_garbled_and_the_next_one_is_clean() {
    let faults = [
        Fault::WrongUnit { unit: 2 },
        Fault::BadCrc,
        Fault::ShortReply,
        Fault::Garbage { bytes: 9 },
    ];
    for (peer, mut line) in Peer::both().await {
        for fault in &faults {
            peer.control().fault_next(1, fault.clone(), 1);
            let outcome = line.transact(&request(1, 0)).await;
            assert!(
                matches!(
                    outcome,
                    Outcome::Garbled | Outcome::LineDown | Outcome::Silent
                ),
                "{fault:?}: {outcome:?}"
            );
            line.drain(LATENESS).await;
            let mut next = line.transact(&request(1, 10)).await;
            if next == Outcome::LineDown {
                line.drain(Duration::from_millis(600)).await;
                next = line.transact(&request(1, 10)).await;
            }
            assert_eq!(next, words(101, [6, 7, 8]), "after {fault:?}");
        }
    }
}

#[tokio::test]
async fn noise_before_an_answer_does_not_change_it() {
    let [_, (peer, mut line)] = Peer::both().await;
    peer.control()
        .fault_next(1, Fault::LeadingNoise { bytes: 3 }, 1);
    let outcome = line.transact(&request(1, 0)).await;
    assert!(
        matches!(outcome, Outcome::Garbled) || outcome == words(100, [2, 3, 4]),
        "{outcome:?}"
    );
    line.drain(LATENESS).await;
    assert_eq!(line.transact(&request(1, 0)).await, words(100, [2, 3, 4]));
}

#[tokio::test]
async fn no_slaves_port_is_a_line_that_is_down() {
    let link = Link::Rtu {
        path: "/nonexistent/tty".to_owned(),
        baud: 9_600,
        parity: Parity::Even,
        stop_bits: 1,
    };
    let mut line = Line::new(link, Clock::start());
    assert_eq!(line.transact(&request(1, 0)).await, Outcome::LineDown);
}

#[tokio::test]
async fn a_host_whose_cable_is_pulled_is_first_silent_and_then_a_line_that_is_down() {
    // It takes a connection and nothing else; with its queue full the system drops who comes next, as a dead cable does.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind((Ipv4Addr::LOCALHOST, 0).into())
        .expect("loopback has a free port");
    let listener = socket.listen(1).expect("it listens");
    let at = listener.local_addr().expect("it is bound");
    let link = Link::Tcp {
        host: at.ip().to_string(),
        port: at.port(),
    };
    let mut line = Line::new(link, Clock::start());
    assert_eq!(line.transact(&request(1, 0)).await, Outcome::Silent);
    let mut queue = Vec::new();
    let short = Duration::from_millis(200);
    while let Ok(stream) = timeout(short, TcpStream::connect(at)).await {
        queue.push(stream.expect("the queue has room"));
    }
    assert_eq!(line.transact(&request(1, 0)).await, Outcome::LineDown);
    assert_eq!(line.why_down(), Some("timed out"));
}
