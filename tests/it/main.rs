//! What crosses rooms, in one binary: it links once.

mod influx;
mod peers;
mod walls;
