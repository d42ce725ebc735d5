//! What is asked of several: votes, numbers of many numbers, and points that read the same.

use std::format;
use std::vec::Vec;

use super::{LowerError, Lowering, Measure, Number, Result, all, fail};
use crate::expr::Cond;
use crate::point::PointIdx;
use crate::syntax::{Expr, Function, Name, Node};

/// The most that can be asked to agree.
const SAME_MAX: usize = 256;

/// Whose every point `each( )` stands for.
#[derive(Clone, Copy, PartialEq)]
enum Each<'e> {
    /// A kind in the unit.
    Kind(&'e str),
    /// The points like the rule's own.
    Peers,
}

impl Lowering<'_> {
    pub(super) fn at_least(&self, args: &[Expr], at: usize) -> Result<Cond> {
        const EXPECTED: &str = "`at_least` takes a whole number and conditions, as `at_least(2, each(unit.co) >= 20 mg/m³)`";
        let [count, members @ ..] = args else {
            return fail(at, EXPECTED);
        };
        let Node::Number(value, None) = count.node else {
            return fail(count.at, EXPECTED);
        };
        let members = self.members(Function::AtLeast, members, at)?;
        let Some(k) = whole(value, members.len()) else {
            return self.no_point(
                count.at,
                format!(
                    "at least {value} of {}, expected a whole number from 1 to that",
                    members.len()
                ),
            );
        };
        Ok(Cond::AtLeast {
            k,
            members,
            degrade: self.here.degrade,
        })
    }

    /// The voters.
    pub(super) fn members(
        &self,
        function: Function,
        args: &[Expr],
        at: usize,
    ) -> Result<Vec<Cond>> {
        let members = self.for_each(args, Self::condition)?;
        if members.is_empty() {
            return none_of(function, at);
        }
        Ok(members)
    }

    /// The numbers that a number is made of, each with its place.
    pub(super) fn numbers(&self, args: &[Expr]) -> Result<Vec<(Number, usize)>> {
        self.for_each(args, |inside, arg| Ok((inside.number(arg)?, arg.at)))
    }

    /// Those of `any`, which goes without what is not here and need not be.
    pub(super) fn any(&self, args: &[Expr], at: usize) -> Result<Vec<Cond>> {
        let mut lacks = None;
        let lowered = args
            .iter()
            .filter_map(|arg| match self.of_one(arg, Self::condition) {
                Err(error) if error.is_lack() => {
                    lacks.get_or_insert(error);
                    None
                }
                lowered => Some(lowered),
            });
        let members: Vec<Cond> = all(lowered)?.into_iter().flatten().collect();
        match (members.is_empty(), lacks) {
            (false, _) => Ok(members),
            (true, Some(lack)) => Err(lack),
            (true, None) => none_of(Function::Any, at),
        }
    }

    /// What arguments are.
    fn for_each<T>(
        &self,
        args: &[Expr],
        lower: impl Fn(&Self, &Expr) -> Result<T>,
    ) -> Result<Vec<T>> {
        let lowered = all(args.iter().map(|arg| self.of_one(arg, &lower)))?;
        Ok(lowered.into_iter().flatten().collect())
    }

    /// What an argument is; with `each` in it, one for each point that this stands for.
    fn of_one<T>(&self, arg: &Expr, lower: impl Fn(&Self, &Expr) -> Result<T>) -> Result<Vec<T>> {
        let Some(points) = self.each_in(arg)? else {
            return Ok(Vec::from([lower(self, arg)?]));
        };
        // What is wrong for one of them is wrong for all.
        let inside = points.into_iter().map(|point| Self {
            each: Some(point),
            ..*self
        });
        inside.map(|inside| lower(&inside, arg)).collect()
    }

    /// The points that `each` in an argument stands for, at least one; none where there is no `each` in it.
    fn each_in(&self, arg: &Expr) -> Result<Option<Vec<PointIdx>>> {
        let mut found = Vec::new();
        find_each(arg, &mut found);
        let Some((of, at)) = found.first().copied() else {
            return Ok(None);
        };
        let Some(each) = of else {
            return fail(
                at,
                "`each` takes a kind, as `each(unit.combustible-gas)`, or `peers`",
            );
        };
        if let Some((_, other_at)) = found.iter().find(|(other, _)| *other != of) {
            return fail(
                *other_at,
                "`each` of different points in one argument, expected one of them",
            );
        }
        let points = self.points_of(each, at)?;
        match each {
            Each::Kind(kind) if points.is_empty() => {
                let unit = self.unit(kind, at)?;
                self.no_such_kind(&format!("unit {unit}"), kind, at)
            }
            _ => Ok(Some(points)),
        }
    }

    /// The points that `each` stands for; none where the unit has none of the kind.
    fn points_of(&self, each: Each<'_>, at: usize) -> Result<Vec<PointIdx>> {
        let here = self.here;
        match (each, here.own) {
            (Each::Kind(kind), _) => {
                let unit = self.unit(kind, at)?;
                Ok(here.points.of_kind_in(unit, kind).to_vec())
            }
            (Each::Peers, Some(own)) => {
                let peers = here.points.peers(own);
                if peers.is_empty() {
                    let what = format!(
                        "{} has no peers, expected another point of its kind in its unit, or `peers = 1` in the rule's `for`",
                        here.points.name(own)
                    );
                    return self.no_point(at, what);
                }
                Ok(peers)
            }
            (Each::Peers, None) => fail(
                at,
                "`each(peers)` in a rule that is about no single point, expected `each(unit.<kind>)`",
            ),
        }
    }

    /// `same(n, points…)`: `each` stands for all its points.
    pub(super) fn same(&self, args: &[Expr], at: usize) -> Result<Cond> {
        const EXPECTED: &str =
            "`same` takes a whole number and points, as `same(3, each(unit.combustible-gas))`";
        let [count, members @ ..] = args else {
            return fail(at, EXPECTED);
        };
        let Node::Number(value, None) = count.node else {
            return fail(count.at, EXPECTED);
        };
        let mut points = Vec::new();
        let mut may_lack = true;
        for member in members {
            match &member.node {
                Node::Name(name) => points.push(self.point(name, member.at)?),
                Node::Call(Function::Each, of) => match each_of(of) {
                    Some(each) => {
                        points.extend(self.points_of(each, member.at)?);
                        may_lack &= matches!(each, Each::Kind(kind) if self.may_lack(kind));
                    }
                    None => return fail(member.at, EXPECTED),
                },
                _ => return fail(member.at, EXPECTED),
            }
        }
        let measure = |point: &PointIdx| Measure::of(self.here.points.info(*point).eu.as_deref());
        if let Some(other) = points
            .iter()
            .find(|point| measure(point) != measure(&points[0]))
        {
            return fail(
                at,
                format!(
                    "{} and {} are in different units, expected one",
                    self.here.points.declared(points[0]),
                    self.here.points.declared(*other)
                ),
            );
        }
        if points.is_empty() {
            let none = self.no_point(at, "`same` of no points, expected some".into());
            return none.map_err(|error| LowerError { may_lack, ..error });
        }
        // A unit may have fewer detectors than could agree by chance: there it never holds.
        match whole(value, SAME_MAX).filter(|n| *n >= 2) {
            Some(n) => Ok(Cond::Same { n, points }),
            None => fail(
                count.at,
                format!("the same {value}, expected a whole number from 2 to {SAME_MAX}"),
            ),
        }
    }
}

