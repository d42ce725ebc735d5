//! What crosses rooms, in one binary: it links once.

mod peers;
mod walls;
