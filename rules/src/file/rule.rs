//! One rule as it is written.

use core::fmt;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use front::{Item, Table};

use super::level::{delay, rule_name};
use super::{
    CountLevel, Level, Life, LimitLevel, Placed, WhenLevel, expr_or_wrong, names, placed_name,
};
use crate::expr::Degrade;
use crate::program::Text;
use crate::syntax::Expr;

/// Words in braces that a rule's text may have; those after the fourth only where a number is compared.
const WORDS: [&str; 7] = ["tag", "unit", "point", "level", "value", "eu", "limit"];
/// How long a condition can't be told before messages say so, where the rule says nothing.
const UNKNOWN_AFTER_MS: u64 = 5_000;
const N_WORDS_WITHOUT_NUMBER: usize = 4;
/// The most other points of its kind that a point can be asked to have in its unit.
const PEERS_MAX: i64 = 256;

/// What a rule's numbers rest on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Basis {
    /// They were found in a source, which the note names.
    Verified(String),
    /// They could not be checked against the standard, for the reason in the note.
    Unverified(String),
}

/// For what a rule has an alarm each.
#[derive(Clone, Debug)]
pub enum Scope<'a> {
    /// Every point of some kinds, perhaps in one unit only.
    Points {
        /// The kinds.
        kinds: Vec<Placed<'a, String>>,
        /// The one unit; all when none.
        unit: Option<Placed<'a, String>>,
        /// What they must have beside it; nothing when empty.
        with: Vec<With<'a>>,
    },
    /// Every unit that has at least one point of each kind.
    Units {
        /// The kinds.
        having: Vec<Placed<'a, String>>,
        /// The one unit; all when none.
        unit: Option<Placed<'a, String>>,
    },
    /// Every unit that has a point of at least one of these kinds.
    UnitsWithAny {
        /// The kinds.
        of: Vec<Placed<'a, String>>,
        /// The one unit; all when none.
        unit: Option<Placed<'a, String>>,
    },
    /// Every unit in which the rules that it counts have an alarm.
    CountedUnits,
    /// The site as a whole.
    Site,
}

/// What a point must have for a rule to be for it.
#[derive(Clone)]
pub enum With<'a> {
    /// An attribute: its key and its word.
    Attribute(Placed<'a, String>, String),
    /// A point of this kind in the same instrument loop.
    InLoop(Placed<'a, String>),
    /// At least so many other points of its kind in its unit.
    Peers(u16),
}

impl<'a> Scope<'a> {
    /// The kinds of which a unit may have no point.
    pub(crate) fn may_lack(&self) -> &[Placed<'a, String>] {
        match self {
            Self::UnitsWithAny { of, .. } => of,
            _ => &[],
        }
    }
}

impl<'a> With<'a> {
    /// The kind that its loop must have.
    pub(crate) fn kind_in_loop(&self) -> Option<&Placed<'a, String>> {
        match self {
            Self::InLoop(kind) => Some(kind),
            Self::Attribute(..) | Self::Peers(_) => None,
        }
    }
}

impl fmt::Debug for With<'_> {
    // An attribute shows as before there was anything else, so that the text of a rule is the same: no alarm of it says that its rule changed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(key, word) => (key, word).fmt(f),
            Self::InLoop(kind) => f.debug_tuple("InLoop").field(kind).finish(),
            Self::Peers(least) => f.debug_tuple("Peers").field(least).finish(),
        }
    }
}

