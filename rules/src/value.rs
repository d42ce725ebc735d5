//! Three-valued logic with trust, and numbers with trust.
//!
//! Knows nothing of points, time or alarms.

use telemetry::{Quality, Severity};

use crate::expr::Compare;

/// True, false or unknown.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Tri {
    /// It does not hold.
    False,
    /// Nobody can tell.
    #[default]
    Unknown,
    /// It holds.
    True,
}

/// A condition with how far its answer can be trusted.
///
/// A chain of five: firm false < weak false < unknown < weak true < firm true.
/// Weak comes from uncertain data: it can raise an alarm or stop an on-delay, and cannot clear.
/// And is the least, or the greatest, not mirrors, "k of n" is the k-th greatest: Kleene's logic on a longer chain.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Truth(i8);

impl Truth {
    /// False on good data.
    pub const FALSE: Self = Self(-2);
    /// False on uncertain data.
    pub const WEAK_FALSE: Self = Self(-1);
    /// Unknown.
    pub const UNKNOWN: Self = Self(0);
    /// True on uncertain data.
    pub const WEAK_TRUE: Self = Self(1);
    /// True on good data.
    pub const TRUE: Self = Self(2);

    /// A plain answer on data of that trust; unknown on bad data.
    pub fn new(holds: bool, trust: Trust) -> Self {
        let strength = match trust {
            Trust::Good => 2,
            Trust::Uncertain => 1,
            Trust::AtLeast | Trust::Bad => 0,
        };
        Self(if holds { strength } else { -strength })
    }

    /// The answer without its trust.
    pub fn tri(self) -> Tri {
        match self.0 {
            ..0 => Tri::False,
            0 => Tri::Unknown,
            _ => Tri::True,
        }
    }

    /// True, on good or uncertain data.
    pub fn is_true(self) -> bool {
        self.0 > 0
    }

    /// Unknown.
    pub fn is_unknown(self) -> bool {
        self.0 == 0
    }

    /// False on good data: the only answer that clears.
    pub fn is_firmly_false(self) -> bool {
        self.0 == -2
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    /// The place in the chain, from -2 for firmly false to 2 for firmly true.
    pub fn chain(self) -> i8 {
        self.0
    }

    /// The place in the chain, 0 to 4.
    pub(crate) fn rank(self) -> usize {
        usize::from((self.0 + 2).unsigned_abs())
    }
}

impl core::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        Self(-self.0)
    }
}

impl From<Tri> for Truth {
    fn from(tri: Tri) -> Self {
        match tri {
            Tri::False => Self::FALSE,
            Tri::Unknown => Self::UNKNOWN,
            Tri::True => Self::TRUE,
        }
    }
}

/// How far a number can be trusted; the worse of two is the greater.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Trust {
    /// Use it.
    Good,
    /// It can raise and cannot clear.
    Uncertain,
    /// It is at least so much, as a count with gaps: what that decides is decided, the rest is unknown. Nothing can be reckoned with it.
    AtLeast,
    /// Never used.
    Bad,
}

impl Trust {
    /// The trust of what is reckoned from numbers of which this is the worst.
    pub(crate) fn of_result(self) -> Self {
        match self {
            Self::Good | Self::Uncertain => self,
            Self::AtLeast | Self::Bad => Self::Bad,
        }
    }
}

impl From<Quality> for Trust {
    fn from(quality: Quality) -> Self {
        match quality.severity() {
            Severity::Good => Self::Good,
            Severity::Uncertain => Self::Uncertain,
            Severity::Bad => Self::Bad,
        }
    }
}

/// A number with its trust; finite unless it is bad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// The number; without meaning when the trust is bad.
    pub value: f64,
    /// How far to trust it.
    pub trust: Trust,
}

impl Number {
    /// No number.
    pub const BAD: Self = Self {
        value: 0.0,
        trust: Trust::Bad,
    };

    /// A number of that trust; one that is not finite is bad, as after a division by zero.
    pub fn new(value: f64, trust: Trust) -> Self {
        if value.is_finite() && trust != Trust::Bad {
            Self { value, trust }
        } else {
            Self::BAD
        }
    }

    /// A good number.
    pub fn good(value: f64) -> Self {
        Self::new(value, Trust::Good)
    }

    /// The result of an operation on two numbers: no better than the worse of them.
    pub(crate) fn combine(self, other: Self, operation: impl FnOnce(f64, f64) -> f64) -> Self {
        Self::new(
            operation(self.value, other.value),
            self.trust.max(other.trust).of_result(),
        )
    }

