//! The tree of an expression.

use std::boxed::Box;
use std::string::String;
use std::vec::Vec;

use crate::unit::Unit;

/// A node with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub node: Node,
    /// The byte offset of its first character in the text.
    pub at: usize,
}

/// What an expression can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A finite number, with its unit if one is written.
    Number(f64, Option<Unit>),
    /// A point or a limit by its name.
    Name(Name),
    /// A function and its arguments.
    Call(Function, Vec<Expr>),
    /// `not`.
    Not(Box<Expr>),
    /// `and` of two or more.
    And(Vec<Expr>),
    /// `or` of two or more.
    Or(Vec<Expr>),
    /// A comparison of two numbers.
    Compare(Compare, Box<Expr>, Box<Expr>),
    /// Arithmetic on two numbers.
    Arith(Arith, Box<Expr>, Box<Expr>),
    /// A number's negative.
    Negate(Box<Expr>),
    /// `convert(number, 'unit')`: the number in another unit.
    Convert(Box<Expr>, Unit),
    /// `during(name)`: a calendar holds.
    During(String),
    /// What could not be read, and was told.
    Wrong,
}

/// A name in an expression.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Name {
    /// `self`: the point that the rule is about.
    Own,
    /// `unit.<kind>`: the one point of that kind in the same unit.
    Kind(String),
    /// `device.<kind>`: the one point of that kind of the same device.
    OfDevice(String),
    /// `loop.<kind>`: the one point of that kind in the same instrument loop.
    InLoop(String),
    /// `peers`, inside `each( )`: the other points of the same kind in the same unit.
    Peers,
    /// `site.<kind>`: the one point of that kind in the site.
    InSite(String),
    /// `alarm.<rule>`: an alarm of that rule is active in the same unit, or for a rule of the site in the site.
    Alarm(String),
    /// `'unit/point'`: a point by its full name.
    Point {
        /// The unit's name.
        unit: String,
        /// The point's name.
        point: String,
    },
    /// `limit.<word>`: a limit that the site gives for the point.
    Limit(String),
    /// `derived.<name>`: what a `[[derived]]` table reckons from points.
    Derived(String),
}

/// The functions of the language.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Function {
    /// `held(condition, time)`: the condition has been true for the whole time.
    Held,
    /// `since(condition)`: how long ago it was last true.
    Since,
    /// `count(condition, time)`: how often it became true in that time.
    Count,
    /// `time_in(condition, time)`: for how long it was true in that time.
    TimeIn,
    /// `sum(point, time)`: the sum of its readings in that time.
    Sum,
    /// `increase(point, time)`: by how much a counter grew in that time.
    Increase,
    /// `mean(number, time)`: its mean over that time.
    Mean,
    /// `stdev(number, time)`: its standard deviation over that time.
    Stdev,
    /// `lowest(number, time)`: the lowest in that time.
    Lowest,
    /// `highest(number, time)`: the highest in that time.
    Highest,
    /// `median(number, time)`: the middle one of what it was when the slices of that time began.
    Median,
    /// `mad(number, time)`: the median of their distances from that.
    Mad,
    /// `change(number, time)`: now less that time ago.
    Change,
    /// `distance(longitude, latitude, longitude, latitude)`: metres between two places.
    Distance,
    /// `angle(direction, direction)`: degrees between two directions, the shorter way round.
    Angle,
    /// `same(n, points…)`: at least `n` of the points read exactly the same, and not 0.
    Same,
    /// `repeats(point, n)`: its last `n` readings came before, one by one.
    Repeats,
    /// `at_least(k, conditions…)`: at least `k` of the conditions are true.
    AtLeast,
    /// `any(conditions…)`: at least one is true.
    Any,
    /// `all(conditions…)`: every one is true.
    All,
    /// `each(unit.<kind>)` or `each(peers)`: inside an argument of a vote, of `min` or of `max`, stands for every such point.
    Each,
    /// `bad(point)`: its last reading can't be used, or is too old.
    Bad,
    /// `stale(point)`: nothing new came for its `max_age`.
    Stale,
    /// `tested(point)`: it is under test.
    Tested,
    /// `abs(number)`.
    Abs,
    /// `min(numbers…)`.
    Min,
    /// `max(numbers…)`.
    Max,
}

impl Function {
    pub(crate) const NAMES: [(&'static str, Self); 27] = [
        ("held", Self::Held),
        ("since", Self::Since),
        ("count", Self::Count),
        ("time_in", Self::TimeIn),
        ("sum", Self::Sum),
        ("increase", Self::Increase),
        ("mean", Self::Mean),
        ("stdev", Self::Stdev),
        ("lowest", Self::Lowest),
        ("highest", Self::Highest),
        ("median", Self::Median),
        ("mad", Self::Mad),
        ("change", Self::Change),
        ("distance", Self::Distance),
        ("angle", Self::Angle),
        ("same", Self::Same),
        ("repeats", Self::Repeats),
        ("at_least", Self::AtLeast),
        ("any", Self::Any),
        ("all", Self::All),
        ("each", Self::Each),
        ("bad", Self::Bad),
        ("stale", Self::Stale),
        ("tested", Self::Tested),
        ("abs", Self::Abs),
        ("min", Self::Min),
        ("max", Self::Max),
    ];

    /// True for what decides by how many.
    pub fn votes(self) -> bool {
        matches!(self, Self::AtLeast)
    }

    /// True for what takes `each( )` in its arguments.
    pub fn has_each(self) -> bool {
        matches!(
            self,
            Self::AtLeast | Self::Any | Self::All | Self::Same | Self::Min | Self::Max
        )
    }

    /// The name as it is written.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, function)| *function == self)
            .map_or("", |(name, _)| name)
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compare {
    /// `>=`.
    AtLeast,
    /// `>`.
    Above,
    /// `<=`.
    AtMost,
    /// `<`.
    Below,
}

/// Arithmetic on two numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arith {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
}

impl Expr {
    /// This expression and every one inside it.
    pub fn walk<'e>(&'e self, meet: &mut dyn FnMut(&'e Self)) {
        meet(self);
        match &self.node {
            Node::Number(..) | Node::Name(_) | Node::During(_) | Node::Wrong => {}
            Node::Not(inner) | Node::Negate(inner) | Node::Convert(inner, _) => inner.walk(meet),
            Node::And(parts) | Node::Or(parts) | Node::Call(_, parts) => {
                parts.iter().for_each(|part| part.walk(meet));
            }
            Node::Compare(_, left, right) | Node::Arith(_, left, right) => {
                left.walk(meet);
                right.walk(meet);
            }
        }
    }
}
