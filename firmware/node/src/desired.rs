//! Whose word counts for the outputs, and until when.
//!
//! The gateway says over and over what it wants. A word that was overtaken on its way changes nothing, and when nobody
//! has said anything for a while the outputs do what is fail-safe. Knows no outputs.

use alloc::string::String;

use telemetry::body::Desired;

/// What was heard last, and for how long it holds.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The message that counts; none when nothing was heard, or not for long.
    last: Option<(String, u64)>,
    /// Until when it holds, in milliseconds since boot; none once that is over.
    until: Option<u64>,
}

impl Lease {
    /// At a start the gateway has as long as ever to say what it wants: until then nothing is switched.
    pub(crate) fn new(mono: u64) -> Self {
        Self {
            last: None,
            until: Some(mono + Desired::LEASE_MS),
        }
    }

    /// True when this is the latest word. After a silence any word is: a gateway whose clock was set back must not be
    /// ignored for ever.
    pub(crate) fn take(&mut self, desired: &Desired, mono: u64) -> bool {
        let is_latest = self
            .last
            .as_ref()
            .is_none_or(|(instance, seq)| desired.is_after(instance, *seq));
        if is_latest {
            self.last = Some((desired.instance.clone(), desired.seq));
            self.until = Some(mono + Desired::LEASE_MS);
        }
        is_latest
    }

    /// When it ends.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.until
    }

    /// True once, when it has ended.
    pub(crate) fn has_ended(&mut self, mono: u64) -> bool {
        let ended = self.until.take_if(|until| *until <= mono).is_some();
        if ended {
            self.last = None;
        }
        ended
    }
}
