//! The pretend sensors, asked by tokio-modbus: a client that knows nothing of them.

mod faults;
mod line;
mod reads;
