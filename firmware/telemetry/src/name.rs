//! The alphabet of names: each segment matches `[a-z0-9][a-z0-9._-]{0,63}`.

use thiserror::Error;

/// The longest segment, in bytes.
pub const SEGMENT_LEN_MAX: usize = 64;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NameError {
    /// It has no characters.
    #[error("an empty name, expected a-z or 0-9, then a-z 0-9 . _ -")]
    Empty,
    /// It is longer than [`SEGMENT_LEN_MAX`].
    #[error("a name of {len} bytes, expected at most {SEGMENT_LEN_MAX}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A character is not in the alphabet, or not at the beginning.
    #[error("`{character}` in a name, expected a-z or 0-9, then a-z 0-9 . _ -")]
    Character {
        /// The character.
        character: char,
        /// Its byte offset.
        at: usize,
    },
}

/// Checks one segment of a name: a park, an enterprise, a unit, a point, a node, a rule.
///
/// # Errors
/// A text outside the alphabet `[a-z0-9][a-z0-9._-]{0,63}`.
pub fn check_segment(name: &str) -> Result<(), NameError> {
    // Nearly every name is one: bytes do to say so.
    let inside = |byte: &u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
    };
    let bytes = name.as_bytes();
    let begins = matches!(bytes.first(), Some(b'a'..=b'z' | b'0'..=b'9'));
    if begins && bytes.len() <= SEGMENT_LEN_MAX && bytes.iter().all(inside) {
        return Ok(());
    }
    why_not(name)
}

/// What is wrong with a name, said of its first wrong character.
#[cold]
fn why_not(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    for (at, character) in name.char_indices() {
        let inside = matches!(character, 'a'..='z' | '0'..='9')
            || (at > 0 && matches!(character, '.' | '_' | '-'));
        if !inside {
            return Err(NameError::Character { character, at });
        }
    }
    if name.len() > SEGMENT_LEN_MAX {
        return Err(NameError::TooLong { len: name.len() });
    }
    Ok(())
}

/// A point's full name, `{park}/{enterprise}/{unit}/{point}`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PointName<'a> {
    /// The park.
    pub park: &'a str,
    /// The enterprise in the park.
    pub enterprise: &'a str,
    /// The unit in the enterprise.
    pub unit: &'a str,
    /// The point in the unit.
    pub point: &'a str,
}

impl<'a> PointName<'a> {
    /// Takes a full name apart and checks each segment.
    ///
    /// # Errors
    /// A segment that is no name, or more or fewer than four of them.
    pub fn parse(name: &'a str) -> Result<Self, NameError> {
        let mut segments = name.splitn(4, '/');
        let mut next = || {
            let segment = segments.next().unwrap_or_default();
            check_segment(segment).map(|()| segment)
        };
        Ok(Self {
            park: next()?,
            enterprise: next()?,
            unit: next()?,
            point: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_digits_dots_dashes_and_underscores() {
        for name in ["a", "0", "tank-farm.2_b", &"x".repeat(64)] {
            assert_eq!(check_segment(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_name_that_would_break_a_topic_is_refused() {
        for name in [
            "",
            "-a",
            ".a",
            "A",
            "a/b",
            "a+",
            "#",
            "罐区",
            &"x".repeat(65),
        ] {
            assert!(check_segment(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_point_has_four_segments() {
        let name = PointName {
            park: "east",
            enterprise: "plant-1",
            unit: "tank",
            point: "lel-1",
        };
        assert_eq!(PointName::parse("east/plant-1/tank/lel-1"), Ok(name));
        for text in [
            "",
            "a",
            "a/b/c",
            "a/b/c/",
            "a/b/c/d/e",
            "/a/b/c",
            "a/b//c",
            "a/b/C/d",
        ] {
            assert!(PointName::parse(text).is_err(), "{text}");
        }
    }
}
