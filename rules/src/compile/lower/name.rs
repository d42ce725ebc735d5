//! What a name stands for where it is written: a point, a limit of the site, a derived number, a calendar.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::{DERIVED_MAX, LowerError, Lowered, Lowering, ROUND, Result, fail};
use crate::compile::number::{Measure, Number};
use crate::compile::points::LOOP;
use crate::expr::{Cond, Formula};
use crate::point::PointIdx;
use crate::syntax::Name;

impl Lowering<'_> {
    pub(super) fn name(&self, name: &Name, at: usize) -> Result<Lowered> {
        match name {
            Name::Limit(word) => self.limit(word, at).map(Lowered::Number),
            Name::Derived(name) => self.derived(name, at),
            Name::Alarm(rule) => self.alarm(rule, at).map(Lowered::Cond),
            _ => Ok(self.value_of(self.point(name, at)?)),
        }
    }

    pub(super) fn value_of(&self, point: PointIdx) -> Lowered {
        let info = self.here.points.info(point);
        if info.digital {
            return Lowered::Cond(Cond::On(point));
        }
        Lowered::Number(Number {
            formula: Formula::Point(point),
            measure: Measure::of(info.eu.as_deref()),
            what: self.here.points.declared(point),
        })
    }

    fn limit(&self, word: &str, at: usize) -> Result<Number> {
        let here = self.here;
        if let Some(number) = here.site.limit(word, here) {
            return Ok(Number {
                what: format!("`limit.{word}` ({})", number.what),
                ..number.clone()
            });
        }
        let words = here.site.limit_words().filter(|known| *known != word);
        let hint = front::nearest(word, words).map_or_else(String::new, |near| {
            format!(", or did you mean `limit.{near}`?")
        });
        let (whose, selector) = match (here.own, here.unit) {
            (Some(own), _) => {
                let name = here.points.name(own);
                (name.clone(), format!("point = \"{name}\""))
            }
            (None, Some(unit)) => (format!("unit {unit}"), format!("unit = \"{unit}\"")),
            (None, None) => {
                return Err(LowerError {
                    at,
                    what: "a limit of the site as a whole, expected a number".into(),
                    missing_limit: true,
                    may_lack: false,
                    excused: false,
                    also: Vec::new(),
                });
            }
        };
        Err(LowerError {
            at,
            what: format!(
                "no limit `{word}` is given for {whose}, expected a table of the site: `[[limits]]`, `{selector}`, `{word} = \"…\"`{hint}"
            ),
            missing_limit: true,
            may_lack: false,
            excused: !here.site.is_whole,
            also: Vec::new(),
        })
    }

    /// What a `[[derived]]` table says, as if it were written here.
    fn derived(&self, name: &str, at: usize) -> Result<Lowered> {
        if self.depth == DERIVED_MAX {
            return fail(at, format!("`derived.{name}` {ROUND}"));
        }
        let Some(value) = self.here.site.derived(name) else {
            let names = self.here.site.derived_names();
            let hint = front::nearest(name, names).map_or_else(String::new, |near| {
                format!(", did you mean `derived.{near}`?")
            });
            return Err(LowerError {
                at,
                what: format!("no `[[derived]]` is called `{name}`{hint}"),
                missing_limit: false,
                may_lack: false,
                excused: !self.here.site.is_whole,
                also: Vec::new(),
            });
        };
        let inside = Lowering {
            depth: self.depth + 1,
            ..*self
        };
        let told_here = |error: LowerError| LowerError {
            at,
            what: match error.what.ends_with(ROUND) {
                // The way round and round is not worth telling.
                true => error.what,
                false => format!("`derived.{name}` at {}: {}", value.item.place(), error.what),
            },
            ..error
        };
        let lowered = inside.lower(&value.value).map_err(|mut error| {
            let also = std::mem::take(&mut error.also).into_iter();
            LowerError {
                also: also.map(told_here).collect(),
                ..told_here(error)
            }
        })?;
        Ok(match lowered {
            Lowered::Cond(condition) => Lowered::Cond(condition),
            Lowered::Number(number) => Lowered::Number(Number {
                what: format!(
                    "`derived.{name}` ({}) of {}",
                    value.item.place(),
                    number.what
                ),
                ..number
            }),
        })
    }

    /// Any alarm of a rule in the unit, or in the site, is active.
    fn alarm(&self, rule: &str, at: usize) -> Result<Cond> {
        let here = self.here;
        if self.depth > 0 {
            return fail(
                at,
                format!("`alarm.{rule}` in a `[[derived]]`, expected it in the rule itself"),
            );
        }
        let alarms = here.alarms.of_in(rule, here.unit).into_iter();
        let active: Vec<Cond> = alarms
            .map(|alarm| Cond::Alarm { alarm, severity: 0 })
            .collect();
        if !active.is_empty() {
            return Ok(Cond::Any(active));
        }
        let place = match here.unit {
            Some(unit) => format!("unit {unit}"),
            None => "this site".into(),
        };
        let near = front::nearest(rule, here.alarms.rules());
        let hint = near
            .filter(|near| *near != rule)
            .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
        Err(LowerError {
            at,
            what: format!("no rule `{rule}` has an alarm in {place}{hint}"),
            missing_limit: false,
            // Of a rule that is known, or of a pack that is not loaded.
            may_lack: here.alarms.knows(rule) || here.is_shipped,
            excused: !here.points.are_all || here.site.may_have_alarms(rule),
            also: Vec::new(),
        })
    }

    pub(super) fn during(&self, name: &str, at: usize) -> Result<Cond> {
        match self.here.site.calendar(name) {
            Ok(calendar) => Ok(Cond::During(calendar.clone())),
            Err(what) => Err(LowerError {
                at,
                what,
                missing_limit: false,
                may_lack: false,
                excused: !self.here.site.is_whole,
                also: Vec::new(),
            }),
        }
    }

    /// Says that a point is missing, unless it may be one of those that could not be read.
    pub(super) fn no_point<T>(&self, at: usize, what: String) -> Result<T> {
        Err(LowerError {
            at,
            what,
            missing_limit: false,
            may_lack: false,
            excused: !self.here.points.are_all,
            also: Vec::new(),
        })
    }

    /// The point that a name is.
    pub(super) fn point(&self, name: &Name, at: usize) -> Result<PointIdx> {
        let here = self.here;
        match name {
            Name::Own => match here.own {
                Some(own) => Ok(own),
                None => fail(
                    at,
                    "`self` in a rule that is about no single point, expected `unit.<kind>` or `'unit/point'`",
                ),
            },
            Name::Limit(word) => fail(at, format!("`limit.{word}` is no point")),
            Name::Derived(name) => fail(at, format!("`derived.{name}` is no point")),
            Name::Alarm(rule) => fail(at, format!("`alarm.{rule}` is no point")),
            Name::InSite(kind) => {
                self.only_one(here.points.of_kind(kind), "this site", "site", kind, at)
            }
            Name::Point { unit, point } => here.points.find(unit, point).map_or_else(
                || {
                    let names = here.points.names();
                    let wanted = format!("{unit}/{point}");
                    let hint = front::nearest(&wanted, names.iter().map(String::as_str))
                        .map_or_else(String::new, |near| format!(", did you mean `'{near}'`?"));
                    self.no_point(at, format!("no point {wanted} in this site{hint}"))
                },
                Ok,
            ),
            Name::Kind(kind) => {
                let unit = self.unit(kind, at)?;
                let found = here.points.of_kind_in(unit, kind);
                self.only_one(found, &format!("unit {unit}"), "unit", kind, at)
            }
            Name::OfDevice(kind) => {
                let beside = here
                    .own
                    .and_then(|own| here.points.of_kind_beside(own, kind));
                let Some((device, found)) = beside else {
                    return fail(
                        at,
                        format!(
                            "`device.{kind}`, and no device is known here, expected `unit.{kind}` or `'unit/point'`"
                        ),
                    );
                };
                self.only_one(&found, &format!("device {device}"), "device", kind, at)
            }
            Name::InLoop(kind) => {
                let Some(own) = here.own else {
                    return fail(
                        at,
                        format!(
                            "`loop.{kind}` in a rule that is about no single point, expected `unit.{kind}` or `'unit/point'`"
                        ),
                    );
                };
                let Some(((unit, of), found)) = here.points.of_kind_in_loop(own, kind) else {
                    return self.no_loop(own, kind, at);
                };
                let place = format!("loop {of} of unit {unit}");
                self.only_one(&found, &place, "loop", kind, at)
            }
            Name::Peers => fail(at, "`peers` stands inside `each( )`, as `each(peers)`"),
        }
    }

    fn no_loop<T>(&self, own: PointIdx, kind: &str, at: usize) -> Result<T> {
        let keys = self.here.points.info(own).attributes.iter();
        let near = front::nearest(LOOP, keys.map(|(key, _)| key.as_str()));
        let hint = near.map_or_else(
            || format!("expected it as `attributes = {{ {LOOP} = \"…\" }}`, or `unit.{kind}`"),
            |near| format!("is `{near}` meant to be it?"),
        );
        fail(
            at,
            format!(
                "`loop.{kind}`, and {} has no attribute `{LOOP}`, {hint}",
                self.here.points.name(own)
            ),
        )
    }

    fn only_one(
        &self,
        found: &[PointIdx],
        place: &str,
        word: &str,
        kind: &str,
        at: usize,
    ) -> Result<PointIdx> {
        match found {
            [point] => Ok(*point),
            [] => {
                let missing = self.no_such_kind(place, kind, at);
                // A device is on one bus: who has one of its points has them all.
                missing.map_err(|error| LowerError {
                    excused: error.excused && word != "device",
                    may_lack: error.may_lack && word == "unit",
                    ..error
                })
            }
            several => {
                let names: Vec<String> = several
                    .iter()
                    .take(4)
                    .map(|point| self.here.points.name(*point))
                    .collect();
                let (names, n_points) = (names.join(", "), several.len());
                fail(
                    at,
                    format!(
                        "`{word}.{kind}` is not one point: {place} has {n_points} of that kind ({names}), expected one by its name, or a vote over `each(unit.{kind})`"
                    ),
                )
            }
        }
    }

    pub(super) fn unit(&self, kind: &str, at: usize) -> Result<&str> {
        self.here.unit.map_or_else(
            || {
                fail(
                    at,
                    format!("`unit.{kind}` in a rule of the whole site, expected `'unit/point'`"),
                )
            },
            Ok,
        )
    }

    pub(super) fn no_such_kind<T>(&self, place: &str, kind: &str, at: usize) -> Result<T> {
        let near = self
            .here
            .unit
            .and_then(|unit| front::nearest(kind, self.here.points.kinds_in(unit)));
        let hint = near
            .filter(|near| *near != kind)
            .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
        let none = self.no_point(at, format!("{place} has no point of kind {kind}{hint}"));
        none.map_err(|error| LowerError {
            may_lack: self.may_lack(kind),
            ..error
        })
    }

    /// True when the unit may have no point of the kind: the rule is for units with any of some.
    pub(super) fn may_lack(&self, kind: &str) -> bool {
        self.here.may_lack.iter().any(|may| may.value == kind)
    }
}
