//! The points of the site, found by the names that packs use, and what a value must be to be one of theirs.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rules::point::PointInfo;
use telemetry::Value;
use telemetry::unit;

/// An edge node, as the configuration has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NodeConfig {
    /// Its name.
    pub name: String,
    /// The buses that it polls.
    pub buses: Vec<BusConfig>,
}

/// A bus of a node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BusConfig {
    /// Its name.
    pub name: String,
    /// Its slaves: Modbus unit id and name.
    pub slaves: Vec<(u8, String)>,
}

/// Why a record of a pack is not a sample of a point.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Misfit {
    UnknownPoint,
    ForeignPoint,
    WrongType,
    WrongUnit,
}

impl Misfit {
    /// The word that it is counted by.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::UnknownPoint => "unknown-point",
            Self::ForeignPoint => "foreign-point",
            Self::WrongType => "wrong-type",
            Self::WrongUnit => "wrong-unit",
        }
    }
}

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    eu: Option<Box<str>>,
    node: Option<Box<str>>,
    digital: bool,
    max_age_ms: u64,
}

/// The points by index and by full name.
#[derive(Debug)]
pub(super) struct Registry {
    points: Vec<Entry>,
    by_name: HashMap<Box<str>, u32, BuildHasherDefault<NameHasher>>,
    /// `{park}/{enterprise}/`.
    site: String,
}

/// FNV-1a: names are short and come from the configuration, so nobody can choose them to collide.
#[derive(Default)]
pub(super) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut hash = self.0 ^ 0xcbf2_9ce4_8422_2325;
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // The table takes the upper bits for its tags.
        self.0 = hash ^ hash.rotate_left(32);
    }
}

impl Registry {
    pub(super) fn new(park: &str, enterprise: &str, points: &[PointInfo]) -> Self {
        let mut registry = Self {
            points: Vec::with_capacity(points.len()),
            by_name: HashMap::with_capacity_and_hasher(points.len(), BuildHasherDefault::default()),
            site: format!("{park}/{enterprise}/"),
        };
        for (point, index) in points.iter().zip(0_u32..) {
            let name = format!("{}{}/{}", registry.site, point.unit, point.point);
            registry.by_name.insert(name.as_str().into(), index);
            registry.points.push(Entry {
                name: name.into(),
                eu: point.eu.as_deref().map(Into::into),
                node: point.node.as_deref().map(Into::into),
                digital: point.digital,
                max_age_ms: point.max_age_ms,
            });
        }
        registry
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// `{unit}/{point}`.
    pub(super) fn short_name(&self, point: u32) -> &str {
        self.points
            .get(point as usize)
            .and_then(|entry| entry.name.strip_prefix(&self.site))
            .unwrap_or_default()
    }

    /// The point called `{unit}/{point}`.
    pub(super) fn find_short(&self, short: &str) -> Option<u32> {
        let name = format!("{}{short}", self.site);
        self.by_name.get(name.as_str()).copied()
    }

    /// How old a sample of a point may be and still be live, in milliseconds; 0 for any age.
    pub(super) fn max_age_ms(&self, point: u32) -> u64 {
        self.points[point as usize].max_age_ms
    }

    /// The point that a node means by a name. `hint` is the one that it meant in the same place last time.
    pub(super) fn find(&self, name: &str, node: &str, hint: Option<u32>) -> Result<u32, Misfit> {
        let hinted = hint.filter(|hint| &*self.points[*hint as usize].name == name);
        let point = match hinted {
            Some(point) => point,
            None => *self.by_name.get(name).ok_or(Misfit::UnknownPoint)?,
        };
        match &self.points[point as usize].node {
            Some(owner) if &**owner != node => Err(Misfit::ForeignPoint),
            _ => Ok(point),
        }
    }

    /// The value in the point's own unit.
    pub(super) fn convert(
        &self,
        point: u32,
        value: Option<Value>,
        unit: Option<&str>,
    ) -> Result<Option<Value>, Misfit> {
        let entry = &self.points[point as usize];
        let Some(value) = value else { return Ok(None) };
        match value {
            Value::Bool(_) if entry.digital => Ok(Some(value)),
            Value::Number(number) if entry.digital => {
                let truth = match number.to_bits() {
                    bits if bits == 0.0_f64.to_bits() => false,
                    bits if bits == 1.0_f64.to_bits() => true,
                    _ => return Err(Misfit::WrongType),
                };
                Ok(Some(Value::Bool(truth)))
            }
            Value::Bool(_) => Err(Misfit::WrongType),
            Value::Number(number) => {
                let number = match (unit, entry.eu.as_deref()) {
                    (None, _) => number,
                    (Some(unit), Some(eu)) if unit == eu => number,
                    (Some(unit), Some(eu)) => unit::exact(unit, eu)
                        .ok_or(Misfit::WrongUnit)?
                        .apply(number),
                    (Some(_), None) => return Err(Misfit::WrongUnit),
                };
                Ok(Some(Value::Number(number)))
            }
        }
    }
}
