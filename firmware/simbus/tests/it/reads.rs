//! Reads and writes over TCP.

use simbus::{Bus, Encoding, Scenario, Slave, Space, TcpBus};
use tokio_modbus::ExceptionCode;
use tokio_modbus::Slave as UnitId;
use tokio_modbus::client::{Context, tcp};
use tokio_modbus::prelude::*;

async fn connect(bus: &TcpBus, unit: u8) -> Context {
    tcp::connect_slave(bus.local_addr(), UnitId(unit))
        .await
        .expect("a connection")
}

async fn start() -> TcpBus {
    let slave = Slave::new(1)
        .words(Space::Holding, 0, &[10, 20, 30])
        .number(Space::Input, 100, Encoding::F32, 20.9)
        .words(Space::Coil, 5, &[1, 0, 1, 1, 0, 0, 0, 0, 1])
        .words(Space::Discrete, 0, &[0, 1]);
    Bus::start_tcp(Scenario::of([slave])).await.expect("a bus")
}

#[tokio::test]
async fn a_client_reads_all_four_spaces() {
    let bus = start().await;
    let mut client = connect(&bus, 1).await;
    let holding = client.read_holding_registers(1, 2).await;
    assert_eq!(holding.unwrap(), Ok(vec![20, 30]));
    let input = client.read_input_registers(100, 2).await.unwrap().unwrap();
    let bits = u32::from(input[0]) << 16 | u32::from(input[1]);
    assert_eq!(f32::from_bits(bits).to_bits(), 20.9_f32.to_bits());
    let coils = client.read_coils(5, 9).await.unwrap().unwrap();
    assert_eq!(
        coils,
        [true, false, true, true, false, false, false, false, true]
    );
    let discrete = client.read_discrete_inputs(0, 2).await.unwrap();
    assert_eq!(discrete, Ok(vec![false, true]));
    bus.shutdown().await;
}

#[tokio::test]
async fn what_a_client_writes_it_reads_back() {
    let bus = start().await;
    let mut client = connect(&bus, 1).await;
    client.write_single_register(0, 7).await.unwrap().unwrap();
    let many = client.write_multiple_registers(1, &[8, 9]).await;
    many.unwrap().unwrap();
    client.write_single_coil(6, true).await.unwrap().unwrap();
    let many = client.write_multiple_coils(7, &[false, false, true]).await;
    many.unwrap().unwrap();
    let words = client.read_holding_registers(0, 3).await.unwrap();
    assert_eq!(words, Ok(vec![7, 8, 9]));
    let coils = client.read_coils(5, 5).await.unwrap();
    assert_eq!(coils, Ok(vec![true, true, false, false, true]));
}

#[tokio::test]
async fn what_is_not_there_is_an_exception() {
    let bus = start().await;
    let mut client = connect(&bus, 1).await;
    let beyond = client.read_holding_registers(2, 2).await.unwrap();
    assert_eq!(beyond, Err(ExceptionCode::IllegalDataAddress));
    let beyond = client.write_single_register(9, 1).await.unwrap();
    assert_eq!(beyond, Err(ExceptionCode::IllegalDataAddress));
    let mask = client.masked_write_register(0, 1, 1).await.unwrap();
    assert_eq!(mask, Err(ExceptionCode::IllegalFunction));
}

#[tokio::test]
async fn a_hand_on_the_bus_changes_what_is_read() {
    let bus = start().await;
    let mut client = connect(&bus, 1).await;
    assert!(bus.control().set(1, Space::Holding, 1, &[99]));
    assert!(!bus.control().set(1, Space::Holding, 2, &[1, 2]));
    assert!(!bus.control().set(2, Space::Holding, 0, &[1]));
    let words = client.read_holding_registers(0, 3).await.unwrap();
    assert_eq!(words, Ok(vec![10, 99, 30]));
    bus.control().release(1);
    let words = client.read_holding_registers(0, 3).await.unwrap();
    assert_eq!(words, Ok(vec![10, 20, 30]));
    bus.control().heard(2).await;
    assert_eq!(bus.control().heard_by(1), 2);
}

#[tokio::test]
async fn a_stopped_bus_refuses_its_clients() {
    let bus = start().await;
    let address = bus.local_addr();
    let mut client = connect(&bus, 1).await;
    bus.shutdown().await;
    assert!(client.read_holding_registers(0, 1).await.is_err());
    assert!(tcp::connect(address).await.is_err());
}