/// What a rule asks.
#[derive(Clone, Debug)]
pub enum Condition<'a> {
    /// A number against limits, each level exclusive.
    Limits {
        /// The number; the point's own when none.
        value: Option<Placed<'a, Expr>>,
        /// Reached from below, mildest first.
        high: Vec<LimitLevel<'a>>,
        /// Reached from above, mildest first.
        low: Vec<LimitLevel<'a>>,
    },
    /// Conditions that are true, false or unknown, each for its level, mildest first.
    When(Vec<WhenLevel<'a>>),
    /// How many alarms of other rules stand in the same unit, or in the site.
    Counts {
        /// The other rules, by name.
        over: Vec<Placed<'a, String>>,
        /// The levels, mildest first.
        levels: Vec<CountLevel<'a>>,
    },
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule<'a> {
    /// Its name, unique in all packs that are loaded together.
    pub name: Placed<'a, String>,
    /// The clause that it stands on.
    pub clause: Option<String>,
    /// What its numbers rest on.
    pub basis: Basis,
    /// For what it has an alarm each.
    pub scope: Scope<'a>,
    /// What it asks.
    pub condition: Condition<'a>,
    /// The gate: part of the condition.
    pub only_while: Option<Placed<'a, Expr>>,
    /// What an alarm says.
    pub text: Text,
    /// What people are to do; empty where nothing is said.
    pub advice: Text,
    /// What an unknown part does to a vote.
    pub degrade: Degrade,
    /// True when the rule says so itself.
    pub degrades: bool,
    /// How long the condition can't be told before messages say so, in milliseconds.
    pub unknown_after_ms: u64,
    /// What people and design may do to its alarms.
    pub life: Life<'a>,
    /// True when what its alarms are about is uncertain to other rules while they stand.
    pub makes_uncertain: bool,
}

impl<'a> Rule<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let name = table
            .req("name")
            .and_then(|item| Some(Placed::new(rule_name(&item)?, item)));
        let clause = table.opt("clause").and_then(|item| item.str());
        let clause = clause.map(ToString::to_string);
        let basis = read_basis(table);
        let scope = table.req("for").and_then(|item| read_scope(&item));
        let condition = read_condition(table);
        if let (Some(Scope::CountedUnits), Some(condition)) = (&scope, &condition)
            && !matches!(condition, Condition::Counts { .. })
        {
            table.problem(
                "`for = \"units\"` and no `over`, expected other rules to count in each unit",
            );
        }
        let only_while = table.opt("only_while").map(expr_or_wrong);
        let words: &[&str] = match condition {
            Some(Condition::When(_) | Condition::Counts { .. }) => &WORDS[..N_WORDS_WITHOUT_NUMBER],
            _ => &WORDS,
        };
        let text = table.req("text").and_then(|item| text(&item, words));
        let advice = match table.opt("advice") {
            None => Some(Text::default()),
            Some(item) => self::text(&item, words),
        };
        let degrade = table.opt("degrade");
        let degrades = degrade.is_some();
        let degrade = degrade.and_then(|item| degrade_word(&item));
        let degrade = degrade.unwrap_or(Degrade::Hold);
        let unknown_after_ms = match table.opt("unknown_after") {
            None => None,
            Some(_) => delay(table, "unknown_after"),
        };
        let unknown_after_ms = unknown_after_ms.unwrap_or(UNKNOWN_AFTER_MS);
        let life = Life::read(table);
        let makes_uncertain = table.opt("makes_uncertain").and_then(|item| item.bool());
        table.finish();
        // What is wrong was reported; the rest is still held against the points, so that all comes at once.
        Some(Self {
            name: name?,
            clause,
            basis: basis.unwrap_or(Basis::Unverified(String::new())),
            scope: scope?,
            condition: condition?,
            only_while,
            text: text.unwrap_or_default(),
            advice: advice.unwrap_or_default(),
            degrade,
            degrades,
            unknown_after_ms,
            life: life?,
            makes_uncertain: makes_uncertain.unwrap_or(false),
        })
    }

    /// Every condition and number that it is made of.
    pub fn exprs(&self) -> Vec<&Placed<'a, Expr>> {
        let reasons = self.life.suppress.iter().map(|reason| &reason.condition);
        let mut exprs: Vec<&Placed<'a, Expr>> = self.only_while.iter().chain(reasons).collect();
        match &self.condition {
            Condition::Limits { value, .. } => exprs.extend(value),
            Condition::When(levels) => exprs.extend(levels.iter().map(|level| &level.when)),
            Condition::Counts { .. } => {}
        }
        exprs
    }

    /// A level and the milder ones of its side, whether or not the site has them; none for a name that no level has.
    pub fn up_to(&self, level: &str) -> Vec<&Level<'a>> {
        let levels = self.levels();
        let (high, low) = match &self.condition {
            Condition::Limits { high, .. } => levels.split_at(high.len()),
            Condition::When(_) | Condition::Counts { .. } => levels.split_at(levels.len()),
        };
        for side in [high, low] {
            if let Some(place) = side.iter().position(|it| it.name.value == level) {
                return side[..=place].to_vec();
            }
        }
        Vec::new()
    }

    /// The levels, mildest first on each side.
    pub fn levels(&self) -> Vec<&Level<'a>> {
        match &self.condition {
            Condition::Limits { high, low, .. } => {
                high.iter().chain(low).map(|limit| &limit.level).collect()
            }
            Condition::When(levels) => levels.iter().map(|when| &when.level).collect(),
            Condition::Counts { levels, .. } => levels.iter().map(|count| &count.level).collect(),
        }
    }
}

