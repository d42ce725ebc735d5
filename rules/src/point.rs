//! What the rules know of a point: its name, what it measures, and how old its value may be.

use alloc::string::String;
use alloc::vec::Vec;

/// The index of a point in the configuration's sorted list of points.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PointIdx(pub u32);

/// One point, as the bus files declare it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointInfo {
    /// The unit it belongs to; a name segment.
    pub unit: String,
    /// Its name in the unit; a name segment.
    pub point: String,
    /// What people call it, such as 可燃气体探测器.
    pub name: Option<String>,
    /// What it measures, such as `combustible-gas`: rules are applied by it.
    pub kind: String,
    /// The engineering unit of its values, such as `%LEL`.
    pub eu: Option<String>,
    /// The plant tag (位号).
    pub tag: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// What else is known of it, as key and word: rules select by it.
    pub attributes: Vec<(String, String)>,
    /// Where it stands.
    pub place: Option<GeoPlace>,
    /// The least and the greatest value that the instrument can give, in `eu`.
    pub range: Option<(f64, f64)>,
    /// True when its values are 0 and 1.
    pub digital: bool,
    /// True when it is an output: rules may switch it where the site allows it.
    pub output: bool,
    /// How often it is read, in milliseconds.
    pub period_ms: u64,
    /// How often it may be read at most, in milliseconds, when a rule asks for it; none when it is never read more often.
    pub fastest_ms: Option<u64>,
    /// How old its value may be, in milliseconds; older, it is unknown. 0: it never grows old, as for events.
    pub max_age_ms: u64,
    /// Where it is declared, as `buses/tank-farm.toml:12:1`: for messages.
    pub declared: Option<String>,
    /// The node that reads it.
    pub node: Option<String>,
    /// The slave of that node, as `bus/slave`: the same for all points of one device.
    pub slave: Option<String>,
}

/// A place on a map.
#[derive(Clone, Debug, PartialEq)]
pub struct GeoPlace {
    /// Longitude in degrees, east positive.
    pub lon: f64,
    /// Latitude in degrees, north positive.
    pub lat: f64,
    /// The geodetic datum, such as `CGCS2000`.
    pub datum: String,
}
