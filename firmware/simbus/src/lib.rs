//! Pretend sensors: Modbus slaves that play a written scenario, and misbehave on demand.
//!
//! The core does no I/O: a [`Scenario`], the milliseconds since it began and a request give the replies ([`Play`]).
//! Two thin shells put it on a wire: [`Bus::start_tcp`], and [`Bus::start_rtu`] on a pseudo-terminal that is paced like a serial line.
//! The framing is the crate's own, because no library agrees to send a bad CRC.
//! It knows nothing of points, units of measure or alarms, and never talks to a real device.
//!
//! ```
//! use simbus::{Framing, Play, Request, Scenario};
//!
//! let scenario: Scenario = r#"
//!     [[slave]]
//!     unit = 1
//!     register = [{ space = "holding", address = 0, value = 25 }]
//! "#
//! .parse()
//! .expect("a scenario");
//! let mut play = Play::new(scenario);
//! let request = Request { transaction: 0, unit: 1, pdu: &[3, 0, 0, 0, 1] };
//! let reply = play.handle_request(Framing::Mbap, request, 0).expect("an answer");
//! assert_eq!(reply.bytes, [0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 25]);
//! ```

mod bus;
mod clock;
mod course;
mod fault;
mod frame;
mod front;
mod noise;
mod rtu;
mod scenario;
mod slave;
mod supervise;
mod tcp;

pub use bus::{Bus, Control, RtuBus, TcpBus};
pub use course::{Course, Encoding, Keyframe, Noise, Order};
pub use fault::{Fault, FaultWindow};
pub use frame::{Framing, Parsed, Request, crc16, emit, parse_request};
pub use scenario::{Register, Scenario, Slave, Space};
pub use slave::{Play, Reply};
