//! A point: one signal of one device, in its place in the plant.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{Range, Signal};

/// Where a point is.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// Degrees east, −180 to 180.
    pub lon: f64,
    /// Degrees north, −90 to 90.
    pub lat: f64,
    /// The datum, as `CGCS2000` or `GCJ-02`.
    pub datum: String,
}

/// What an output does when nobody says what it is to do: the gateway is gone, or the uplink.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailSafe {
    /// It is switched on.
    On,
    /// It is switched off.
    Off,
    /// It stays as it is.
    Hold,
}

/// One signal of one device, with the name and the attributes that it has in the plant.
///
/// Its stable id is `{unit}/{point}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The plant unit, in the alphabet of names.
    pub unit: String,
    /// The point's name, in the alphabet of names; unique in its unit.
    pub point: String,
    /// What it measures, as `combustible-gas`: the word by which rules find it.
    pub kind: String,
    /// The unit of its values; none for a digital point and for a bare number.
    pub eu: Option<String>,
    /// The name people use, any UTF-8.
    pub name: Option<String>,
    /// The plant tag (位号), any UTF-8.
    pub tag: Option<String>,
    /// What it is, any UTF-8.
    pub description: Option<String>,
    /// What else is known of it, as key and word, sorted by key: rules select by it.
    pub attributes: Vec<(String, String)>,
    /// What the instrument can measure, in `eu`.
    pub range: Option<Range>,
    /// Where it is.
    pub position: Option<Position>,
    /// How often it is polled, in milliseconds.
    pub period_ms: u64,
    /// How often it may be polled at most, in milliseconds, when the gateway asks for it; none when it is never polled more often.
    pub fastest_ms: Option<u64>,
    /// How old a sample may be and still count as live, in milliseconds; three periods unless the file says otherwise.
    pub max_age_ms: u64,
    /// True for an on-off point: its values are truths, not numbers.
    pub digital: bool,
    /// Which slave it is read from: index into the bus's slaves.
    pub slave: usize,
    /// Where it is declared, or its slave, as `buses/tank-farm.toml:12:1`: for messages.
    pub declared: String,
    /// For an output: what it does when nobody says what it is to do; none for what is only read.
    pub fail_safe: Option<FailSafe>,
    /// How its registers become a value; the register indices are those of the slave's profile, `range`, `kind` and `eu` are the point's.
    pub signal: Signal,
}
