//! Places and directions on the Earth, all in degrees.

use std::boxed::Box;
use std::format;
use std::vec::Vec;

use super::{Lowering, Measure, Number, Result, all, fail};
use crate::expr::{Arith, Formula};
use crate::syntax::Expr;
use crate::unit::Unit;

impl Lowering<'_> {
    /// Metres between two places.
    pub(super) fn distance(&self, args: &[Expr], at: usize) -> Result<Number> {
        const EXPECTED: &str = "`distance` takes longitude and latitude of two places in degrees, as `distance(unit.lon, unit.lat, limit.lon, limit.lat)`";
        let Ok(four) = <[Formula; 4]>::try_from(self.degrees(args)?) else {
            return fail(at, EXPECTED);
        };
        Ok(Number {
            formula: Formula::Distance(Box::new(four)),
            measure: known("m"),
            what: "`distance(…)`".into(),
        })
    }

    /// Degrees between two directions, the shorter way round.
    pub(super) fn angle(&self, args: &[Expr], at: usize) -> Result<Number> {
        const EXPECTED: &str = "`angle` takes two directions from 0 to 360 degrees, as `angle(unit.wind-direction, limit.source)`";
        let Ok([one, other]) = <[Formula; 2]>::try_from(self.degrees(args)?) else {
            return fail(at, EXPECTED);
        };
        let of =
            |operation, left, right| Formula::Arith(operation, Box::new(left), Box::new(right));
        let one_way = Formula::Abs(Box::new(of(Arith::Sub, one, other)));
        let other_way = of(Arith::Sub, Formula::Const(360.0), one_way.clone());
        Ok(Number {
            formula: of(Arith::Min, one_way, other_way),
            measure: known("deg"),
            what: "`angle(…)`".into(),
        })
    }

    /// Numbers that must be in degrees.
    fn degrees(&self, args: &[Expr]) -> Result<Vec<Formula>> {
        let numbers = all(args.iter().map(|arg| self.number(arg)))?;
        let degrees = known("deg");
        let formulas = numbers.into_iter().zip(args).map(|(number, arg)| {
            if number.measure == degrees {
                return Ok(number.formula);
            }
            let (what, unit) = (number.what, number.measure.describe());
            fail(arg.at, format!("{what} is {unit}, expected degrees"))
        });
        formulas.collect()
    }
}

fn known(unit: &str) -> Measure {
    Unit::find(unit).map_or(Measure::Plain, Measure::Known)
}
