//! The fields of a JSON body, by what they have to be; what is wrong is said with the field's name.

use std::sync::Arc;

use serde_json::{Map, Value};
use telemetry::{UtcMs, check_segment};

use super::body::Hash;

pub(super) fn owned(text: &str) -> Result<String, &'static str> {
    Ok(text.to_owned())
}

pub(super) fn is_some_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

pub(super) fn some(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("empty, expected to be left out");
    }
    Ok(text.to_owned())
}

/// A word of a list that may grow.
pub(super) fn word(text: &str) -> Result<String, &'static str> {
    let part = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !part.is_empty() && part.bytes().all(letter)
    };
    if text.split('-').all(part) {
        Ok(text.to_owned())
    } else {
        Err("expected words of a-z and 0-9, with - between")
    }
}

pub(super) fn letter(text: &str) -> Result<char, String> {
    match text.as_bytes() {
        [letter @ b'A'..=b'I'] => Ok(char::from(*letter)),
        _ => Err("`letter`: expected A to I".to_owned()),
    }
}

/// An alarm's id: two scopes, each a name or `-`, and a rule.
pub(super) fn id(text: &str) -> Result<Arc<str>, String> {
    let segments: Vec<&str> = text.split('/').collect();
    let scope = |segment: &str| segment == "-" || check_segment(segment).is_ok();
    match segments[..] {
        [unit, point, rule] if scope(unit) && scope(point) && check_segment(rule).is_ok() => {
            Ok(text.into())
        }
        _ => Err(format!("`id`: `{text}`, expected unit/point/rule")),
    }
}

/// A ULID; as text they sort as they follow.
pub(super) fn epoch(text: &str) -> Result<Arc<str>, &'static str> {
    let digit =
        |byte: u8| byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !b"ILOU".contains(&byte));
    let bytes = text.as_bytes();
    if bytes.len() == 26 && bytes[0] < b'8' && bytes.iter().all(|byte| digit(*byte)) {
        Ok(text.into())
    } else {
        Err("no ULID")
    }
}

pub(super) fn hex(text: &str) -> Result<Hash, &'static str> {
    const WHAT: &str = "no SHA-256 in lower-case hexadecimal";
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(WHAT),
    };
    let mut hash = [0; 32];
    if text.len() != 64 {
        return Err(WHAT);
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(hash)
}

/// An object's fields, by what they have to be.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn no_null(&self) -> Result<(), String> {
        match self.0.iter().find(|(_, value)| value.is_null()) {
            Some((name, _)) => Err(format!("`{name}`: null, expected to be left out")),
            None => Ok(()),
        }
    }

    pub(super) fn schema(&self, word: &str) -> Result<(), String> {
        match self.text("schema")? {
            schema if schema == word => Ok(()),
            schema => Err(format!("`schema`: `{schema}`, expected `{word}`")),
        }
    }

    pub(super) fn site(&self, site: &str) -> Result<(), String> {
        match self.text("site")? {
            text if text == site => Ok(()),
            text => Err(format!("`site`: `{text}` on the topic of {site}")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, String> {
        match self.0.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            Some(_) => Err(format!("`{name}`: expected text")),
            None => Err(format!("`{name}`: missing")),
        }
    }

    pub(super) fn optional<T, E: std::fmt::Display>(
        &self,
        name: &str,
        read: impl Fn(&'a str) -> Result<T, E>,
    ) -> Result<Option<T>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => match read(text) {
                Ok(value) => Ok(Some(value)),
                Err(why) => Err(format!("`{name}`: {why}")),
            },
            Some(_) => Err(format!("`{name}`: expected text")),
        }
    }

    pub(super) fn bool(&self, name: &str) -> Result<bool, String> {
        let value = self.0.get(name).and_then(Value::as_bool);
        value.ok_or_else(|| format!("`{name}`: expected true or false"))
    }

    pub(super) fn unsigned(&self, name: &str) -> Result<u64, String> {
        let value = self.0.get(name).and_then(Value::as_u64);
        value.ok_or_else(|| format!("`{name}`: expected a whole number"))
    }

    pub(super) fn one_or_more(&self, name: &str) -> Result<u64, String> {
        match self.unsigned(name)? {
            0 => Err(format!("`{name}`: expected a number from 1")),
            number => Ok(number),
        }
    }

    pub(super) fn optional_unsigned(&self, name: &str) -> Result<Option<u64>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(_) => self.unsigned(name).map(Some),
        }
    }

    /// A number; a boolean is 0 or 1.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Bool(on)) => Ok(Some(f64::from(u8::from(*on)))),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(format!("`{name}`: expected a number")),
            },
        }
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Object(object)) => match Fields(object).no_null() {
                Ok(()) => Ok(Some(object)),
                Err(why) => Err(format!("{name}/{why}")),
            },
            Some(_) => Err(format!("`{name}`: expected an object")),
        }
    }

    /// A time in the contract's one form.
    pub(super) fn time(&self, name: &str) -> Result<UtcMs, String> {
        let text = self.text(name)?;
        match text.parse::<UtcMs>() {
            Ok(time) if time.to_string() == text => Ok(time),
            _ => Err(format!(
                "`{name}`: `{text}`, expected UTC with milliseconds and Z"
            )),
        }
    }
}
