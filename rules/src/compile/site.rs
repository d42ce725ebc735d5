//! The limits, overrides and overlays that hold for a point: the narrowest table that takes it in, the site's before a pack's.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use front::{Place, Problems};

use super::Unread;
use super::alarm::Overrides;
use super::lint;
use super::lower::{self, Here};
use super::made::Made;
use super::number::Number;
use super::points::Points;
use crate::calendar::Calendar;
use crate::expr::Degrade;
use crate::file::{Derived, Limits, NamedCalendar, Overlay, Override, Placed, RuleFile, Selector};
use crate::syntax::Expr;

/// All that files say beside their rules.
#[derive(Debug)]
pub(super) struct Site<'a> {
    limits: Vec<Limit<'a>>,
    /// Which limit it is, by its word, its points, and whether the site gives it (and not a pack).
    by_word: BTreeMap<(String, Selector, bool), usize>,
    pub overrides: Vec<Override<'a>>,
    pub overlays: Vec<Overlay<'a>>,
    calendars: BTreeMap<String, NamedCalendar<'a>>,
    derived: BTreeMap<String, Derived<'a>>,
    /// The words of all limits.
    words: BTreeSet<String>,
    /// False when others could not be read.
    pub is_whole: bool,
    /// The same of rules.
    are_rules_whole: bool,
    /// Rules without some of their alarms, since something is wrong with them.
    pub failed: RefCell<BTreeSet<String>>,
    used: RefCell<BTreeSet<usize>>,
}

#[derive(Debug)]
struct Limit<'a> {
    selector: Selector,
    word: String,
    number: Number,
    item: front::Item<'a>,
    /// A file without a pack's head wins over a pack.
    of_site: bool,
}

impl<'a> Site<'a> {
    /// Gathers the tables of all files; a limit that is no constant, or is given twice, is a problem.
    pub(super) fn read(files: &[RuleFile<'a>], points: &Points<'_>, unread: Unread) -> Self {
        let nothing = Self {
            limits: Vec::new(),
            by_word: BTreeMap::new(),
            overrides: Vec::new(),
            overlays: Vec::new(),
            calendars: BTreeMap::new(),
            derived: BTreeMap::new(),
            words: BTreeSet::new(),
            is_whole: !unread.site,
            are_rules_whole: !unread.rules,
            failed: RefCell::default(),
            used: RefCell::default(),
        };
        let here = Here {
            points,
            site: &nothing,
            own: None,
            unit: None,
            degrade: Degrade::Hold,
            alarms: &Made::default(),
            may_lack: &[],
            is_shipped: false,
        };
        let mut limits: Vec<Limit<'a>> = Vec::new();
        let mut by_word = BTreeMap::new();
        for file in files {
            for table in &file.limits {
                for (word, value) in &table.values {
                    let Some(limit) = read_limit(table, word, value, &here, file.head.is_none())
                    else {
                        continue;
                    };
                    let key = (word.clone(), limit.selector.clone(), limit.of_site);
                    match by_word.get(&key) {
                        Some(first) => {
                            let first: &Limit<'a> = &limits[*first];
                            limit.item.problem(format!(
                                "a second limit `{word}` for the same points, the first is at {}",
                                first.item.place()
                            ));
                        }
                        None => {
                            by_word.insert(key, limits.len());
                            limits.push(limit);
                        }
                    }
                }
            }
        }
        check_molar(&limits, points);
        let overrides: Vec<Override<'a>> = files
            .iter()
            .flat_map(|file| file.overrides.iter().cloned())
            .collect();
        check_overrides_alone(&overrides);
        Self {
            words: limits.iter().map(|limit| limit.word.clone()).collect(),
            limits,
            by_word,
            overrides,
            overlays: files
                .iter()
                .flat_map(|file| file.overlays.iter().cloned())
                .collect(),
            calendars: by_name(files, |file| &file.calendars, |calendar| &calendar.name),
            derived: by_name(files, |file| &file.derived, |derived| &derived.name),
            is_whole: !unread.site,
            are_rules_whole: !unread.rules,
            failed: RefCell::default(),
            used: RefCell::default(),
        }
    }

    /// The calendar of this name; otherwise what to tell.
    pub(super) fn calendar(&self, name: &str) -> Result<&Calendar, String> {
        self.calendars
            .get(name)
            .map(|found| &found.calendar)
            .ok_or_else(|| {
                let names = self.calendars.keys().map(String::as_str);
                let hint = front::nearest(name, names).map_or_else(
                    || String::from(", expected a `[[calendar]]` of that name"),
                    |near| format!(", did you mean `{near}`?"),
                );
                format!("no calendar `{name}`{hint}")
            })
    }

    /// True when an alarm of this rule that is not there may be one that could not be read, or is wrong.
    pub(super) fn may_have_alarms(&self, rule: &str) -> bool {
        !self.are_rules_whole || self.failed.borrow().contains(rule)
    }

    /// The words of all limits.
    pub(super) fn limit_words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// What is derived under this name.
    pub(super) fn derived(&self, name: &str) -> Option<&Placed<'a, Expr>> {
        self.derived.get(name).map(|found| &found.value)
    }