    /// The answer of a comparison of two numbers.
    pub(crate) fn compare(self, compare: Compare, other: Self) -> Truth {
        let answer = holds(compare, self.value, other.value);
        match (self.trust, other.trust) {
            (Trust::AtLeast, Trust::Good | Trust::Uncertain) => bounded(compare, answer),
            (Trust::Good | Trust::Uncertain, Trust::AtLeast) => bounded(compare.turned(), answer),
            (one, two) => Truth::new(answer, one.max(two)),
        }
    }

    /// Whether it reaches a limit from below.
    pub(crate) fn reaches(self, limit: f64) -> Truth {
        let holds = self.value >= limit;
        if self.trust == Trust::AtLeast {
            return bounded(Compare::Ge, holds);
        }
        Truth::new(holds, self.trust)
    }

    /// Whether it reaches a limit from above.
    pub(crate) fn falls_to(self, limit: f64) -> Truth {
        let holds = self.value <= limit;
        if self.trust == Trust::AtLeast {
            return bounded(Compare::Le, holds);
        }
        Truth::new(holds, self.trust)
    }
}

/// What the least that a number can be decides of a comparison of it with another.
fn bounded(compare: Compare, answer: bool) -> Truth {
    match compare {
        Compare::Ge | Compare::Gt if answer => Truth::WEAK_TRUE,
        Compare::Le | Compare::Lt if !answer => Truth::WEAK_FALSE,
        Compare::Ge | Compare::Gt | Compare::Le | Compare::Lt | Compare::Eq | Compare::Ne => {
            Truth::UNKNOWN
        }
    }
}

/// Exact comparison is what a rule's author wrote; limits are never compared with `==`.
#[allow(clippy::float_cmp, reason = "a rule's == is exact, as written")]
fn holds(compare: Compare, a: f64, b: f64) -> bool {
    match compare {
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
        Compare::Eq => a == b,
        Compare::Ne => a != b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: [Truth; 5] = [
        Truth::FALSE,
        Truth::WEAK_FALSE,
        Truth::UNKNOWN,
        Truth::WEAK_TRUE,
        Truth::TRUE,
    ];

    #[test]
    fn without_uncertain_data_the_logic_is_kleenes() {
        let [f, u, t] = [Truth::FALSE, Truth::UNKNOWN, Truth::TRUE];
        for (a, b, and, or) in [
            (f, f, f, f),
            (f, u, f, u),
            (f, t, f, t),
            (u, u, u, u),
            (u, t, u, t),
            (t, t, t, t),
        ] {
            assert_eq!((a.and(b), a.or(b)), (and, or));
            assert_eq!((b.and(a), b.or(a)), (and, or));
        }
        assert_eq!((!f, !u, !t), (t, u, f));
    }

    #[test]
    fn de_morgan_holds_for_weak_answers_too() {
        for a in CHAIN {
            for b in CHAIN {
                assert_eq!(!(a.and(b)), (!a).or(!b));
            }
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_bad_and_compares_as_unknown() {
        let bad = Number::good(1.0).combine(Number::good(0.0), |a, b| a / b);
        assert_eq!(bad, Number::BAD);
        assert!(bad.compare(Compare::Ge, Number::good(0.0)).is_unknown());
    }

    #[test]
    fn a_comparison_is_no_better_than_its_worse_side() {
        let uncertain = Number::new(5.0, Trust::Uncertain);
        assert_eq!(
            uncertain.compare(Compare::Gt, Number::good(1.0)),
            Truth::WEAK_TRUE
        );
        assert_eq!(
            uncertain.compare(Compare::Gt, Number::good(9.0)),
            Truth::WEAK_FALSE
        );
    }

    #[test]
    fn what_is_at_least_so_much_decides_what_it_can() {
        let least = Number {
            value: 3.0,
            trust: Trust::AtLeast,
        };
        for (compare, other, expected) in [
            (Compare::Ge, 3.0, Truth::WEAK_TRUE),
            (Compare::Ge, 4.0, Truth::UNKNOWN),
            (Compare::Lt, 3.0, Truth::WEAK_FALSE),
            (Compare::Lt, 4.0, Truth::UNKNOWN),
            (Compare::Eq, 3.0, Truth::UNKNOWN),
        ] {
            let other = Number::good(other);
            assert_eq!(least.compare(compare, other), expected);
            assert_eq!(other.compare(compare.turned(), least), expected);
        }
        assert_eq!(least.combine(Number::good(1.0), |a, b| a + b), Number::BAD);
    }
}