fn degrade_word(item: &Item<'_>) -> Option<Degrade> {
    Some(match item.one_of(&["hold", "vote", "drop", "lower"])? {
        "vote" => Degrade::Vote,
        "drop" => Degrade::Drop,
        "lower" => Degrade::Lower,
        _ => Degrade::Hold,
    })
}

fn read_basis(table: &Table<'_>) -> Option<Basis> {
    match (table.opt("verified"), table.opt("unverified")) {
        (Some(item), None) => Some(Basis::Verified(item.str()?.to_string())),
        (None, Some(item)) => Some(Basis::Unverified(item.str()?.to_string())),
        (Some(_), Some(item)) => {
            item.problem("beside `verified`, expected one of the two");
            None
        }
        (None, None) => {
            table.lacks(
                "neither `verified` nor `unverified`, expected one, with a note of what the rule's numbers rest on",
            );
            None
        }
    }
}

fn read_scope<'a>(item: &Item<'a>) -> Option<Scope<'a>> {
    if item.is_str() {
        return match item.one_of(&["units", "site"])? {
            "units" => Some(Scope::CountedUnits),
            _ => Some(Scope::Site),
        };
    }
    let table = item.table()?;
    let kind = table.opt("kind");
    let having = table.opt("unit_with");
    let having_any = table.opt("unit_with_any");
    let unit = match table.opt("unit") {
        None => Some(None),
        Some(item) => placed_name(item).map(Some),
    };
    let with = read_with(&table, kind.is_some());
    table.finish();
    match (kind, having, having_any) {
        (Some(kind), None, None) => {
            let kinds = if kind.is_str() {
                placed_name(kind).map(|kind| Vec::from([kind]))
            } else {
                names(&kind)
            };
            Some(Scope::Points {
                kinds: kinds?,
                unit: unit?,
                with: with?,
            })
        }
        (None, Some(having), None) => {
            let having = names(&having);
            Some(Scope::Units {
                having: having?,
                unit: unit?,
            })
        }
        (None, None, Some(of)) => {
            let of = names(&of);
            Some(Scope::UnitsWithAny {
                of: of?,
                unit: unit?,
            })
        }
        _ => {
            table.problem(
                "expected `kind = \"…\"` (an alarm for each point), `unit_with = [\"…\"]` (for each unit that has such points), `unit_with_any = [\"…\"]` (for each unit that has one of them), `for = \"units\"` (for each unit with alarms that it counts) or `for = \"site\"`",
            );
            None
        }
    }
}

/// What the points of a rule must have; `None` when something of it is wrong.
fn read_with<'a>(table: &Table<'a>, has_kind: bool) -> Option<Vec<With<'a>>> {
    let (with, in_loop) = (table.opt("with"), table.opt("loop_with"));
    let peers = table.opt("peers");
    if !has_kind {
        let asked = [
            (&with, "attributes are"),
            (&in_loop, "instrument loops are"),
            (&peers, "peers are"),
        ];
        for (item, what) in asked {
            if let Some(item) = item {
                item.problem(format!("{what} of points, expected `kind` beside it"));
            }
        }
    }
    let attributes = with.map_or(Some(Vec::new()), |item| attributes(&item.table()?));
    let in_loop = in_loop.map_or(Some(Vec::new()), |item| names(&item));
    let peers = match peers {
        None => Some(None),
        Some(item) => {
            let least = item.int(1..=PEERS_MAX);
            least.and_then(|least| Some(Some(With::Peers(u16::try_from(least).ok()?))))
        }
    };
    let in_loop = in_loop?.into_iter().map(With::InLoop);
    Some(
        attributes?
            .into_iter()
            .chain(in_loop)
            .chain(peers?)
            .collect(),
    )
}