    /// The names of what is derived.
    pub(super) fn derived_names(&self) -> impl Iterator<Item = &str> {
        self.derived.keys().map(String::as_str)
    }

    /// The limit of this word where `here` stands.
    pub(super) fn limit(&self, word: &str, here: &Here<'_>) -> Option<&Number> {
        let index = self.limit_index(word, here)?;
        self.used.borrow_mut().insert(index);
        Some(&self.limits[index].number)
    }

    /// Where the limit of this word is written, if the site gives it and not a pack.
    pub(super) fn limit_of_site(&self, word: &str, here: &Here<'_>) -> Option<Place> {
        let limit = &self.limits[self.limit_index(word, here)?];
        limit.of_site.then(|| limit.item.place())
    }

    fn limit_index(&self, word: &str, here: &Here<'_>) -> Option<usize> {
        let mut selectors = Vec::new();
        let unit = here.unit.map(String::from);
        if let (Some(own), Some(unit)) = (here.own, &unit) {
            let info = here.points.info(own);
            selectors.push(Selector::Point {
                unit: unit.clone(),
                point: info.point.clone(),
            });
            selectors.push(Selector::KindInUnit {
                kind: info.kind.clone(),
                unit: unit.clone(),
            });
        }
        selectors.extend(unit.map(Selector::Unit));
        if let Some(own) = here.own {
            selectors.push(Selector::Kind(here.points.info(own).kind.clone()));
        }
        selectors.push(Selector::All);
        selectors.into_iter().find_map(|selector| {
            let mut key = (String::from(word), selector, true);
            let found = self.by_word.get(&key).or_else(|| {
                key.2 = false;
                self.by_word.get(&key)
            });
            found.copied()
        })
    }

    /// The overrides of a rule for a point or a unit, widest first, and of those for the same points the one for all levels first; each with its index.
    pub(super) fn overrides_of(&self, rule: &str, here: &Here<'_>) -> Vec<(usize, &Override<'a>)> {
        let mut found: Vec<(usize, &Override<'a>)> = self
            .overrides
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.rule.value == rule && takes(&entry.selector, here))
            .collect();
        found.sort_by_key(|(_, entry)| (entry.selector.rank(), entry.level.is_some()));
        found
    }

