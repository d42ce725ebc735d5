//! Each fault as a client over TCP sees it; those that only a serial line has are in `line`.

use std::time::Duration;

use simbus::{Bus, Fault, FaultWindow, Framing, Play, Request, Scenario, Slave, Space, TcpBus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_modbus::ExceptionCode;
use tokio_modbus::Slave as UnitId;
use tokio_modbus::client::{Context, tcp};
use tokio_modbus::prelude::*;

/// Longer than any reply takes that comes at all; nothing waits it out but the tests of silence.
const NEVER: Duration = Duration::from_millis(200);

async fn start(fault: Fault) -> (TcpBus, Context) {
    let slaves = [
        Slave::new(1)
            .words(Space::Holding, 0, &[10, 20, 30])
            .fault(FaultWindow::from(fault, 0)),
        Slave::new(2).words(Space::Holding, 0, &[7]),
    ];
    let bus = Bus::start_tcp(Scenario::of(slaves)).await.expect("a bus");
    let client = tcp::connect_slave(bus.local_addr(), UnitId(1))
        .await
        .expect("a connection");
    (bus, client)
}

#[tokio::test]
async fn a_silent_slave_does_not_answer_and_its_neighbour_does() {
    let (_bus, mut client) = start(Fault::Silence).await;
    let read = tokio::time::timeout(NEVER, client.read_holding_registers(0, 1)).await;
    assert!(read.is_err());
    client.set_slave(UnitId(2));
    let read = client.read_holding_registers(0, 1).await.unwrap();
    assert_eq!(read, Ok(vec![7]));
}

#[tokio::test]
async fn a_late_reply_does_not_hold_up_the_neighbour() {
    let (bus, _) = start(Fault::Late { ms: 100 }).await;
    let mut stream = TcpStream::connect(bus.local_addr()).await.unwrap();
    for unit in [1, 2] {
        let request = [0, unit, 0, 0, 0, 6, unit, 3, 0, 0, 0, 1];
        stream.write_all(&request).await.unwrap();
    }
    let mut replies = [0; 22];
    stream.read_exact(&mut replies).await.unwrap();
    assert_eq!((replies[6], replies[17]), (2, 1));
    assert!(bus.control().elapsed_ms() >= 100);
}

#[tokio::test]
async fn another_unit_answers() {
    let (_bus, mut client) = start(Fault::WrongUnit { unit: 9 }).await;
    let error = client.read_holding_registers(0, 1).await.unwrap_err();
    assert!(error.to_string().contains("header"), "{error}");
}

#[tokio::test]
async fn an_exception_has_its_code() {
    let (_bus, mut client) = start(Fault::Exception { code: 6 }).await;
    let read = client.read_holding_registers(0, 1).await.unwrap();
    assert_eq!(read, Err(ExceptionCode::ServerDeviceBusy));
}

#[tokio::test]
async fn a_wrong_protocol_id_is_no_reply() {
    let (_bus, mut client) = start(Fault::BadCrc).await;
    assert!(client.read_holding_registers(0, 1).await.is_err());
}

#[tokio::test]
async fn a_short_reply_is_well_formed() {
    let (bus, _) = start(Fault::ShortReply).await;
    let mut stream = TcpStream::connect(bus.local_addr()).await.unwrap();
    let request = [0, 5, 0, 0, 0, 6, 1, 3, 0, 0, 0, 3];
    stream.write_all(&request).await.unwrap();
    let mut reply = [0; 13];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply, [0, 5, 0, 0, 0, 7, 1, 3, 4, 0, 10, 0, 20]);
}

#[tokio::test]
async fn garbage_is_no_reply() {
    let (_bus, mut client) = start(Fault::Garbage { bytes: 40 }).await;
    let read = tokio::time::timeout(NEVER, client.read_holding_registers(0, 1)).await;
    assert!(!matches!(read, Ok(Ok(_))), "{read:?}");
}

#[tokio::test]
async fn a_reply_to_somebody_else_comes_first() {
    let (_bus, mut client) = start(Fault::Foreign).await;
    let error = client.read_holding_registers(0, 1).await.unwrap_err();
    assert!(error.to_string().contains("header"), "{error}");
}

#[tokio::test]
async fn a_cut_cable_gives_half_a_frame_and_then_nothing() {
    let (bus, _) = start(Fault::Cut).await;
    let request = [0, 5, 0, 0, 0, 6, 1, 3, 0, 0, 0, 3];
    let mut lengths = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(bus.local_addr()).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        lengths.push(reply.len());
    }
    assert_eq!(lengths, [7, 0]);
}

#[tokio::test]
async fn a_fault_of_the_bus_is_everybodys_and_can_be_mended() {
    let (bus, mut client) = start(Fault::LeadingNoise { bytes: 0 }).await;
    bus.control().fault_bus(Fault::Exception { code: 4 });
    for unit in [1, 2] {
        client.set_slave(UnitId(unit));
        let read = client.read_holding_registers(0, 1).await.unwrap();
        assert_eq!(read, Err(ExceptionCode::ServerDeviceFailure));
    }
    bus.control().mend_bus();
    bus.control().fault_next(2, Fault::Exception { code: 6 }, 1);
    let read = client.read_holding_registers(0, 1).await.unwrap();
    assert_eq!(read, Err(ExceptionCode::ServerDeviceBusy));
    let read = client.read_holding_registers(0, 1).await.unwrap();
    assert_eq!(read, Ok(vec![7]));
}

/// The words that unit 1 shows at a time; no wire, no clock.
fn words_at(scenario: &str, at_ms: u64) -> Vec<u8> {
    let mut play = Play::new(scenario.parse().expect("a scenario"));
    let request = Request {
        transaction: 0,
        unit: 1,
        pdu: &[4, 0, 0, 0, 2],
    };
    let reply = play.handle_request(Framing::Mbap, request, at_ms);
    reply.expect("an answer").bytes[9..].to_vec()
}

#[test]
fn a_stuck_value_stands_still_while_it_is_stuck() {
    let scenario = r#"
        [[slave]]
        unit = 1
        register = [
            { space = "input", address = 0, values = [{ at = "0s", value = 0 }, { at = "10s", value = 100, by = "ramp" }] },
            { space = "input", address = 1, value = 5 },
        ]
        fault = [{ fault = "stuck", from = "2s", to = "6s" }]
    "#;
    for (at_ms, wanted) in [(1_000, 10), (2_000, 20), (5_999, 20), (6_000, 60)] {
        assert_eq!(words_at(scenario, at_ms), [0, wanted, 0, 5]);
    }
}

#[test]
fn a_broken_wire_shows_its_code_where_it_is_broken() {
    let scenario = r#"
        [[slave]]
        unit = 1
        register = [{ space = "input", address = 0, words = [1, 2] }]
        fault = [{ fault = "broken-wire", space = "input", address = 1, words = [0x7FFF], from = "1s" }]
    "#;
    assert_eq!(words_at(scenario, 999), [0, 1, 0, 2]);
    assert_eq!(words_at(scenario, 1_000), [0, 1, 0x7F, 0xFF]);
}
