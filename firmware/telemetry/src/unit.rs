//! Units of measurement that convert into each other exactly.
//!
//! Knows ratios that are fixed by definition, and nothing of what needs a gas, a temperature or a calibration: `%LEL` to `ppm` or `ppm` to `mg/m3` is none of them.

/// What a unit is a multiple of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Quantity {
    VolumeFraction,
    Pressure,
    Length,
    Current,
    Voltage,
    Power,
    MassConcentration,
    Temperature,
    Speed,
    Flow,
    Time,
}

/// (spelling, quantity, numerator and denominator to the quantity's base unit, zero in hundredths of the base unit)
const UNITS: [(&str, Quantity, u64, u64, i32); 38] = [
    ("%VOL", Quantity::VolumeFraction, 1, 100, 0),
    ("ppm", Quantity::VolumeFraction, 1, 1_000_000, 0),
    ("ppb", Quantity::VolumeFraction, 1, 1_000_000_000, 0),
    ("Pa", Quantity::Pressure, 1, 1, 0),
    ("hPa", Quantity::Pressure, 100, 1, 0),
    ("mbar", Quantity::Pressure, 100, 1, 0),
    ("kPa", Quantity::Pressure, 1_000, 1, 0),
    ("bar", Quantity::Pressure, 100_000, 1, 0),
    ("MPa", Quantity::Pressure, 1_000_000, 1, 0),
    ("mm", Quantity::Length, 1, 1_000, 0),
    ("cm", Quantity::Length, 1, 100, 0),
    ("m", Quantity::Length, 1, 1, 0),
    ("mA", Quantity::Current, 1, 1_000, 0),
    ("A", Quantity::Current, 1, 1, 0),
    ("mV", Quantity::Voltage, 1, 1_000, 0),
    ("V", Quantity::Voltage, 1, 1, 0),
    ("kV", Quantity::Voltage, 1_000, 1, 0),
    ("W", Quantity::Power, 1, 1, 0),
    ("kW", Quantity::Power, 1_000, 1, 0),
    ("ug/m3", Quantity::MassConcentration, 1, 1_000_000, 0),
    ("µg/m³", Quantity::MassConcentration, 1, 1_000_000, 0),
    ("mg/m3", Quantity::MassConcentration, 1, 1_000, 0),
    ("mg/m³", Quantity::MassConcentration, 1, 1_000, 0),
    ("g/m3", Quantity::MassConcentration, 1, 1, 0),
    ("Cel", Quantity::Temperature, 1, 1, 27_315),
    ("°C", Quantity::Temperature, 1, 1, 27_315),
    ("℃", Quantity::Temperature, 1, 1, 27_315),
    ("K", Quantity::Temperature, 1, 1, 0),
    ("mm/s", Quantity::Speed, 1, 1_000, 0),
    ("m/s", Quantity::Speed, 1, 1, 0),
    ("L/s", Quantity::Flow, 1, 1_000, 0),
    ("L/min", Quantity::Flow, 1, 60_000, 0),
    ("m3/h", Quantity::Flow, 1, 3_600, 0),
    ("ms", Quantity::Time, 1, 1_000, 0),
    ("s", Quantity::Time, 1, 1, 0),
    ("min", Quantity::Time, 60, 1, 0),
    ("h", Quantity::Time, 3_600, 1, 0),
    ("d", Quantity::Time, 86_400, 1, 0),
];

/// A conversion between two units, exact up to the rounding of one multiplication and one division.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exact {
    multiply: f64,
    divide: f64,
    add: f64,
}

impl Exact {
    /// The value in the other unit.
    pub fn apply(self, value: f64) -> f64 {
        value * self.multiply / self.divide + self.add
    }
}

/// The conversion from one unit to another; none when there is no exact one, or a unit is not known and they differ.
pub fn exact(from: &str, to: &str) -> Option<Exact> {
    if from == to {
        return Some(Exact {
            multiply: 1.0,
            divide: 1.0,
            add: 0.0,
        });
    }
    let find = |name: &str| UNITS.iter().find(|unit| unit.0 == name);
    let (from, to) = (find(from)?, find(to)?);
    if from.1 != to.1 {
        return None;
    }
    let (multiply, divide) = (from.2 * to.3, from.3 * to.2);
    let common = divisor(multiply, divide);
    Some(Exact {
        multiply: number(multiply / common),
        divide: number(divide / common),
        add: f64::from(from.4 - to.4) / 100.0,
    })
}

/// A ratio's term, at most 10¹⁵: a number holds it without rounding.
fn number(term: u64) -> f64 {
    let (high, low) = (term >> 32, term & 0xFFFF_FFFF);
    let half = |part: u64| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
    half(high) * 4_294_967_296.0 + half(low)
}

fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, from: &str, to: &str, expected: Option<f64>) {
        let got = exact(from, to).map(|conversion| conversion.apply(value));
        assert_eq!(got, expected, "{value} {from} in {to}");
    }

    #[test]
    fn units_with_a_fixed_ratio_convert_without_a_rounding_of_their_own() {
        check(12_345.0, "ppm", "%VOL", Some(1.2345));
        check(1.1, "%VOL", "ppm", Some(11_000.0));
        check(1_500.0, "Pa", "kPa", Some(1.5));
        check(3.6, "m3/h", "L/s", Some(1.0));
        check(25.0, "°C", "K", Some(298.15));
        check(30.0, "mg/m³", "mg/m3", Some(30.0));
        check(7.0, "turn", "turn", Some(7.0));
    }

    #[test]
    fn what_needs_a_gas_or_a_temperature_is_not_converted() {
        check(25.0, "%LEL", "ppm", None);
        check(24.0, "ppm", "mg/m3", None);
        check(1.0, "m", "Pa", None);
        check(1.0, "turn", "m", None);
    }

    #[test]
    fn every_unit_converts_into_each_of_its_quantity_and_back() {
        for from in UNITS {
            for to in UNITS.iter().filter(|to| to.1 == from.1) {
                let there = exact(from.0, to.0).expect("one quantity");
                let back = exact(to.0, from.0).expect("one quantity");
                let value = back.apply(there.apply(20.5));
                assert!((value - 20.5).abs() < 1e-9, "{} {}", from.0, to.0);
            }
        }
    }
}
