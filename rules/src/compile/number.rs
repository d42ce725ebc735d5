//! Numbers with their units while an expression is lowered.
//!
//! Nothing is converted in silence: a constant is brought into the other side's unit where the factor is exact or the site gives it, everything else is an error.

use std::boxed::Box;
use std::format;
use std::string::{String, ToString};

use super::lower::{Here, Result, fail};
use crate::expr::{Arith, Formula};
use crate::unit::Unit;

/// What a number is measured in.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Measure {
    /// A bare number.
    Plain,
    /// A unit of the table.
    Known(Unit),
    /// A unit that only the point's declaration knows; it equals itself.
    Other(String),
}

impl Measure {
    pub(super) fn of(eu: Option<&str>) -> Self {
        match eu {
            None | Some("" | "1") => Self::Plain,
            Some(eu) => Unit::find(eu).map_or_else(|| Self::Other(eu.to_string()), Self::Known),
        }
    }

    /// As messages and payloads write it; none for a bare number.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Known(unit) => Some(unit.name().to_string()),
            Self::Other(eu) => Some(eu.clone()),
        }
    }

    pub(super) fn describe(&self) -> String {
        self.name()
            .map_or_else(|| "a bare number".to_string(), |name| format!("in {name}"))
    }
}

/// A number with its unit.
#[derive(Clone, Debug)]
pub(super) struct Number {
    pub formula: Formula,
    pub measure: Measure,
    /// As messages call it.
    pub what: String,
}

impl Number {
    /// Its value, if it is the same at all times.
    pub(super) fn constant(&self) -> Option<f64> {
        match self.formula {
            Formula::Const(value) => Some(value),
            _ => None,
        }
    }

    /// This number in the unit of another; a constant is converted where that is exact.
    pub(super) fn into_measure(self, other: &Self, at: usize, here: &Here<'_>) -> Result<Self> {
        if self.measure == other.measure {
            return Ok(self);
        }
        if let (Some(value), Measure::Known(from), Measure::Known(to)) =
            (self.constant(), &self.measure, &other.measure)
            && let Some(converted) = convert(value, *from, *to, here.ppm_of_mg()).and_then(rounded)
        {
            return Ok(Self {
                formula: Formula::Const(converted),
                measure: other.measure.clone(),
                what: self.what,
            });
        }
        if let (Some(value), Measure::Plain, Measure::Known(unit)) =
            (self.constant(), &self.measure, &other.measure)
            && unit.has_true_zero()
            && value.abs() <= 0.0
        {
            return Ok(Self {
                measure: other.measure.clone(),
                ..self
            });
        }
        if let (Some(value), Measure::Plain, Measure::Known(unit)) =
            (self.constant(), &self.measure, &other.measure)
        {
            return fail(
                at,
                format!(
                    "{} has no unit, but {} is in {unit}, expected it as `{value} {unit}`",
                    self.what, other.what
                ),
            );
        }
        let hint = match (&self.measure, &other.measure) {
            (Measure::Other(eu), _) | (_, Measure::Other(eu)) => {
                let near = front::nearest(eu, Unit::spellings())
                    .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
                format!("; rules know no unit `{eu}`{near}: it is compared with points in {eu} only, so have it read in one that they know")
            }
            (Measure::Known(one), Measure::Known(two)) if molar(*one, *two) => {
                "; between them lies a molar volume: give `molar-volume = \"24.45 L/mol\"` (25 °C) in a `[[limits]]` of the site, or the limit in the point's own unit".to_string()
            }
            (Measure::Known(one), Measure::Known(two)) if one.convert(1.0, *two).is_some() => {
                "; two points are never converted in silence: have both read in one unit".to_string()
            }
            _ => String::new(),
        };
        fail(
            at,
            format!(
                "{} is {}, but {} is {}{hint}",
                self.what,
                self.measure.describe(),
                other.what,
                other.measure.describe()
            ),
        )
    }
}

/// A value in another unit, where an exact factor is known or the site gives a molar volume.
pub(super) fn convert(value: f64, from: Unit, to: Unit, ppm_of_mg: Option<f64>) -> Option<f64> {
    let exact = from.convert(value, to);
    let (Some(factor), Some(ppm), Some(mg)) = (ppm_of_mg, Unit::find("ppm"), Unit::find("mg/m³"))
    else {
        return exact.and_then(rounded);
    };
    exact
        .or_else(|| ppm.convert(from.convert(value, mg)? * factor, to))
        .or_else(|| mg.convert(from.convert(value, ppm)? / factor, to))
        .and_then(rounded)
}

