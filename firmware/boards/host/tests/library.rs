//! The traps of the Modbus and serial libraries, each with its name: nothing but the answer to the question is an answer.
//!
//! The other end is a pseudo-terminal that says what each test tells it to.

use std::time::Duration;

use devices::{Function, Link, Parity};
use host::Clock;
use host::line::{Line, Outcome};
use node::Request;
use simbus::crc16;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_serial::{SerialPort, SerialStream};

const TIMEOUT_MS: u32 = 100;

/// Asks unit 1 for two holding registers.
const WORDS: Request = Request {
    token: 1,
    slave: 1,
    function: Function::HoldingRegisters,
    address: 0,
    count: 2,
    write: None,
    timeout_ms: TIMEOUT_MS,
};

/// Asks unit 1 for two coils.
const BITS: Request = Request {
    function: Function::Coils,
    ..WORDS
};

/// The answer to [`WORDS`].
const GOOD: [u8; 7] = [1, 3, 4, 0, 10, 0, 20];

/// The far end of a line.
struct Far {
    port: SerialStream,
    /// The near end, to see what has arrived there.
    near: SerialStream,
}

fn pair() -> (Line, Far) {
    let (port, near) = SerialStream::pair().expect("the system has pseudo-terminals");
    let link = Link::Rtu {
        path: near.name().expect("it has a path"),
        baud: 115_200,
        parity: Parity::None,
        stop_bits: 1,
    };
    (Line::new(link, Clock::start()), Far { port, near })
}

impl Far {
    /// Says a frame, its check behind it.
    async fn say(&mut self, frame: &[u8]) {
        self.port
            .write_all(&with_check(frame))
            .await
            .expect("the line takes it");
    }

    /// Answers the next question with these frames.
    async fn answer(&mut self, line: &mut Line, request: &Request, frames: &[&[u8]]) -> Outcome {
        let answering = async {
            let mut question = [0; 8];
            self.port
                .read_exact(&mut question)
                .await
                .expect("a question");
            let frames: Vec<Vec<u8>> = frames.iter().map(|frame| with_check(frame)).collect();
            self.port.write_all(&frames.concat()).await.expect("taken");
        };
        tokio::join!(line.transact(request), answering).0
    }

    /// A good answer comes to the next question.
    async fn answers_well(&mut self, line: &mut Line) {
        let outcome = self.answer(line, &WORDS, &[&GOOD]).await;
        assert_eq!(outcome, Outcome::Words(vec![10, 20]));
    }
}

fn with_check(frame: &[u8]) -> Vec<u8> {
    [frame, &crc16(frame).to_le_bytes()].concat()
}

/// An answer that is none, and then a good one after the quiet that the node orders.
async fn is_garbled(request: &Request, frame: &[u8]) {
    let (mut line, mut far) = pair();
    let outcome = far.answer(&mut line, request, &[frame]).await;
    assert_eq!(outcome, Outcome::Garbled, "{frame:?}");
    line.drain(Duration::from_millis(20)).await;
    far.answers_well(&mut line).await;
}

#[tokio::test]
async fn fewer_or_more_registers_than_were_asked_for_are_no_answer() {
    is_garbled(&WORDS, &[1, 3, 2, 0, 10]).await;
    is_garbled(&WORDS, &[1, 3, 6, 0, 10, 0, 20, 0, 30]).await;
    is_garbled(&WORDS, &[1, 3, 3, 0, 10, 0]).await;
    is_garbled(&WORDS, &[1, 3, 0]).await;
}

#[tokio::test]
async fn an_answer_of_more_registers_than_a_frame_holds_gives_no_values() {
    // A reply counts its bytes in one byte: 128 registers look like none, 300 like 44.
    for count in [126_u16, 127, 128, 300] {
        let (mut line, mut far) = pair();
        let request = Request { count, ..WORDS };
        let mut frame = vec![1, 3, (2 * count).to_le_bytes()[0]];
        frame.extend((0..count).flat_map(u16::to_be_bytes));
        let outcome = far.answer(&mut line, &request, &[&frame]).await;
        assert_eq!(outcome, Outcome::Garbled, "{count}");
        line.drain(Duration::from_millis(50)).await;
        far.answers_well(&mut line).await;
    }
}

#[tokio::test]
async fn a_slave_that_announces_more_than_a_frame_holds_does_not_take_the_line_down() {
    for bytes in [251, 252, 253, 254, 255] {
        is_garbled(&WORDS, &[&[1, 3, bytes][..], &[7; 255]].concat()).await;
    }
}

#[tokio::test]
async fn the_late_answer_of_one_slave_is_never_the_next_ones() {
    let (mut line, mut far) = pair();
    let other = Request { slave: 2, ..WORDS };
    // It comes between the other's question and answer, after it, or alone.
    let (late, answer): (&[u8], &[u8]) = (&[1, 3, 4, 0, 77, 0, 77], &[2, 3, 4, 0, 10, 0, 20]);
    for frames in [&[late, answer][..], &[answer, late], &[late]] {
        let outcome = far.answer(&mut line, &other, frames).await;
        assert!(
            matches!(outcome, Outcome::Garbled) || outcome == Outcome::Words(vec![10, 20]),
            "{outcome:?}"
        );
        line.drain(Duration::from_millis(20)).await;
        far.answers_well(&mut line).await;
    }
}