    /// The overlays of a rule for a point or a unit, each with its index.
    pub(super) fn overlays_of(&self, rule: &str, here: &Here<'_>) -> Vec<(usize, &Overlay<'a>)> {
        self.overlays
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.rule.value == rule && takes(&entry.selector, here))
            .collect()
    }

    /// The calendars and the derived numbers that a rule's text rests on, as written.
    pub(super) fn written_parts(&self, rule: &str) -> String {
        let mut written = String::from(rule);
        let mut waiting: Vec<&Derived<'a>> = self.derived.values().collect();
        loop {
            let n_before = waiting.len();
            waiting.retain(|derived| {
                let asked = written.contains(&format!("Derived({:?})", derived.name.value));
                if asked {
                    written.push_str(&format!("{derived:?}"));
                }
                !asked
            });
            if waiting.len() == n_before {
                break;
            }
        }
        for calendar in self.calendars.values() {
            if written.contains(&format!("During({:?})", calendar.name.value)) {
                written.push_str(&format!("{calendar:?}"));
            }
        }
        written.split_off(rule.len())
    }

    /// The words of the limits that a text asks for.
    pub(super) fn limits_asked<'s>(&'s self, written: &str) -> BTreeSet<&'s str> {
        // A limit in ppm or mg/m³ rests on these without naming them.
        let molar = |word: &str| matches!(word, "molar-volume" | "molar-mass");
        let asked = |word: &&str| molar(word) || written.contains(&format!("Limit({word:?})"));
        self.limit_words().filter(asked).collect()
    }

    /// What it sets for a point or a unit beside a rule that asks for limits of these words, as written: these overrides,
    /// overlays with their calendars, and what the limits are.
    pub(super) fn written_for(
        &self,
        rule: &str,
        overrides: &Overrides<'_, 'a>,
        asked: &BTreeSet<&str>,
        here: &Here<'_>,
    ) -> String {
        let mut written = String::new();
        for (_, entry) in overrides {
            written.push_str(&format!("{entry:?}"));
        }
        for (_, entry) in self.overlays_of(rule, here) {
            let during = format!("During({:?})", entry.during.value);
            written.push_str(&format!("{entry:?}{during}"));
        }
        // What it sets may ask for limits, too.
        let mut asked = asked.clone();
        if !written.is_empty() {
            written.push_str(&self.written_parts(&written));
            asked.extend(self.limits_asked(&written));
        }
        for word in asked {
            if let Some(index) = self.limit_index(word, here) {
                let number = &self.limits[index].number;
                written.push_str(&format!(
                    "{word} {:?} {:?}\n",
                    number.formula, number.measure
                ));
            }
        }
        written
    }

    /// Warns of limits of the site that no rule asked for.
    ///
    /// `nearest`: what a selector that meets nothing may have meant.
    pub(super) fn warn_of_unused(
        &self,
        nearest: &dyn Fn(&Selector) -> Option<String>,
        warnings: &Problems,
    ) {
        let used = self.used.borrow();
        for (index, limit) in self.limits.iter().enumerate() {
            if limit.of_site && !used.contains(&index) {
                let words = used.iter().map(|index| self.limits[*index].word.as_str());
                let words: BTreeSet<&str> = words.filter(|word| *word != limit.word).collect();
                let word = || front::nearest(&limit.word, words).map(|near| format!("`{near}`"));
                let hint = nearest(&limit.selector)
                    .or_else(word)
                    .map_or_else(String::new, |near| format!(", did you mean {near}?"));
                warnings.add(
                    limit.item.place(),
                    limit.item.path(),
                    format!("no rule asks for this limit{hint}"),
                );
            }
        }
    }
}

fn takes(selector: &Selector, here: &Here<'_>) -> bool {
    let info = here.own.map(|own| here.points.info(own));
    selector.takes(
        here.unit.unwrap_or_default(),
        info.map(|info| info.point.as_str()),
        info.map(|info| info.kind.as_str()),
    )
}

/// Tables by their names; the site's replaces a pack's, and a second one beside it is a problem.
fn by_name<'a, T: Clone>(
    files: &[RuleFile<'a>],
    tables: for<'f> fn(&'f RuleFile<'a>) -> &'f [T],
    name: for<'t> fn(&'t T) -> &'t Placed<'a, String>,
) -> BTreeMap<String, T> {
    let mut found: BTreeMap<String, (bool, T)> = BTreeMap::new();
    for file in files {
        let of_site = file.head.is_none();
        for table in tables(file) {
            let name_of = name(table);
            match found.get(&name_of.value) {
                Some((first_of_site, first)) if *first_of_site == of_site => {
                    name_of.item.problem(format!(
                        "a second `{}`, the first is at {}",
                        name_of.value,
                        name(first).item.place()
                    ));
                }
                Some((true, _)) => {}
                Some((false, _)) | None => {
                    found.insert(name_of.value.clone(), (of_site, table.clone()));
                }
            }
        }
    }
    found
        .into_iter()
        .map(|(name, (_, table))| (name, table))
        .collect()
}

