//! An expression's tree in one scope → a condition or a formula over points, with its units checked.
//!
//! Knows where it stands (the point, the unit), and nothing of rules and levels.

mod name;
mod place;
mod vote;
mod window;

use std::boxed::Box;
use std::format;
use std::string::String;
use std::vec::Vec;

use front::Item;

use super::made::Made;
use super::number::{Measure, Number, combine, convert_number, literal, same_measure};
use super::points::Points;
use super::site::Site;
use crate::expr::{Arith, Compare, Cond, Degrade, Formula, Health};
use crate::file::Placed;
use crate::point::PointIdx;
use crate::syntax::{self, Expr, Function, Node};
use crate::unit::Unit;

/// What is said of a number that leads back to itself.
const ROUND: &str = "is reckoned from itself";
/// How deep `derived` may rest on `derived`.
const DERIVED_MAX: usize = 16;

/// Where an expression stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here<'h> {
    pub points: &'h Points<'h>,
    pub site: &'h Site<'h>,
    /// The point that the rule is about, if it is about one.
    pub own: Option<PointIdx>,
    /// The unit; none for the site as a whole.
    pub unit: Option<&'h str>,
    pub degrade: Degrade,
    /// The alarms so far.
    pub alarms: &'h Made,
    /// The kinds of which the unit may have no point.
    pub may_lack: &'h [Placed<'h, String>],
    /// In a pack that comes with the program, which may ask for alarms of a pack that is not loaded.
    pub is_shipped: bool,
}

/// What is wrong at a byte offset of the expression.
#[derive(Debug)]
pub(super) struct LowerError {
    pub at: usize,
    pub what: String,
    /// Nothing is wrong but that the site gives no such limit.
    pub missing_limit: bool,
    /// Nothing is wrong but that there is no such point or alarm here, where there may be none: `any` goes without it.
    pub may_lack: bool,
    /// It may be nothing: what is missing may be where it could not be read. Or it was told.
    pub excused: bool,
    /// What else is wrong in the same expression.
    pub also: Vec<Self>,
}

impl LowerError {
    /// Reports it, and what else is wrong, in the expression of an item.
    pub(super) fn tell(&self, item: &Item<'_>) {
        if !self.excused {
            item.problem_inside(self.at, self.what.clone());
        }
        self.also.iter().for_each(|error| error.tell(item));
    }

    /// The first limit that the site does not give and could have been read for, whatever else is wrong.
    pub(super) fn lacks_limit(&self) -> Option<&Self> {
        if self.missing_limit && !self.excused {
            return Some(self);
        }
        self.also.iter().find_map(Self::lacks_limit)
    }

    /// Nothing is wrong but that something is not here that need not be.
    fn is_lack(&self) -> bool {
        self.may_lack && self.also.iter().all(Self::is_lack)
    }

    /// Nothing is wrong but that the site gives no such limits, all of which it could have been read for.
    pub(super) fn is_missing_limit(&self) -> bool {
        self.missing_limit && !self.excused && self.also.iter().all(Self::is_missing_limit)
    }
}

pub(super) type Result<T> = std::result::Result<T, LowerError>;

pub(super) fn fail<T>(at: usize, what: impl Into<String>) -> Result<T> {
    Err(LowerError {
        at,
        what: what.into(),
        missing_limit: false,
        may_lack: false,
        excused: false,
        also: Vec::new(),
    })
}

/// All of them, or what is wrong with each that is wrong.
fn all<T>(results: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let mut found = Vec::new();
    let mut failed: Option<LowerError> = None;
    for result in results {
        match (result, &mut failed) {
            (Ok(one), _) => found.push(one),
            (Err(error), None) => failed = Some(error),
            (Err(error), Some(first)) => first.also.push(error),
        }
    }
    failed.map_or(Ok(found), Err)
}

/// Either kind of value, before it is known which one is wanted.
enum Lowered {
    Cond(Cond),
    Number(Number),
}

/// The condition that an expression is.
pub(super) fn condition(expr: &Expr, here: &Here<'_>) -> Result<Cond> {
    Lowering::new(here).condition(expr)
}

/// The number that an expression is.
pub(super) fn number(expr: &Expr, here: &Here<'_>) -> Result<Number> {
    Lowering::new(here).number(expr)
}

/// The number that an expression of constants and limits is.
pub(super) fn constant(expr: &Expr, here: &Here<'_>) -> Result<Number> {
    let number = number(expr, here)?;
    if number.constant().is_none() {
        return fail(
            expr.at,
            format!(
                "{} changes over time, expected numbers and `limit.<word>`",
                number.what
            ),
        );
    }
    Ok(number)
}