#[tokio::test]
async fn fewer_or_more_bits_than_were_asked_for_are_no_answer() {
    is_garbled(&BITS, &[1, 1, 0]).await;
    is_garbled(&BITS, &[1, 1, 2, 1, 1]).await;
}

#[tokio::test]
async fn the_answer_of_another_slave_or_to_another_function_is_no_answer() {
    is_garbled(&WORDS, &[2, 3, 4, 0, 10, 0, 20]).await;
    is_garbled(&WORDS, &[1, 4, 4, 0, 10, 0, 20]).await;
    is_garbled(&WORDS, &[2, 0x83, 2]).await;
    is_garbled(&WORDS, &[1, 0x84, 2]).await;
}

#[tokio::test]
async fn what_came_before_the_question_is_not_its_answer() {
    let (mut line, mut far) = pair();
    far.answers_well(&mut line).await;
    far.say(&[1, 3, 4, 0, 77, 0, 77]).await;
    far.near.readable().await.expect("it has arrived");
    far.answers_well(&mut line).await;
}

#[tokio::test]
async fn an_answer_that_is_said_twice_answers_one_question() {
    let (mut line, mut far) = pair();
    let old = [1, 3, 4, 0, 77, 0, 77];
    let outcome = far.answer(&mut line, &WORDS, &[&old, &old]).await;
    assert_eq!(outcome, Outcome::Words(vec![77, 77]));
    far.answers_well(&mut line).await;
}

#[tokio::test]
async fn a_check_that_is_wrong_by_one_bit_is_no_answer() {
    let (mut line, mut far) = pair();
    let request = Request {
        timeout_ms: 30,
        ..WORDS
    };
    let mut frame = with_check(&GOOD);
    for bit in 0..8 * frame.len() {
        frame[bit / 8] ^= 1 << (bit % 8);
        let answering = async {
            let mut question = [0; 8];
            far.port
                .read_exact(&mut question)
                .await
                .expect("a question");
            far.port.write_all(&frame).await.expect("taken");
        };
        let (outcome, ()) = tokio::join!(line.transact(&request), answering);
        frame[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(outcome, Outcome::Garbled | Outcome::Silent),
            "bit {bit}: {outcome:?}"
        );
        line.drain(Duration::from_millis(5)).await;
    }
    far.answers_well(&mut line).await;
}

#[tokio::test]
async fn a_line_that_ends_in_a_frame_is_down_and_gives_no_value() {
    let (mut line, mut far) = pair();
    let ending = async {
        let mut question = [0; 8];
        far.port
            .read_exact(&mut question)
            .await
            .expect("a question");
        far.port.write_all(&GOOD[..4]).await.expect("taken");
        far.near.readable().await.expect("it has arrived");
        drop(far);
    };
    let (outcome, ()) = tokio::join!(line.transact(&WORDS), ending);
    assert_eq!(outcome, Outcome::LineDown);
    assert!(line.why_down().is_some());
}

/// Switches coil 3 of unit 1 on.
const SWITCH: Request = Request {
    address: 3,
    count: 1,
    write: Some(1),
    ..BITS
};

#[tokio::test]
async fn a_write_is_done_when_its_answer_repeats_it() {
    let (mut line, mut far) = pair();
    let outcome = far.answer(&mut line, &SWITCH, &[&[1, 5, 0, 3, 0xFF, 0]]);
    assert_eq!(outcome.await, Outcome::Bits(vec![true]));
    let off = Request {
        write: Some(0),
        ..SWITCH
    };
    let outcome = far.answer(&mut line, &off, &[&[1, 5, 0, 3, 0, 0]]);
    assert_eq!(outcome.await, Outcome::Bits(vec![false]));
    let register = Request {
        address: 3,
        count: 1,
        write: Some(0x0102),
        ..WORDS
    };
    let outcome = far.answer(&mut line, &register, &[&[1, 6, 0, 3, 1, 2]]);
    assert_eq!(outcome.await, Outcome::Words(vec![0x0102]));
    let outcome = far.answer(&mut line, &SWITCH, &[&[1, 0x85, 2]]);
    assert_eq!(outcome.await, Outcome::Exception(2));
    far.answers_well(&mut line).await;
}

#[tokio::test]
async fn an_answer_that_repeats_another_write_is_no_answer() {
    is_garbled(&SWITCH, &[1, 5, 0, 4, 0xFF, 0]).await;
    is_garbled(&SWITCH, &[1, 5, 0, 3, 0, 0]).await;
    is_garbled(&SWITCH, &[2, 5, 0, 3, 0xFF, 0]).await;
    is_garbled(&SWITCH, &[1, 6, 0, 3, 0xFF, 0]).await;
}
