//! What is asked of the past: conditions that hold, windows, the time since something was, and readings that came before.

use std::boxed::Box;
use std::format;
use std::string::String;

use super::{Lowering, Measure, Number, Result, fail};
use crate::expr::{Cond, Formula, Window, WindowOf};
use crate::point::PointIdx;
use crate::program::REPEATS;
use crate::syntax::{Expr, Function, Node};
use crate::unit::Unit;

/// The longest window: it is kept in 60 slices, and people read it in days.
const WINDOW_MAX_MS: u32 = 31 * 86_400_000;
const WINDOW_MIN_MS: u32 = 1_000;

impl Lowering<'_> {
    pub(super) fn held(&self, args: &[Expr], at: usize) -> Result<Cond> {
        const EXPECTED: &str =
            "`held` takes a condition and a time, as `held(unit.fan-running, 60s)`";
        let [condition, time] = args else {
            return fail(at, EXPECTED);
        };
        let Node::Number(value, Some(unit)) = time.node else {
            return fail(time.at, EXPECTED);
        };
        match unit.to_ms(value) {
            Some(ms) if ms > 0 => Ok(Cond::Held(
                Box::new(self.condition(condition)?),
                u64::from(ms),
            )),
            _ => fail(
                time.at,
                format!(
                    "`{value} {unit}` is no time, expected whole milliseconds up to 49 days{}",
                    minutes(value, unit)
                ),
            ),
        }
    }

    /// The last so many readings of a point came before.
    pub(super) fn repeats(&self, args: &[Expr], at: usize) -> Result<Cond> {
        let [of, count] = args else {
            return fail(at, expected(Function::Repeats));
        };
        let Node::Number(value, None) = count.node else {
            return fail(count.at, expected(Function::Repeats));
        };
        let (point, _) = self.of_point(Function::Repeats, of)?;
        match REPEATS
            .into_iter()
            .find(|n| f64::from(*n).total_cmp(&value).is_eq())
        {
            Some(n) => Ok(Cond::Repeats { n, point }),
            None => fail(
                count.at,
                format!(
                    "the last {value} readings, expected a whole number from {} to {}",
                    REPEATS.start(),
                    REPEATS.end()
                ),
            ),
        }
    }

    /// Seconds since a condition was last true.
    pub(super) fn since(&self, args: &[Expr], at: usize) -> Result<Number> {
        let [condition] = args else {
            return fail(
                at,
                "`since` takes a condition, as `since(unit.cleaning-done)`",
            );
        };
        Ok(Number {
            formula: Formula::Since(Box::new(self.condition(condition)?)),
            measure: seconds(),
            what: "`since(…)`".into(),
        })
    }

    /// A window: what it keeps, and for how long.
    pub(super) fn window(&self, function: Function, args: &[Expr], at: usize) -> Result<Number> {
        let name = function.name();
        let [of, time] = args else {
            return fail(at, expected(function));
        };
        let Node::Number(value, Some(unit)) = time.node else {
            return fail(time.at, expected(function));
        };
        let length = unit.to_ms(value);
        let Some(length_ms) = length.filter(|ms| (WINDOW_MIN_MS..=WINDOW_MAX_MS).contains(ms))
        else {
            return fail(
                time.at,
                format!(
                    "a window of `{value} {unit}`, expected whole milliseconds from 1 s to 31 d{}",
                    minutes(value, unit)
                ),
            );
        };
        let of_number = |make: fn(Formula) -> WindowOf| {
            let number = self.number(of)?;
            if number.constant().is_some() {
                return fail(
                    of.at,
                    format!("`{name}` of a constant, expected a point in it"),
                );
            }
            Ok((make(number.formula), number.measure, Some(number.what)))
        };
        let of_point = |make: fn(PointIdx) -> WindowOf| {
            let (point, measure) = self.of_point(function, of)?;
            Ok((make(point), measure, Some(self.here.points.declared(point))))
        };
        let (of, measure, of_what) = match function {
            Function::Count => (WindowOf::Count(self.condition(of)?), Measure::Plain, None),
            Function::TimeIn => (WindowOf::TimeIn(self.condition(of)?), seconds(), None),
            Function::Sum => of_point(WindowOf::Sum)?,
            Function::Increase => of_point(WindowOf::Increase)?,
            Function::Mean => of_number(WindowOf::Mean)?,
            Function::Stdev => of_number(WindowOf::Stdev)?,
            Function::Lowest => of_number(WindowOf::Lowest)?,
            Function::Highest => of_number(WindowOf::Highest)?,
            Function::Median => of_number(WindowOf::Median)?,
            Function::Mad => of_number(WindowOf::Mad)?,
            Function::Change => of_number(WindowOf::Change)?,
            _ => return fail(at, format!("`{name}` is no window")),
        };
        Ok(Number {
            formula: Formula::Window(Box::new(Window {
                of,
                length_ms: u64::from(length_ms),
            })),
            measure,
            what: match of_what {
                Some(what) => format!("`{name}(…)` of {what}"),
                None => format!("`{name}(…)`"),
            },
        })
    }

    /// The point, not a switch, that a window adds up; with its unit.
    fn of_point(&self, function: Function, of: &Expr) -> Result<(PointIdx, Measure)> {
        let point = match (&of.node, self.each) {
            (Node::Name(name), _) => self.point(name, of.at)?,
            (Node::Call(Function::Each, _), Some(point)) => point,
            _ => return fail(of.at, expected(function)),
        };
        let info = self.here.points.info(point);
        if info.digital {
            return fail(
                of.at,
                format!(
                    "{} is a switch, expected a point with numbers, or `count` of the switch",
                    self.here.points.name(point)
                ),
            );
        }
        Ok((point, Measure::of(info.eu.as_deref())))
    }
}

/// `m` is metres.
fn minutes(value: f64, unit: Unit) -> String {
    match unit.name() {
        "m" => format!("; did you mean `{value}min`?"),
        _ => String::new(),
    }
}

fn seconds() -> Measure {
    Unit::find("s").map_or(Measure::Plain, Measure::Known)
}

fn expected(function: Function) -> String {
    let name = function.name();
    if function == Function::Repeats {
        return "`repeats` takes a point and a whole number of readings, as `repeats(self, 300)`"
            .into();
    }
    let (what, example) = match function {
        Function::Count | Function::TimeIn => ("a condition", "self >= 25 %LEL"),
        Function::Sum | Function::Increase => ("a point", "self"),
        _ => ("a number", "self"),
    };
    format!("`{name}` takes {what} and a time, as `{name}({example}, 10min)`")
}
