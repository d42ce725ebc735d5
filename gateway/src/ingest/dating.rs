//! When a sample was taken, as far as its node's clock can be believed.
//!
//! Knows one node's clock: its anchors, and how far its live packs lie behind or ahead of the log's time. Doesn't know points.

use std::collections::VecDeque;

use telemetry::body::Anchor;
use telemetry::senml::Time;
use telemetry::{Clock, UtcMs};

/// A record dated further ahead than this is dated by arrival, in milliseconds.
pub(super) const AHEAD_MAX_MS: u64 = 5 * 60 * 1_000;
/// How long the clock alarm stands after the last record from the future, in milliseconds.
const AHEAD_HOLD_MS: u64 = 60_000;
/// So many looks in a row decide whether a clock is wrong or right again.
const LOOKS: usize = 5;
/// Live packs that come within this are one look, in milliseconds: a queue that is emptied at once says how long it was, and nothing of a clock.
const LOOK_MS: u64 = 600;
/// Lags within this of each other are steady, in milliseconds.
const STEADY_MS: i64 = 2_000;
/// How far ahead a clock may be and count as right, in milliseconds.
const AHEAD_OK_MS: i64 = 5_000;
const UNSYNCED: &str = "its clock is not set";
const OFFSET: &str = "its live samples come at a steady offset";
/// Anchors that are kept: one a boot.
const ANCHORS_MAX: usize = 64;

/// Which way a pack came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// `telemetry`.
    Live,
    /// `history`.
    History,
}

impl Way {
    /// The topic's last level.
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "telemetry",
            Self::History => "history",
        }
    }
}

/// What is known of a node's clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Dating {
    pub(super) anchors: Vec<Anchor>,
    /// The last looks at how far live packs lie behind.
    looks: VecDeque<Look>,
    /// Its live packs come at a steady offset: they are dated by arrival.
    offset: bool,
    /// When a record was from the future last.
    ahead_at: Option<UtcMs>,
    /// Its status says that its clock isn't set.
    pub(super) unsynced: bool,
}

/// The lags of the live packs that came within a short time: T − source time of each one's newest sample.
#[derive(Clone, Copy, Debug)]
struct Look {
    began: UtcMs,
    least: i64,
    most: i64,
    /// All of them are lags that a right clock may have; none is.
    all_ok: bool,
    none_ok: bool,
}

/// How the samples of one pack are dated.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackDating {
    now: UtcMs,
    way: Way,
    clock: Clock,
    anchor: Option<Anchor>,
    /// The newest of the pack's times of each kind.
    newest_utc: Option<UtcMs>,
    newest_mono: Option<u64>,
    by_arrival: bool,
}

/// The newest times of a pack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    utc: Option<(UtcMs, u64)>,
    mono: Option<u64>,
}

impl Newest {
    /// Takes in a record's time, and how old its point's samples may be.
    pub(super) fn add(&mut self, time: Time, max_age_ms: u64) {
        match time {
            Time::Utc(at) if self.utc.is_none_or(|(newest, _)| at > newest) => {
                self.utc = Some((at, max_age_ms));
            }
            Time::Mono(mono) => self.mono = self.mono.max(Some(mono)),
            Time::Utc(_) | Time::Arrival { .. } => {}
        }
    }

    pub(super) fn has_mono(&self) -> bool {
        self.mono.is_some()
    }
}

impl Dating {
    /// Takes in the anchors of a status.
    pub(super) fn set_anchors(&mut self, anchors: &[Anchor]) {
        self.anchors.clear();
        self.anchors
            .extend(anchors.iter().rev().take(ANCHORS_MAX).copied());
    }

    /// True when the boot's time can be told in UTC.
    pub(super) fn has_anchor(&self, boot: Option<u64>) -> bool {
        self.anchor(boot).is_some()
    }

    fn anchor(&self, boot: Option<u64>) -> Option<Anchor> {
        self.anchors
            .iter()
            .find(|anchor| Some(anchor.boot) == boot)
            .copied()
    }

    /// Takes a restart's word for why the clock was found wrong before.
    pub(super) fn assume(&mut self, fault: Option<&str>) {
        self.offset = fault == Some(OFFSET);
        self.unsynced = fault == Some(UNSYNCED);
    }

