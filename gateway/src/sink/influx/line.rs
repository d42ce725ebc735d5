//! Line protocol: what the contract calls a sample and an alarm, as bytes.
//!
//! Own code, since the client library writes NaN, newlines and empty tags as they are: each would poison its whole batch.

use std::io::Write;

use telemetry::Sample;
use thiserror::Error;

/// Why a text can't be part of a line.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum LineError {
    /// InfluxDB has no empty tag values.
    #[error("`{tag}` is empty")]
    Empty {
        /// The tag's name.
        tag: &'static str,
    },
    /// A line break or another control character would begin a line of its own.
    #[error("`{tag}` has a control character")]
    Control {
        /// The tag's name.
        tag: &'static str,
    },
}

/// Whose samples a line holds.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// The park.
    pub park: &'a str,
    /// The enterprise.
    pub enterprise: &'a str,
    /// The unit.
    pub unit: &'a str,
    /// The point in the unit.
    pub point: &'a str,
    /// What is measured, as `combustible-gas`.
    pub kind: &'a str,
    /// The engineering unit; digital points have none.
    pub eu: Option<&'a str>,
}

impl Series<'_> {
    /// The beginning of each of the point's lines, up to the space before the fields.
    ///
    /// # Errors
    /// A tag that line protocol can't hold.
    pub fn prefix(&self) -> Result<Vec<u8>, LineError> {
        let mut line = b"sample".to_vec();
        push_tag(&mut line, "park", self.park)?;
        push_tag(&mut line, "enterprise", self.enterprise)?;
        push_tag(&mut line, "unit", self.unit)?;
        push_tag(&mut line, "point", self.point)?;
        push_tag(&mut line, "kind", self.kind)?;
        if let Some(eu) = self.eu {
            push_tag(&mut line, "u", eu)?;
        }
        line.push(b' ');
        Ok(line)
    }
}

/// Appends a sample's line; `prefix` is its point's [`Series::prefix`].
pub fn push_sample(lines: &mut Vec<u8>, prefix: &[u8], sample: &Sample) {
    lines.extend_from_slice(prefix);
    if let Some(value) = sample
        .value
        .map(|value| value.as_f64())
        .filter(|value| value.is_finite())
    {
        lines.extend_from_slice(b"value=");
        push_f64(lines, value);
        lines.push(b',');
    }
    lines.extend_from_slice(b"q=");
    push_i64(lines, i64::from(sample.quality.0));
    lines.push(b'i');
    if let Some(clock) = sample.clock.word() {
        lines.extend_from_slice(b",clock=\"");
        lines.extend_from_slice(clock.as_bytes());
        lines.push(b'"');
    }
    lines.push(b' ');
    push_i64(lines, sample.at.0);
    lines.push(b'\n');
}

/// An alarm event for the time series.
#[derive(Clone, Copy, Debug)]
pub struct AlarmLine<'a> {
    /// The park.
    pub park: &'a str,
    /// The enterprise.
    pub enterprise: &'a str,
    /// The unit, `-` for an alarm of the site or of a node.
    pub unit: &'a str,
    /// The point, `-` for an alarm of a unit or of the site.
    pub point: &'a str,
    /// The rule.
    pub rule: &'a str,
    /// The contract's word for what happened.
    pub event: &'a str,
    /// The rule's word for the level; empty where there is none.
    pub level: &'a str,
    /// The letter A to I.
    pub letter: char,
    /// The value that went with it.
    pub value: Option<f64>,
    /// The event's number.
    pub seq: u64,
    /// When, in UTC milliseconds.
    pub at_ms: i64,
}

impl AlarmLine<'_> {
    /// Appends the event's line.
    ///
    /// # Errors
    /// A tag that line protocol can't hold; nothing is appended then.
    pub fn push(&self, lines: &mut Vec<u8>) -> Result<(), LineError> {
        let mut line = b"alarm".to_vec();
        push_tag(&mut line, "park", self.park)?;
        push_tag(&mut line, "enterprise", self.enterprise)?;
        push_tag(&mut line, "unit", self.unit)?;
        push_tag(&mut line, "point", self.point)?;
        push_tag(&mut line, "rule", self.rule)?;
        push_tag(&mut line, "event", self.event)?;
        line.extend_from_slice(b" level=");
        push_string(&mut line, self.level);
        line.extend_from_slice(b",letter=");
        push_string(&mut line, self.letter.encode_utf8(&mut [0; 4]));
        if let Some(value) = self.value.filter(|value| value.is_finite()) {
            line.extend_from_slice(b",value=");
            push_f64(&mut line, value);
        }
        line.extend_from_slice(b",seq=");
        push_i64(&mut line, i64::try_from(self.seq).unwrap_or(i64::MAX));
        line.extend_from_slice(b"i ");
        push_i64(&mut line, self.at_ms);
        line.push(b'\n');
        lines.append(&mut line);
        Ok(())
    }
}

