//! The serial line: reads over the pseudo-terminal, its pace, and the faults that only a line has.

use std::time::Duration;

use simbus::{Bus, Fault, RtuBus, Scenario, Slave, Space, crc16};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_modbus::Slave as UnitId;
use tokio_modbus::client::{Context, rtu};
use tokio_modbus::prelude::*;
use tokio_serial::SerialStream;

const BAUD: u32 = 115_200;
const NEVER: Duration = Duration::from_millis(300);

fn start(baud: u32) -> RtuBus {
    let slaves = [
        Slave::new(1).words(Space::Holding, 0, &[10, 20, 30]),
        Slave::new(2).words(Space::Holding, 0, &[7; 125]),
    ];
    Bus::start_rtu(Scenario::of(slaves), baud).expect("a bus")
}

fn open(bus: &RtuBus) -> SerialStream {
    let path = bus.path().to_str().expect("a path in UTF-8");
    SerialStream::open(&tokio_serial::new(path, BAUD)).expect("the terminal opens")
}

fn connect(bus: &RtuBus, unit: u8) -> Context {
    rtu::attach_slave(open(bus), UnitId(unit))
}

#[tokio::test]
async fn a_client_reads_and_writes_over_the_line() {
    let bus = start(BAUD);
    let mut client = connect(&bus, 1);
    let words = client.read_holding_registers(0, 3).await.unwrap();
    assert_eq!(words, Ok(vec![10, 20, 30]));
    let many = client.write_multiple_registers(1, &[8, 9]).await;
    many.unwrap().unwrap();
    let words = client.read_holding_registers(0, 3).await.unwrap();
    assert_eq!(words, Ok(vec![10, 8, 9]));
    bus.shutdown().await;
}

#[tokio::test]
async fn a_client_may_close_the_line_and_open_it_again() {
    let bus = start(BAUD);
    for _ in 0..3 {
        let mut client = connect(&bus, 1);
        let words = client.read_holding_registers(0, 1).await.unwrap();
        assert_eq!(words, Ok(vec![10]));
    }
}

#[tokio::test]
async fn a_broadcast_is_done_and_not_answered() {
    let bus = start(BAUD);
    let mut client = connect(&bus, 0);
    let write = client.write_single_register(0, 77);
    assert!(tokio::time::timeout(NEVER, write).await.is_err());
    drop(client);
    let mut client = connect(&bus, 1);
    let words = client.read_holding_registers(0, 1).await.unwrap();
    assert_eq!(words, Ok(vec![77]));
}

#[tokio::test]
async fn a_frame_takes_the_time_that_its_baud_gives() {
    let bus = start(9_600);
    let mut client = connect(&bus, 2);
    let began_ms = bus.control().elapsed_ms();
    let words = client.read_holding_registers(0, 125).await.unwrap();
    assert_eq!(words.unwrap().len(), 125);
    // 8 characters there, 3.5 of silence, 255 back: 266.5 at 11 bits.
    let took_ms = bus.control().elapsed_ms() - began_ms;
    assert!(took_ms >= 266 * 11 * 1_000 / 9_600, "{took_ms} ms");
}

#[tokio::test]
async fn a_bad_crc_is_no_reply() {
    let bus = start(BAUD);
    bus.control().fault_next(1, Fault::BadCrc, 1);
    let mut client = connect(&bus, 1);
    let read = tokio::time::timeout(NEVER, client.read_holding_registers(0, 1)).await;
    assert!(!matches!(read, Ok(Ok(_))), "{read:?}");
    drop(client);
    let mut client = connect(&bus, 1);
    let words = client.read_holding_registers(0, 1).await.unwrap();
    assert_eq!(words, Ok(vec![10]));
}

/// What the line carries in answer to a read of register 0 of unit 1.
async fn answer_to(fault: Fault, length: usize) -> Vec<u8> {
    let bus = start(BAUD);
    bus.control().fault(1, fault);
    let mut port = open(&bus);
    port.write_all(&[1, 3, 0, 0, 0, 1, 0x84, 0x0A])
        .await
        .expect("the line takes it");
    let mut reply = vec![0; length];
    port.read_exact(&mut reply).await.expect("a reply");
    reply
}