#[derive(Clone, Copy)]
struct Lowering<'l> {
    here: &'l Here<'l>,
    /// How many `derived` it is inside.
    depth: usize,
    /// The point that `each` stands for, inside a vote, `min` or `max`.
    each: Option<PointIdx>,
}

impl<'l> Lowering<'l> {
    fn new(here: &'l Here<'l>) -> Self {
        Self {
            here,
            depth: 0,
            each: None,
        }
    }

    fn condition(&self, expr: &Expr) -> Result<Cond> {
        match self.lower(expr)? {
            Lowered::Cond(condition) => Ok(condition),
            Lowered::Number(number) => fail(
                expr.at,
                format!(
                    "{} is a number, expected a condition, as a comparison with `>=`",
                    number.what
                ),
            ),
        }
    }

    fn number(&self, expr: &Expr) -> Result<Number> {
        match self.lower(expr)? {
            Lowered::Number(number) => Ok(number),
            Lowered::Cond(_) => fail(expr.at, "a condition, expected a number"),
        }
    }

    fn lower(&self, expr: &Expr) -> Result<Lowered> {
        let at = expr.at;
        Ok(match &expr.node {
            Node::Number(value, unit) => Lowered::Number(literal(*value, *unit)),
            Node::Name(name) => self.name(name, at)?,
            Node::Call(function, args) => self.call(*function, args, at)?,
            Node::Not(inner) => Lowered::Cond(Cond::Not(Box::new(self.condition(inner)?))),
            Node::And(parts) => Lowered::Cond(Cond::All(self.conditions(parts)?)),
            Node::Or(parts) => Lowered::Cond(Cond::Any(self.conditions(parts)?)),
            Node::Compare(compare, left, right) => {
                Lowered::Cond(self.compare(*compare, left, right)?)
            }
            Node::Arith(arith, left, right) => {
                Lowered::Number(self.arith(*arith, left, right, at)?)
            }
            Node::During(name) => Lowered::Cond(self.during(name, at)?),
            Node::Wrong => {
                return Err(LowerError {
                    at,
                    what: String::new(),
                    missing_limit: false,
                    may_lack: false,
                    excused: true,
                    also: Vec::new(),
                });
            }
            Node::Convert(inner, unit) => Lowered::Number(self.convert(inner, *unit)?),
            Node::Negate(inner) => {
                let number = self.number(inner)?;
                Lowered::Number(Number {
                    formula: match number.formula {
                        Formula::Const(value) => Formula::Const(-value),
                        formula => Formula::Neg(Box::new(formula)),
                    },
                    what: format!("-{}", number.what),
                    ..number
                })
            }
        })
    }

    fn conditions(&self, parts: &[Expr]) -> Result<Vec<Cond>> {
        all(parts.iter().map(|part| self.condition(part)))
    }

