//! Three-valued logic with trust, and numbers with trust.
//!
//! Knows nothing of points, time or alarms.

use telemetry::{Quality, Severity};

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
            Trust::Bad => 0,
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
    /// Never used.
    Bad,
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
        if value.is_finite() {
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
            self.trust.max(other.trust),
        )
    }

    /// The answer of a comparison of two numbers.
    pub(crate) fn compare(self, other: Self, test: impl FnOnce(f64, f64) -> bool) -> Truth {
        Truth::new(test(self.value, other.value), self.trust.max(other.trust))
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
        assert!(bad.compare(Number::good(0.0), |a, b| a >= b).is_unknown());
    }

    #[test]
    fn a_comparison_is_no_better_than_its_worse_side() {
        let uncertain = Number::new(5.0, Trust::Uncertain);
        assert_eq!(
            uncertain.compare(Number::good(1.0), |a, b| a > b),
            Truth::WEAK_TRUE
        );
        assert_eq!(
            uncertain.compare(Number::good(9.0), |a, b| a > b),
            Truth::WEAK_FALSE
        );
    }
}