/// A measured number in another unit, as somebody asked for it by name.
pub(super) fn convert_number(
    number: Number,
    from: Unit,
    to: Unit,
    at: usize,
    here: &Here<'_>,
) -> Result<Number> {
    let points = [0.0, 1.0].map(|value| convert(value, from, to, here.ppm_of_mg()));
    let [Some(zero), Some(one)] = points else {
        let target = Number {
            formula: Formula::Const(0.0),
            measure: Measure::Known(to),
            what: format!("`'{to}'`"),
        };
        // It says what is missing between the two.
        let constant = Number {
            formula: Formula::Const(0.0),
            ..number
        };
        return constant.into_measure(&target, at, here);
    };
    let factor = rounded(one - zero).unwrap_or(1.0);
    let arith = |operation, one: Formula, two: f64| {
        Formula::Arith(operation, Box::new(one), Box::new(Formula::Const(two)))
    };
    let formula = match number.constant() {
        Some(value) => {
            let converted = convert(value, from, to, here.ppm_of_mg()).unwrap_or(value);
            Formula::Const(converted)
        }
        None => {
            // 35 Pa are 0.35 hPa to the last digit, so that a limit of that is reached: 35 / 100, and not 35 * 0.01.
            let scaled = match rounded(1.0 / factor) {
                Some(parts) if factor < 1.0 && libm::trunc(parts).total_cmp(&parts).is_eq() => {
                    arith(Arith::Div, number.formula, parts)
                }
                _ => arith(Arith::Mul, number.formula, factor),
            };
            if zero.abs() > 0.0 {
                arith(Arith::Add, scaled, zero)
            } else {
                scaled
            }
        }
    };
    Ok(Number {
        formula,
        measure: Measure::Known(to),
        what: format!("{} in {to}", number.what),
    })
}

impl Here<'_> {
    /// Parts per million of one mg/m³: molar volume over molar mass, where both are given for the point.
    pub(super) fn ppm_of_mg(&self) -> Option<f64> {
        Some(self.molar("molar-volume", "L/mol")? / self.molar("molar-mass", "g/mol")?)
    }

    /// A limit of this word in this unit.
    pub(super) fn molar(&self, word: &str, unit: &str) -> Option<f64> {
        let number = self.site.limit(word, self)?;
        let measured = number.measure == Measure::Known(Unit::find(unit)?);
        number.constant().filter(|value| measured && *value > 0.0)
    }
}

fn molar(one: Unit, two: Unit) -> bool {
    let is = |unit: Unit, name| unit.name() == name;
    (is(one, "ppm") && is(two, "mg/m³")) || (is(one, "mg/m³") && is(two, "ppm"))
}

pub(super) fn literal(value: f64, unit: Option<Unit>) -> Number {
    Number {
        formula: Formula::Const(value),
        measure: unit.map_or(Measure::Plain, Measure::Known),
        what: unit.map_or_else(|| format!("`{value}`"), |unit| format!("`{value} {unit}`")),
    }
}

/// Both in one unit: a constant is brought into the unit of what is measured.
pub(super) fn same_measure(
    one: Number,
    two: Number,
    one_at: usize,
    two_at: usize,
    here: &Here<'_>,
) -> Result<(Number, Number)> {
    if one.constant().is_some() {
        let one = one.into_measure(&two, one_at, here)?;
        Ok((one, two))
    } else {
        let two = two.into_measure(&one, two_at, here)?;
        Ok((one, two))
    }
}

pub(super) fn combine(
    operation: Arith,
    one: Number,
    two: Number,
    measure: Option<Measure>,
    at: usize,
) -> Result<Number> {
    let measure = measure.unwrap_or_else(|| one.measure.clone());
    if let (Some(left), Some(right)) = (one.constant(), two.constant()) {
        let value = match operation {
            Arith::Add => left + right,
            Arith::Sub => left - right,
            Arith::Mul => left * right,
            Arith::Div => left / right,
            Arith::Min => left.min(right),
            Arith::Max => left.max(right),
        };
        let Some(value) = rounded(value) else {
            return fail(at, format!("{} and {} give no number", one.what, two.what));
        };
        let what = measure
            .name()
            .map_or_else(|| format!("`{value}`"), |unit| format!("`{value} {unit}`"));
        return Ok(Number {
            formula: Formula::Const(value),
            measure,
            what,
        });
    }
    let what = if one.constant().is_some() {
        two.what
    } else {
        one.what
    };
    Ok(Number {
        formula: Formula::Arith(operation, Box::new(one.formula), Box::new(two.formula)),
        measure,
        what: format!("the number made of {what}"),
    })
}

/// A reckoned limit to 12 digits, so that 1.5 times 0.8 is the 1.2 that people mean and a reading of 1.2 reaches it.
fn rounded(value: f64) -> Option<f64> {
    format!("{value:.11e}")
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
}