    fn both(&self, left: &Expr, right: &Expr) -> Result<(Number, Number)> {
        match (self.number(left), self.number(right)) {
            (Ok(one), Ok(two)) => Ok((one, two)),
            (Err(mut error), Err(other)) => {
                error.also.push(other);
                Err(error)
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    fn convert(&self, inner: &Expr, unit: Unit) -> Result<Number> {
        let number = self.number(inner)?;
        let Measure::Known(from) = number.measure else {
            return fail(
                inner.at,
                format!(
                    "{} is {}, expected a unit that rules know",
                    number.what,
                    number.measure.describe()
                ),
            );
        };
        convert_number(number, from, unit, inner.at, self.here)
    }

    fn compare(&self, compare: syntax::Compare, left: &Expr, right: &Expr) -> Result<Cond> {
        let (one, two) = self.both(left, right)?;
        if one.constant().is_some() && two.constant().is_some() {
            return fail(
                left.at,
                "two constants compared, expected a point on one side",
            );
        }
        let (one, two) = same_measure(one, two, left.at, right.at, self.here)?;
        let compare = match compare {
            syntax::Compare::AtLeast => Compare::Ge,
            syntax::Compare::Above => Compare::Gt,
            syntax::Compare::AtMost => Compare::Le,
            syntax::Compare::Below => Compare::Lt,
        };
        Ok(Cond::Compare(compare, one.formula, two.formula))
    }

    fn arith(&self, arith: syntax::Arith, left: &Expr, right: &Expr, at: usize) -> Result<Number> {
        let (one, two) = self.both(left, right)?;
        match arith {
            syntax::Arith::Add | syntax::Arith::Subtract => {
                let (one, two) = same_measure(one, two, left.at, right.at, self.here)?;
                let operation = if arith == syntax::Arith::Add {
                    Arith::Add
                } else {
                    Arith::Sub
                };
                combine(operation, one, two, None, at)
            }
            syntax::Arith::Multiply => {
                let measure = match (&one.measure, &two.measure) {
                    (Measure::Plain, measure) | (measure, Measure::Plain) => measure.clone(),
                    _ => {
                        return fail(
                            right.at,
                            format!(
                                "{} times {}: both have a unit, expected at most one",
                                one.what, two.what
                            ),
                        );
                    }
                };
                combine(Arith::Mul, one, two, Some(measure), at)
            }
            syntax::Arith::Divide => {
                if two.constant().is_some_and(|by| by.abs() <= 0.0) {
                    return fail(
                        right.at,
                        format!(
                            "{} divided by 0 is never known, expected another number",
                            one.what
                        ),
                    );
                }
                if two.measure == Measure::Plain {
                    let measure = one.measure.clone();
                    return combine(Arith::Div, one, two, Some(measure), at);
                }
                let (one, two) = same_measure(one, two, left.at, right.at, self.here)?;
                combine(Arith::Div, one, two, Some(Measure::Plain), at)
            }
        }
    }

    fn call(&self, function: Function, args: &[Expr], at: usize) -> Result<Lowered> {
        Ok(match function {
            Function::Held => Lowered::Cond(self.held(args, at)?),
            Function::Since => Lowered::Number(self.since(args, at)?),
            Function::Count
            | Function::TimeIn
            | Function::Sum
            | Function::Increase
            | Function::Mean
            | Function::Stdev
            | Function::Lowest
            | Function::Highest
            | Function::Median
            | Function::Mad
            | Function::Change => Lowered::Number(self.window(function, args, at)?),
            Function::Distance => Lowered::Number(self.distance(args, at)?),
            Function::Angle => Lowered::Number(self.angle(args, at)?),
            Function::Same => Lowered::Cond(self.same(args, at)?),
            Function::Repeats => Lowered::Cond(self.repeats(args, at)?),
            Function::Any => Lowered::Cond(Cond::Any(self.any(args, at)?)),
            Function::All => Lowered::Cond(Cond::All(self.members(function, args, at)?)),
            Function::AtLeast => Lowered::Cond(self.at_least(args, at)?),
            Function::Each => match self.each {
                Some(point) => self.value_of(point),
                None => {
                    return fail(
                        at,
                        "`each` outside a vote, expected it inside `any`, `all`, `at_least`, `min` or `max`",
                    );
                }
            },
            Function::Bad => Lowered::Cond(self.health(Health::Bad, function, args, at)?),
            Function::Stale => Lowered::Cond(self.health(Health::Stale, function, args, at)?),
            Function::Tested => Lowered::Cond(self.health(Health::Tested, function, args, at)?),
            Function::Abs => {
                let [arg] = args else {
                    return fail(at, "`abs` takes one number");
                };
                let number = self.number(arg)?;
                Lowered::Number(Number {
                    formula: match number.formula {
                        Formula::Const(value) => Formula::Const(value.abs()),
                        formula => Formula::Abs(Box::new(formula)),
                    },
                    what: format!("`abs(…)` of {}", number.what),
                    ..number
                })
            }
            Function::Min => Lowered::Number(self.fold(Arith::Min, function, args, at)?),
            Function::Max => Lowered::Number(self.fold(Arith::Max, function, args, at)?),
        })
    }

    fn fold(
        &self,
        operation: Arith,
        function: Function,
        args: &[Expr],
        at: usize,
    ) -> Result<Number> {
        let name = function.name();
        let mut numbers = self.numbers(args)?.into_iter();
        let Some((mut folded, first_at)) = numbers.next() else {
            return fail(at, format!("`{name}` of nothing"));
        };
        // Whose unit it has.
        let mut of = folded.constant().is_none().then(|| folded.what.clone());
        for (number, number_at) in numbers {
            if of.is_none() && number.constant().is_none() {
                of = Some(number.what.clone());
            }
            let (one, two) = same_measure(folded, number, first_at, number_at, self.here)?;
            folded = combine(operation, one, two, None, at)?;
            if let Some(of) = &of {
                folded.what = format!("`{name}(…)` of {of}");
            }
        }
        Ok(folded)
    }

    fn health(&self, health: Health, function: Function, args: &[Expr], at: usize) -> Result<Cond> {
        let expected = || {
            format!(
                "`{0}` takes a point, as `{0}(unit.fan-running)`",
                function.name()
            )
        };
        match args {
            [
                Expr {
                    node: Node::Name(name),
                    at,
                },
            ] => Ok(Cond::Health(health, self.point(name, *at)?)),
            [
                Expr {
                    node: Node::Call(Function::Each, _),
                    at,
                },
            ] => match self.each {
                Some(point) => Ok(Cond::Health(health, point)),
                None => fail(*at, expected()),
            },
            _ => fail(at, expected()),
        }
    }
}
