//! What is asked of several: votes, and points that read the same.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::{Lowering, Measure, Result, all, fail};
use crate::expr::Cond;
use crate::point::PointIdx;
use crate::syntax::{Expr, Function, Name, Node};

/// The most that can be asked to agree.
const SAME_MAX: usize = 256;

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

    /// The voters: an argument with `each` in it is one for each point of the kind.
    pub(super) fn members(
        &self,
        function: Function,
        args: &[Expr],
        at: usize,
    ) -> Result<Vec<Cond>> {
        let members = all(args.iter().map(|arg| self.members_of(arg)))?;
        let members: Vec<Cond> = members.into_iter().flatten().collect();
        if members.is_empty() {
            return fail(
                at,
                format!("`{}` of no conditions, expected some", function.name()),
            );
        }
        Ok(members)
    }

    /// The voters that an argument stands for.
    fn members_of(&self, arg: &Expr) -> Result<Vec<Cond>> {
        let mut kinds = Vec::new();
        each_kinds(arg, &mut kinds);
        let Some((kind, kind_at)) = kinds.first().cloned() else {
            return Ok(Vec::from([self.condition(arg)?]));
        };
        let Some(kind) = kind else {
            return fail(
                kind_at,
                "`each` takes a kind, as `each(unit.combustible-gas)`",
            );
        };
        if let Some((_, other_at)) = kinds
            .iter()
            .find(|(other, _)| other.as_deref() != Some(kind.as_str()))
        {
            return fail(
                *other_at,
                "`each` of two kinds in one condition, expected one",
            );
        }
        let unit = self.unit(&kind, kind_at)?;
        let points = self.here.points.of_kind_in(unit, &kind);
        if points.is_empty() {
            return self.no_such_kind(&format!("unit {unit}"), &kind, kind_at);
        }
        // What is wrong for one of them is wrong for all.
        let members = points.iter().map(|point| {
            let member = Lowering {
                each: Some(*point),
                ..*self
            };
            member.condition(arg)
        });
        members.collect()
    }

    /// `same(n, points…)`: a kind in `each` stands for all its points in the unit.
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
        for member in members {
            match &member.node {
                Node::Name(name) => points.push(self.point(name, member.at)?),
                Node::Call(Function::Each, of) => match of.as_slice() {
                    [
                        Expr {
                            node: Node::Name(Name::Kind(kind)),
                            ..
                        },
                    ] => {
                        let unit = self.unit(kind, member.at)?;
                        points.extend(self.here.points.of_kind_in(unit, kind));
                    }
                    _ => return fail(member.at, EXPECTED),
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
                    self.here.points.name(points[0]),
                    self.here.points.name(*other)
                ),
            );
        }
        if points.is_empty() {
            return self.no_point(at, "`same` of no points, expected some".into());
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

/// A count as a whole number from 1 to `most`.
fn whole(value: f64, most: usize) -> Option<u32> {
    (1..=u32::try_from(most).ok()?).find(|whole| f64::from(*whole).total_cmp(&value).is_eq())
}

/// The kinds that `each` is asked for in an expression, without looking into votes inside it: theirs is their own.
fn each_kinds(expr: &Expr, found: &mut Vec<(Option<String>, usize)>) {
    match &expr.node {
        Node::Number(..) | Node::Name(_) | Node::During(_) => {}
        Node::Not(inner) | Node::Negate(inner) | Node::Convert(inner, _) => {
            each_kinds(inner, found)
        }
        Node::And(parts) | Node::Or(parts) => {
            parts.iter().for_each(|part| each_kinds(part, found));
        }
        Node::Compare(_, left, right) | Node::Arith(_, left, right) => {
            each_kinds(left, found);
            each_kinds(right, found);
        }
        Node::Call(Function::Each, args) => {
            let kind = match args.as_slice() {
                [
                    Expr {
                        node: Node::Name(Name::Kind(kind)),
                        ..
                    },
                ] => Some(kind.clone()),
                _ => None,
            };
            found.push((kind, expr.at));
        }
        Node::Call(Function::Any | Function::All | Function::AtLeast | Function::Same, _) => {}
        Node::Call(_, args) => args.iter().for_each(|arg| each_kinds(arg, found)),
    }
}
