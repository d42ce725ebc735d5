//! Engineering units as rules write them: spellings, and what is the same quantity.
//!
//! Knows no points. Exact factors are `telemetry`'s; between ppm and mg/m³ lies a molar volume, which nobody may guess.

use core::fmt;

/// A unit that rules can be written in.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Unit(usize);

/// Spellings of one unit; the first is the one that messages use, the second the one that `telemetry` knows factors for.
const UNITS: [&[&str]; 50] = [
    &["%LEL", "%lel"],
    &["LEL·m", "LEL.m"],
    &["%VOL", "%VOL", "%vol", "vol%"],
    &["ppm"],
    &["ppb"],
    &["mg/m³", "mg/m3"],
    &["g/m³", "g/m3"],
    &["µg/m³", "ug/m3"],
    &["°C", "Cel", "℃", "degC"],
    &["°C/min", "Cel/min"],
    &["%RH"],
    &["%"],
    &["m"],
    &["cm"],
    &["mm"],
    &["m/s"],
    &["mm/s"],
    &["mm/h"],
    &["mm/d"],
    &["Pa"],
    &["hPa"],
    &["mbar"],
    &["kPa"],
    &["MPa"],
    &["bar"],
    &["A"],
    &["mA"],
    &["V"],
    &["mV"],
    &["kV"],
    &["W"],
    &["kW"],
    &["Hz"],
    &["rpm"],
    &["m³", "m3"],
    &["L", "L", "l"],
    &["m³/h", "m3/h"],
    &["L/s", "L/s", "l/s"],
    &["L/min", "L/min", "l/min"],
    &["kg"],
    &["t"],
    &["NTU"],
    &["g/mol"],
    &["L/mol", "L/mol", "l/mol"],
    &["deg", "deg", "°"],
    &["ms"],
    &["s"],
    &["min"],
    &["h"],
    &["d"],
];

/// Times in milliseconds, for durations; they are units of measurement too.
const TIMES: [(&str, u32); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl Unit {
    /// The unit that a spelling names.
    pub fn find(spelling: &str) -> Option<Self> {
        UNITS
            .iter()
            .position(|spellings| spellings.contains(&spelling))
            .map(Self)
    }

    /// The longest unit at the beginning of `text` that is not followed by more of a word, and its length in bytes.
    #[cfg(feature = "std")]
    pub(crate) fn prefix(text: &str) -> Option<(Self, usize)> {
        let mut best: Option<(Self, usize)> = None;
        for (index, spellings) in UNITS.iter().enumerate() {
            for spelling in *spellings {
                let Some(rest) = text.strip_prefix(spelling) else {
                    continue;
                };
                let ends = !rest
                    .chars()
                    .next()
                    .is_some_and(|next| next.is_alphanumeric() || matches!(next, '%' | '_' | '·'));
                if ends && best.is_none_or(|(_, len)| len < spelling.len()) {
                    best = Some((Self(index), spelling.len()));
                }
            }
        }
        best
    }

    /// `value` of this unit in `other`; `None` when there is no exact factor.
    pub fn convert(self, value: f64, other: Self) -> Option<f64> {
        if self == other {
            return Some(value);
        }
        telemetry::unit::exact(self.known(), other.known())
            .map(|conversion| conversion.apply(value))
    }

    /// A duration of `value` of this unit in milliseconds; `None` when it is no time, or not a whole number of milliseconds below 2^32.
    pub fn to_ms(self, value: f64) -> Option<u32> {
        let (_, ms) = TIMES.iter().find(|(name, _)| *name == self.name())?;
        let ms = value * f64::from(*ms);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be what the number was"
        )]
        let whole = ms as u32;
        (f64::from(whole).total_cmp(&ms).is_eq()).then_some(whole)
    }

    /// True where 0 is nothing, whatever the unit; not so for temperatures.
    #[cfg(feature = "std")]
    pub(crate) fn has_true_zero(self) -> bool {
        self.name() != "°C"
    }

    /// The spelling that messages use.
    pub fn name(self) -> &'static str {
        UNITS[self.0][0]
    }

    /// The spelling that `telemetry` knows.
    fn known(self) -> &'static str {
        let spellings = UNITS[self.0];
        spellings.get(1).copied().unwrap_or(spellings[0])
    }

    /// Every spelling of every unit, for hints.
    #[cfg(feature = "std")]
    pub(crate) fn spellings() -> impl Iterator<Item = &'static str> {
        UNITS.iter().flat_map(|spellings| spellings.iter().copied())
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unit({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(spelling: &str) -> Unit {
        Unit::find(spelling).unwrap_or_else(|| panic!("{spelling}"))
    }

    #[test]
    fn every_spelling_names_one_unit() {
        for spelling in Unit::spellings() {
            let named = UNITS
                .iter()
                .filter(|spellings| spellings.contains(&spelling));
            assert_eq!(named.count(), 1, "{spelling}");
        }
    }

    #[test]
    fn the_same_quantity_converts_exactly() {
        assert_eq!(unit("kPa").convert(1.5, unit("Pa")), Some(1_500.0));
        assert_eq!(unit("mm").convert(250.0, unit("m")), Some(0.25));
        assert_eq!(unit("l/s").convert(10.0, unit("m³/h")), Some(36.0));
        assert_eq!(unit("mg/m3").convert(0.1, unit("mg/m³")), Some(0.1));
    }

    #[test]
    fn a_molar_volume_is_never_guessed() {
        assert_eq!(unit("ppm").convert(24.0, unit("mg/m³")), None);
        assert_eq!(unit("%LEL").convert(25.0, unit("%VOL")), None);
        assert_eq!(unit("%LEL").convert(25.0, unit("mg/m³")), None);
    }

    #[test]
    fn a_time_is_a_whole_number_of_milliseconds() {
        assert_eq!(unit("s").to_ms(60.0), Some(60_000));
        assert_eq!(unit("s").to_ms(0.25), Some(250));
        assert_eq!(unit("h").to_ms(2.0), Some(7_200_000));
        assert_eq!(unit("ms").to_ms(0.5), None);
        assert_eq!(unit("s").to_ms(-1.0), None);
        assert_eq!(unit("d").to_ms(1e300), None);
        assert_eq!(unit("m").to_ms(1.0), None);
    }

    #[test]
    fn the_longest_unit_is_read() {
        for (text, name, len) in [
            ("mm)", "mm", 2),
            ("m/s", "m/s", 3),
            ("m / s", "m", 1),
            ("%LEL and", "%LEL", 4),
            ("min", "min", 3),
            ("mg/m3", "mg/m³", 5),
        ] {
            let found = Unit::prefix(text).map(|(unit, len)| (unit.name(), len));
            assert_eq!(found, Some((name, len)));
        }
        assert_eq!(Unit::prefix("mmx"), None);
        assert_eq!(Unit::prefix("and"), None);
    }
}