const GOOD: [u8; 7] = [1, 3, 2, 0, 10, 0x38, 0x43];

#[tokio::test]
async fn noise_comes_before_the_reply() {
    let reply = answer_to(Fault::LeadingNoise { bytes: 3 }, 10).await;
    assert_eq!(reply[3..], GOOD);
}

#[tokio::test]
async fn foreign_traffic_is_whole_frames_of_another_unit() {
    let reply = answer_to(Fault::Foreign, 8 + 9 + 7).await;
    let (request, rest) = reply.split_at(8);
    let (foreign, own) = rest.split_at(9);
    for frame in [request, foreign] {
        assert_eq!(frame[0], 2);
        assert_eq!(crc16(frame), 0, "the CRC over a frame with its CRC is 0");
    }
    assert_eq!(own, GOOD);
}

#[tokio::test]
async fn a_cut_line_carries_half_a_frame_and_then_nothing_until_it_is_mended() {
    let bus = start(BAUD);
    bus.control().fault(1, Fault::Cut);
    let mut port = open(&bus);
    let request = [1, 3, 0, 0, 0, 1, 0x84, 0x0A];
    port.write_all(&request).await.unwrap();
    let mut reply = [0; 7];
    port.read_exact(&mut reply[..3]).await.unwrap();
    assert_eq!(reply[..3], GOOD[..3]);
    port.write_all(&request).await.unwrap();
    bus.control().heard(2).await;
    bus.control().mend(1);
    port.write_all(&request).await.unwrap();
    port.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply, GOOD);
}

#[tokio::test]
async fn a_late_reply_does_not_hold_up_the_neighbour_on_the_line() {
    let bus = start(BAUD);
    bus.control().fault(1, Fault::Late { ms: 100 });
    let mut port = open(&bus);
    port.write_all(&[1, 3, 0, 0, 0, 1, 0x84, 0x0A])
        .await
        .unwrap();
    bus.control().heard(1).await;
    port.write_all(&[2, 3, 0, 0, 0, 1, 0x84, 0x39])
        .await
        .unwrap();
    let mut replies = [0; 14];
    port.read_exact(&mut replies).await.unwrap();
    assert_eq!((replies[0], &replies[7..]), (2, &GOOD[..]));
}

#[tokio::test]
async fn an_adapter_that_is_replugged_has_the_same_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("usb-adapter");
    let slave = Slave::new(1).words(Space::Holding, 0, &[10]);
    let mut bus = Bus::start_rtu_at(Scenario::of([slave]), BAUD, &link).expect("a bus");
    assert_eq!(bus.path(), link);
    let mut client = connect(&bus, 1);
    let words = client.read_holding_registers(0, 1).await.unwrap();
    assert_eq!(words, Ok(vec![10]));
    bus.unplug().await.expect("it comes out");
    assert!(!link.exists());
    assert!(client.read_holding_registers(0, 1).await.is_err());
    bus.plug().expect("it goes in");
    let mut client = connect(&bus, 1);
    let words = client.read_holding_registers(0, 1).await.unwrap();
    assert_eq!(words, Ok(vec![10]));
    bus.shutdown().await;
    assert!(!link.exists());
}

#[tokio::test]
async fn a_program_that_was_started_beside_the_line_does_not_keep_it_up() {
    let mut bus = start(BAUD);
    let mut port = open(&bus);
    // It lives until its input ends, and has whatever it was not kept from having.
    let mut child = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("cat is everywhere");
    let pulled = tokio::time::timeout(Duration::from_secs(10), bus.unplug()).await;
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(10), port.read(&mut byte)).await;
    drop(child.stdin.take());
    child.wait().expect("it ends");
    assert!(matches!(pulled, Ok(Ok(()))), "{pulled:?}");
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
}
