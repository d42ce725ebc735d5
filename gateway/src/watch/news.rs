//! What a subscriber learns, for who shows it to people or hands it to programs.

use telemetry::UtcMs;

use super::body::AlarmView;
use super::problem::Problem;
use super::site::Standing;

/// Something that was not known before.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Something of a site.
    Site {
        /// The site, `{park}/{enterprise}`.
        site: String,
        /// What.
        what: Told,
    },
    /// A break of the contract.
    Problem(Problem),
}

/// What a site told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// An event; each is told once.
    Event {
        /// Its number.
        seq: u64,
        /// The alarm, or what belongs to none.
        id: String,
        /// Its word.
        event: String,
        /// Who acted.
        by: Option<String>,
        /// What they said, or why it happened.
        comment: Option<String>,
        /// When, on the gateway's clock.
        changed_at: UtcMs,
        /// The alarm after it.
        view: Box<AlarmView>,
        /// True when it was missed and came by replay.
        replayed: bool,
    },
    /// An alarm that no event told of, out of a retained state or a snapshot.
    State {
        /// The number of the event that made it.
        seq: u64,
        /// The alarm.
        id: String,
        /// What it is.
        view: Box<AlarmView>,
    },
    /// An alarm that is not there any more, and no event told so: the snapshot does not list it, or its topic was emptied.
    Gone {
        /// The alarm.
        id: String,
    },
    /// Whether the table can be believed has changed.
    Standing {
        /// The gateway's name.
        gateway: Option<String>,
        /// Whether it can.
        standing: Standing,
    },
}
