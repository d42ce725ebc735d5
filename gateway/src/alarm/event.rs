//! A numbered event: its bytes as first sent, and how a state's body is cut out of them.
//!
//! The fields of a body stand in one order: schema, lead (id, site, occurrence), number (epoch, seq, prev), tail (event, cause, by …), rest (letter …).
//! So an event's lead and rest make the state's body, and a number can be put in without knowing the rest.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Epoch;

/// The SHA-256 of an event's bytes.
pub type Hash = [u8; 32];

const EVENT: &str = r#"{"schema":"fengsui.alarm.event/1","#;
const STATE: &str = r#"{"schema":"fengsui.alarm.state/1","#;
/// What stands between an event's lead and the rest at most: an epoch, twenty digits, a hash, the braces and names.
pub(crate) const NUMBER_LEN_MAX: usize = EVENT.len() + 160;

/// An event that has no number yet: pieces of JSON without the commas between them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// `"id":…,"site":…,"occurrence":…`
    pub(crate) lead: String,
    /// `"event":…,"cause":…`, and what only an event has.
    pub(crate) tail: String,
    /// `"letter":…` and what follows, the same in the state.
    pub(crate) rest: String,
    /// True when it makes a state; false for a gap, an epoch, and what is only history.
    pub stateful: bool,
}

/// An event with its place, its number and its bytes, which never change again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Which event of this data folder it is, over all epochs, from 1.
    pub place: u64,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its number in the epoch, from 1.
    pub seq: u64,
    /// The log's offset behind the record that made it.
    pub position: u64,
    /// Which of that record's events it is, from 0.
    pub index: u32,
    /// The place where it stood before a new epoch took it over; 0 when it never stood elsewhere.
    pub origin: u64,
    /// True when it makes a state.
    pub stateful: bool,
    /// Where the rest begins.
    pub(crate) rest_at: u32,
    /// The JSON.
    pub(crate) bytes: Arc<[u8]>,
}

impl Draft {
    /// The alarm's id, or that of the gap or the epoch.
    pub fn id(&self) -> &str {
        id_of(&self.lead)
    }

    /// The event's bytes under a number; where the rest begins.
    pub(crate) fn write(&self, epoch: Epoch, seq: u64, prev: Option<&Hash>) -> (Vec<u8>, u32) {
        let Self {
            lead, tail, rest, ..
        } = self;
        let mut text = String::with_capacity(NUMBER_LEN_MAX + lead.len() + tail.len() + rest.len());
        text.push_str(EVENT);
        text.push_str(lead);
        put_number(&mut text, epoch, seq);
        if let Some(prev) = prev {
            text.push_str(",\"prev\":\"");
            put_hex(&mut text, prev);
            text.push('"');
        }
        text.push(',');
        text.push_str(tail);
        text.push(',');
        let rest_at = u32::try_from(text.len()).expect("a body is a few KiB");
        text.push_str(rest);
        text.push('}');
        (text.into_bytes(), rest_at)
    }
}

impl Event {
    /// Its bytes, as first sent.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// What the next event's `prev` is.
    pub fn hash(&self) -> Hash {
        hash(&self.bytes)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        id_of(self.lead())
    }

    /// True for the first event of an epoch.
    pub(crate) fn is_epoch(&self) -> bool {
        self.id().ends_with("/sys.epoch")
    }

    /// `"id":…,"site":…,"occurrence":…`
    pub(crate) fn lead(&self) -> &str {
        let text = self.text();
        let inner = text.get(EVENT.len()..).unwrap_or("");
        // No name has a quote in it, so that this is not inside one.
        inner
            .split_once(",\"epoch\":\"")
            .map_or("", |(lead, _)| lead)
    }

    /// `"letter":…` and what follows.
    pub(crate) fn rest(&self) -> &str {
        let text = self.text();
        let from = usize::try_from(self.rest_at).unwrap_or(usize::MAX);
        text.get(from..text.len().saturating_sub(1)).unwrap_or("")
    }

    /// The same without its number, to be numbered anew.
    pub(crate) fn draft(&self) -> Draft {
        let text = self.text();
        let lead = self.lead();
        let from = EVENT.len() + lead.len();
        let to = usize::try_from(self.rest_at).unwrap_or(0).saturating_sub(1);
        let middle = text.get(from..to).unwrap_or("");
        let at = middle.find("\"event\":").unwrap_or(middle.len());
        let tail = middle.get(at..).unwrap_or("");
        Draft {
            lead: lead.into(),
            tail: tail.into(),
            rest: self.rest().into(),
            stateful: self.stateful,
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or("")
    }
}

/// The body of an alarm's state.
pub(crate) fn state_body(lead: &str, epoch: Epoch, seq: u64, rest: &str) -> Vec<u8> {
    let mut text = String::with_capacity(NUMBER_LEN_MAX + lead.len() + rest.len());
    text.push_str(STATE);
    text.push_str(lead);
    put_number(&mut text, epoch, seq);
    text.push(',');
    text.push_str(rest);
    text.push('}');
    text.into_bytes()
}

/// The SHA-256 of some bytes.
pub(crate) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// A hash as the contract writes it.
pub(crate) fn hex(hash: &Hash) -> String {
    let mut text = String::with_capacity(64);
    put_hex(&mut text, hash);
    text
}

fn put_hex(text: &mut String, hash: &Hash) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in hash {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn put_number(text: &mut String, epoch: Epoch, seq: u64) {
    write!(text, ",\"epoch\":\"{epoch}\",\"seq\":{seq}")
        .expect("a String takes what fits in memory");
}

fn id_of(lead: &str) -> &str {
    let after = lead.strip_prefix("\"id\":\"").unwrap_or("");
    after.split('"').next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draft(text: &str) -> Draft {
        Draft {
            lead: r#""id":"tank/gd-1/gas","site":"east/plant","occurrence":3"#.into(),
            tail: format!(
                r#""event":"raised","cause":{{"timer":"x"}},"comment":{}"#,
                serde_json::to_string(text).unwrap()
            ),
            rest: format!(
                r#""letter":"B","reason":{}"#,
                serde_json::to_string(text).unwrap()
            ),
            stateful: true,
        }
    }

    fn event(draft: &Draft, prev: Option<&Hash>) -> Event {
        let (bytes, rest_at) = draft.write(Epoch(5), 42, prev);
        Event {
            place: 1,
            epoch: Epoch(5),
            seq: 42,
            position: 0,
            index: 0,
            origin: 0,
            stateful: true,
            rest_at,
            bytes: bytes.into(),
        }
    }

    proptest! {
        #[test]
        fn a_number_can_be_taken_out_and_another_put_in(text in "\\PC{0,40}", chained: bool) {
            let draft = draft(&text);
            let numbered = event(&draft, chained.then_some(&[7; 32]));
            prop_assert_eq!(&numbered.draft(), &draft);
            prop_assert_eq!(numbered.id(), "tank/gd-1/gas");
            let json: serde_json::Value = serde_json::from_slice(&numbered.bytes).unwrap();
            prop_assert_eq!(json["seq"].as_u64(), Some(42));
            prop_assert_eq!(json.get("prev").is_some(), chained);
            prop_assert_eq!(json["comment"].as_str(), Some(text.as_str()));
            let state = state_body(numbered.lead(), Epoch(6), 1, numbered.rest());
            let json: serde_json::Value = serde_json::from_slice(&state).unwrap();
            prop_assert_eq!(json["reason"].as_str(), Some(text.as_str()));
            prop_assert!(json.get("cause").is_none());
        }
    }
}
