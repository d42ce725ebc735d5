//! How long something that failed is left alone.
//!
//! A pause doubles with each failure up to a limit; a single success ends it, and only several in a row make it short
//! again, so that one which answers every other time does not cost a time-out every other time.

use crate::config::BackOffConfig;

/// So many successes in a row make the next pause the shortest again.
const STEADY: u8 = 8;

/// Closed (asked as usual), or open (left alone until a time, then asked once).
#[derive(Clone, Debug)]
pub(crate) struct BackOff {
    config: BackOffConfig,
    level: u32,
    steady: u8,
    open: bool,
    until: u64,
    pause_ms: u64,
}

impl BackOff {
    pub(crate) fn new(config: BackOffConfig) -> Self {
        Self {
            config,
            level: 0,
            steady: 0,
            open: false,
            until: 0,
            pause_ms: 0,
        }
    }

    /// True while it is left alone, or asked for the first time after that.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// When it may be asked again.
    pub(crate) fn until(&self) -> u64 {
        self.until
    }

    /// How long the present pause is.
    pub(crate) fn pause_ms(&self) -> u64 {
        self.pause_ms
    }

    pub(crate) fn succeeded(&mut self) {
        self.open = false;
        self.steady = self.steady.saturating_add(1);
        if self.steady >= STEADY {
            self.level = 0;
        }
    }

    /// Begins a pause at `mono`; `random` makes it up to an eighth longer.
    pub(crate) fn failed(&mut self, random: u64, mono: u64) {
        let grown = self.config.min_ms.max(1) << self.level.min(20);
        let pause = grown.min(self.config.max_ms.max(1));
        self.pause_ms = pause + random % (pause / 8 + 1);
        self.until = mono + self.pause_ms;
        self.open = true;
        self.steady = 0;
        if grown < self.config.max_ms {
            self.level += 1;
        }
    }

    /// Ends the pause; the next answer decides.
    pub(crate) fn wake(&mut self) {
        self.until = 0;
    }
}