fn read_limit<'a>(
    table: &Limits<'a>,
    word: &str,
    value: &Placed<'a, Expr>,
    here: &Here<'_>,
    of_site: bool,
) -> Option<Limit<'a>> {
    match lower::constant(&value.value, here) {
        Ok(number) => Some(Limit {
            selector: table.selector.clone(),
            word: word.into(),
            number: Number {
                what: format!("{} at {}", number.what, value.item.place()),
                ..number
            },
            item: value.item.clone(),
            of_site,
        }),
        Err(mut error) => {
            if error.missing_limit {
                error.what = "a limit made of limits, expected a number and its unit".into();
                error.excused = false;
            }
            error.tell(&value.item);
            None
        }
    }
}

/// What a site may take for the molar volume, in L/mol: from 0 °C to 40 °C at sea level.
const MOLAR_VOLUMES: std::ops::RangeInclusive<f64> = 22.4..=25.7;

/// Reports molar volumes and masses that can't be: a limit in ppm rests on them, and they would make it another one in silence.
fn check_molar(limits: &[Limit<'_>], points: &Points<'_>) {
    let kind_of = |selector: &Selector| match selector {
        Selector::Kind(kind) | Selector::KindInUnit { kind, .. } => Some(kind.clone()),
        Selector::Point { unit, point } => {
            let point = points.find(unit, point)?;
            Some(points.info(point).kind.clone())
        }
        Selector::All | Selector::Unit(_) => None,
    };
    for limit in limits {
        let Some(number) = limit.number.constant() else {
            continue;
        };
        let unit = match limit.word.as_str() {
            "molar-volume" => "L/mol",
            "molar-mass" => "g/mol",
            _ => continue,
        };
        if limit.number.measure.name().as_deref() != Some(unit) {
            let measure = limit.number.measure.describe();
            limit
                .item
                .problem(format!("{number} is {measure}, expected it in {unit}"));
            continue;
        }
        if limit.word == "molar-volume" && !MOLAR_VOLUMES.contains(&number) {
            limit.item.problem(format!(
                "a molar volume of {number} L/mol, expected {} (0 °C) to {} (40 °C)",
                MOLAR_VOLUMES.start(),
                MOLAR_VOLUMES.end()
            ));
        }
        let kind = kind_of(&limit.selector).filter(|_| limit.word == "molar-mass");
        if let Some(kind) = kind
            && let Some(known) = lint::molar_mass(&kind)
            && libm::fabs(number / known - 1.0) > lint::MOLAR_MASS_SLACK
        {
            limit.item.problem(format!(
                "a molar mass of {number} g/mol for {kind}, which has {known} g/mol"
            ));
        }
    }
}

/// Reports overrides that say the same thing otherwise: the last would win in silence.
fn check_overrides_alone(overrides: &[Override<'_>]) {
    let says = |entry: &Override<'_>| {
        [
            ("at", entry.at.is_some()),
            ("deadband", entry.deadband.is_some()),
            ("on_delay", entry.on_delay_ms.is_some()),
            ("off_delay", entry.off_delay_ms.is_some()),
            ("off", entry.off),
        ]
    };
    for (index, entry) in overrides.iter().enumerate() {
        let level = |entry: &Override<'_>| entry.level.as_ref().map(|level| level.value.clone());
        let is_same = |other: &&Override<'_>| {
            other.rule.value == entry.rule.value
                && other.selector == entry.selector
                && level(other) == level(entry)
        };
        for first in overrides[..index].iter().filter(is_same) {
            for ((key, here), (_, there)) in says(entry).into_iter().zip(says(first)) {
                if here && there {
                    entry.rule.item.problem(format!(
                        "a second override of `{key}` of `{}` for the same points, the first is at {}",
                        entry.rule.value,
                        first.rule.item.place()
                    ));
                }
            }
        }
    }
}