/// `key = "word"` each; `None` when one is wrong.
fn attributes<'a>(table: &Table<'a>) -> Option<Vec<With<'a>>> {
    let entries = table.entries();
    let n_entries = entries.len();
    let read: Vec<_> = entries
        .into_iter()
        .filter_map(|(key, item)| {
            let word = item.str()?.to_string();
            Some(With::Attribute(Placed::new(key.to_string(), item), word))
        })
        .collect();
    (read.len() == n_entries).then_some(read)
}

fn read_condition<'a>(table: &Table<'a>) -> Option<Condition<'a>> {
    let (high, low) = (table.opt("high"), table.opt("low"));
    let (when, over) = (table.opt("when"), table.opt("over"));
    let conditions = table.opt("levels");
    let forms = [
        high.is_some() || low.is_some(),
        when.is_some(),
        conditions.is_some(),
        over.is_some(),
    ];
    if forms.iter().filter(|form| **form).count() != 1 {
        table.problem(
            "expected one condition: `high` and `low` limits, `when` an expression holds, `levels` of such, or `over` other rules with `counts`",
        );
        return None;
    }
    if when.is_some() {
        return Some(Condition::When(Vec::from([WhenLevel::read(table)?])));
    }
    if let Some(conditions) = conditions {
        let levels = levels(&conditions, |table| {
            let level = WhenLevel::read(table);
            table.finish();
            level
        });
        return Some(Condition::When(levels?));
    }
    if let Some(over) = over {
        let over = names(&over);
        let counts = table.req("counts");
        let levels = counts.map(|item| levels(&item, CountLevel::read));
        return Some(Condition::Counts {
            over: over?,
            levels: levels??,
        });
    }
    let value = table.opt("value").map(expr_or_wrong);
    let high = high.map_or(Some(Vec::new()), |item| levels(&item, LimitLevel::read));
    let low = low.map_or(Some(Vec::new()), |item| levels(&item, LimitLevel::read));
    Some(Condition::Limits {
        value,
        high: high?,
        low: low?,
    })
}

/// A list of levels; `None` when one could not be read.
fn levels<'a, T>(item: &Item<'a>, read: impl Fn(&Table<'a>) -> Option<T>) -> Option<Vec<T>> {
    let items = item.items();
    if items.is_empty() {
        if item.is_array() {
            item.problem("no level, expected at least one");
        }
        return None;
    }
    let n_items = items.len();
    let levels: Vec<T> = items
        .iter()
        .filter_map(|item| read(&item.table()?))
        .collect();
    (levels.len() == n_items).then_some(levels)
}

/// Reads `{ zh, en }`; a word in braces must be one of `words`.
pub(super) fn text(item: &Item<'_>, words: &[&str]) -> Option<Text> {
    let table = item.table()?;
    let read = |key: &str| {
        let item = table.req(key)?;
        let text = item.str()?;
        check_braces(&item, text, words).then(|| text.to_string())
    };
    let (zh, en) = (read("zh"), read("en"));
    table.finish();
    Some(Text { zh: zh?, en: en? })
}

fn check_braces(item: &Item<'_>, text: &str, words: &[&str]) -> bool {
    let mut fine = true;
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find(['{', '}'])) {
        let open = at + open;
        let inside = text.get(open + 1..).unwrap_or_default();
        let len = inside.find(['{', '}']).unwrap_or(inside.len());
        let word = inside.get(..len).unwrap_or_default();
        let closed = text.get(open..).is_some_and(|rest| rest.starts_with('{'))
            && inside.get(len..).is_some_and(|rest| rest.starts_with('}'));
        if !closed {
            item.problem_inside(open, "a brace without its partner, expected `{word}`");
            return false;
        }
        if !words.contains(&word) {
            let expected = match front::nearest(word, words.iter().copied()) {
                Some(near) => format!("did you mean `{{{near}}}`?"),
                None if words.is_empty() => "expected none here".to_string(),
                None => format!("expected one of `{{{}}}`", words.join("}`, `{")),
            };
            item.problem_inside(
                open,
                format!("`{{{word}}}` is no word of this text, {expected}"),
            );
            fine = false;
        }
        at = open + 1 + len + 1;
    }
    fine
}