fn none_of<T>(function: Function, at: usize) -> Result<T> {
    fail(
        at,
        format!("`{}` of no conditions, expected some", function.name()),
    )
}

/// A count as a whole number from 1 to `most`.
fn whole(value: f64, most: usize) -> Option<u32> {
    (1..=u32::try_from(most).ok()?).find(|whole| f64::from(*whole).total_cmp(&value).is_eq())
}

/// What `each( )` is asked for, if it is one of the two.
fn each_of(args: &[Expr]) -> Option<Each<'_>> {
    let [Expr { node, .. }] = args else {
        return None;
    };
    match node {
        Node::Name(Name::Kind(kind)) => Some(Each::Kind(kind)),
        Node::Name(Name::Peers) => Some(Each::Peers),
        _ => None,
    }
}

/// What `each` is asked for in an expression, without looking into what has its own inside it.
fn find_each<'e>(expr: &'e Expr, found: &mut Vec<(Option<Each<'e>>, usize)>) {
    match &expr.node {
        Node::Number(..) | Node::Name(_) | Node::During(_) | Node::Wrong => {}
        Node::Not(inner) | Node::Negate(inner) | Node::Convert(inner, _) => find_each(inner, found),
        Node::And(parts) | Node::Or(parts) => {
            parts.iter().for_each(|part| find_each(part, found));
        }
        Node::Compare(_, left, right) | Node::Arith(_, left, right) => {
            find_each(left, found);
            find_each(right, found);
        }
        Node::Call(Function::Each, args) => found.push((each_of(args), expr.at)),
        Node::Call(function, _) if function.has_each() => {}
        Node::Call(_, args) => args.iter().for_each(|arg| find_each(arg, found)),
    }
}
