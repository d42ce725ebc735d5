//! What crosses rooms, in one binary: it links once.

mod walls;