    /// Looks at a pack's newest times. `by_arrival`: the gateway's own clock can't judge.
    pub(super) fn pack(
        &mut self,
        newest: Newest,
        way: Way,
        clock: Clock,
        boot: Option<u64>,
        by_arrival: bool,
        now: UtcMs,
    ) -> PackDating {
        if let Some((at, max_age_ms)) = newest.utc
            && way == Way::Live
            && !by_arrival
        {
            self.look(now.0.saturating_sub(at.0), max_age_ms, now);
        }
        PackDating {
            now,
            way,
            clock,
            anchor: self.anchor(boot),
            newest_utc: newest.utc.map(|(at, _)| at),
            newest_mono: newest.mono,
            by_arrival: by_arrival || self.offset,
        }
    }

    fn look(&mut self, lag: i64, max_age_ms: u64, now: UtcMs) {
        let oldest_ok = match max_age_ms {
            0 => i64::MAX,
            max_age_ms => i64::try_from(max_age_ms).unwrap_or(i64::MAX),
        };
        let is_ok = (-AHEAD_OK_MS..=oldest_ok).contains(&lag);
        match self.looks.back_mut() {
            Some(look) if now.since_ms(look.began) < LOOK_MS => {
                (look.least, look.most) = (look.least.min(lag), look.most.max(lag));
                look.all_ok &= is_ok;
                look.none_ok &= !is_ok;
            }
            _ => {
                if self.looks.len() == LOOKS {
                    self.looks.pop_front();
                }
                self.looks.push_back(Look {
                    began: now,
                    least: lag,
                    most: lag,
                    all_ok: is_ok,
                    none_ok: !is_ok,
                });
            }
        }
        if self.looks.len() < LOOKS {
            return;
        }
        let all_ok = self.looks.iter().all(|look| look.all_ok);
        let none_ok = self.looks.iter().all(|look| look.none_ok);
        let least = self.looks.iter().map(|look| look.least).min().unwrap_or(0);
        let most = self.looks.iter().map(|look| look.most).max().unwrap_or(0);
        let steady = most.saturating_sub(least) <= STEADY_MS;
        if none_ok && steady {
            self.offset = true;
        } else if all_ok || (none_ok && least > 0) {
            // Right again, or a line that is slow.
            self.offset = false;
        }
    }

    /// Notes a record from the future.
    pub(super) fn note_ahead(&mut self, now: UtcMs) {
        self.ahead_at = Some(now);
    }

    /// Why the node's clock is wrong, if it is.
    pub(super) fn fault(&self, now: UtcMs) -> Option<&'static str> {
        if self.unsynced {
            Some(UNSYNCED)
        } else if self.offset {
            Some(OFFSET)
        } else if self
            .ahead_at
            .is_some_and(|at| now.since_ms(at) < AHEAD_HOLD_MS)
        {
            Some("samples dated more than 5 min ahead")
        } else {
            None
        }
    }
}

/// A sample's time, which clock it is of, and whether it was too far ahead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Dated {
    pub(super) at: UtcMs,
    pub(super) clock: Clock,
    pub(super) was_ahead: bool,
}

impl PackDating {
    /// Dates one record. Records dated by arrival keep their distances within the pack.
    pub(super) fn date(&self, time: Time) -> Dated {
        let by_arrival = |back_ms| Dated {
            at: self.now.minus_ms(back_ms),
            clock: Clock::Arrival,
            was_ahead: false,
        };
        let live = self.way == Way::Live;
        let (at, clock) = match (time, self.anchor) {
            (Time::Arrival { offset_ms }, _) => {
                return by_arrival(offset_ms.saturating_neg().max(0).unsigned_abs());
            }
            (Time::Utc(at), _) => {
                if live && self.by_arrival {
                    return by_arrival(self.newest_utc.unwrap_or(at).since_ms(at));
                }
                (at, self.clock)
            }
            (Time::Mono(mono), Some(anchor)) if !(live && self.by_arrival) => {
                let at = if mono >= anchor.mono {
                    anchor.utc.plus_ms(mono - anchor.mono)
                } else {
                    anchor.utc.minus_ms(anchor.mono - mono)
                };
                (at, Clock::Unsynced)
            }
            (Time::Mono(mono), _) => {
                return by_arrival(self.newest_mono.unwrap_or(mono).saturating_sub(mono));
            }
        };
        if at > self.now.plus_ms(AHEAD_MAX_MS) {
            let newest = match time {
                Time::Utc(_) => self.newest_utc.unwrap_or(at).since_ms(at),
                Time::Mono(mono) => self.newest_mono.unwrap_or(mono).saturating_sub(mono),
                Time::Arrival { .. } => 0,
            };
            return Dated {
                was_ahead: true,
                ..by_arrival(newest)
            };
        }
        Dated {
            at,
            clock,
            was_ahead: false,
        }
    }
}