/// A tag value escapes comma, equals sign and space. A backslash at its end would escape what follows, and has no escape of its own: it is refused like a control character.
fn push_tag(line: &mut Vec<u8>, tag: &'static str, value: &str) -> Result<(), LineError> {
    if value.is_empty() {
        return Err(LineError::Empty { tag });
    }
    if value.chars().any(char::is_control) || value.ends_with('\\') {
        return Err(LineError::Control { tag });
    }
    line.push(b',');
    line.extend_from_slice(tag.as_bytes());
    line.push(b'=');
    for byte in value.bytes() {
        if matches!(byte, b',' | b'=' | b' ') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    Ok(())
}

/// A string field escapes the quote and the backslash.
fn push_string(line: &mut Vec<u8>, value: &str) {
    line.push(b'"');
    for byte in value.bytes() {
        if matches!(byte, b'"' | b'\\') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    line.push(b'"');
}

/// The shortest text that reads back as the same number; with an exponent where the plain one would be long.
fn push_f64(line: &mut Vec<u8>, value: f64) {
    write!(line, "{value:?}").expect("a Vec takes every byte");
}

fn push_i64(line: &mut Vec<u8>, value: i64) {
    write!(line, "{value}").expect("a Vec takes every byte");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use telemetry::{Clock, Quality, UtcMs, Value};

    use super::*;

    const SERIES: Series<'_> = Series {
        park: "binhe",
        enterprise: "huaxin",
        unit: "tank-farm",
        point: "gt-101",
        kind: "combustible-gas",
        eu: Some("%LEL"),
    };

    fn line(sample: &Sample) -> String {
        let mut lines = Vec::new();
        push_sample(&mut lines, &SERIES.prefix().unwrap(), sample);
        String::from_utf8(lines).unwrap()
    }

    const SAMPLE: Sample = Sample {
        at: UtcMs(1_700_000_000_123),
        value: Some(Value::Number(12.5)),
        quality: Quality::GOOD,
        clock: Clock::Synced,
    };

    #[test]
    fn a_sample_is_written_as_the_contract_says() {
        assert_eq!(
            line(&SAMPLE),
            "sample,park=binhe,enterprise=huaxin,unit=tank-farm,point=gt-101,kind=combustible-gas,u=%LEL value=12.5,q=0i 1700000000123\n"
        );
    }

    #[test]
    fn a_reading_without_a_value_keeps_its_quality() {
        let sample = Sample {
            value: None,
            quality: Quality::COMM_ERROR,
            clock: Clock::Arrival,
            ..SAMPLE
        };
        assert!(line(&sample).ends_with(" q=32773i,clock=\"arrival\" 1700000000123\n"));
    }

    #[test]
    fn not_a_number_never_reaches_the_database() {
        let sample = Sample {
            value: Some(Value::Number(f64::NAN)),
            ..SAMPLE
        };
        assert!(line(&sample).ends_with(" q=0i 1700000000123\n"));
    }

    #[test]
    fn what_would_break_a_line_is_refused_and_what_can_be_escaped_is() {
        let unit = |eu| {
            Series {
                eu: Some(eu),
                ..SERIES
            }
            .prefix()
        };
        assert_eq!(unit(""), Err(LineError::Empty { tag: "u" }));
        assert_eq!(unit("a\nb"), Err(LineError::Control { tag: "u" }));
        assert_eq!(unit("a\\"), Err(LineError::Control { tag: "u" }));
        let escaped = String::from_utf8(unit("m3 /h,a=b").unwrap()).unwrap();
        assert!(escaped.ends_with("u=m3\\ /h\\,a\\=b "), "{escaped}");
    }

    #[test]
    fn an_alarm_event_is_written_as_the_contract_says() {
        let mut lines = Vec::new();
        AlarmLine {
            park: "binhe",
            enterprise: "huaxin",
            unit: "tank-farm",
            point: "gt-101",
            rule: "combustible",
            event: "raised",
            level: "L1",
            letter: 'B',
            value: Some(26.0),
            seq: 7,
            at_ms: 1_700_000_000_123,
        }
        .push(&mut lines)
        .unwrap();
        assert_eq!(
            String::from_utf8(lines).unwrap(),
            "alarm,park=binhe,enterprise=huaxin,unit=tank-farm,point=gt-101,rule=combustible,event=raised level=\"L1\",letter=\"B\",value=26.0,seq=7i 1700000000123\n"
        );
    }

    proptest! {
        #[test]
        fn every_finite_number_reads_back_as_itself(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let text = line(&Sample { value: Some(Value::Number(value)), ..SAMPLE });
            let written = text.split("value=").nth(1).unwrap().split(',').next().unwrap();
            prop_assert_eq!(written.parse::<f64>().unwrap().to_bits(), value.to_bits());
            prop_assert!(written.len() <= 25);
        }
    }
}
