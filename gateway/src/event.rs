//! What the gateway tells people: each event is a line of the log for people and a count for machines, in one place.
//!
//! Knows words, levels and metric names; nothing depends on whether anybody listens.

use std::net::SocketAddr;

use metrics::{counter, gauge};
use tracing::{debug, error, info, warn};

use crate::alarm::publish::Report;
use crate::ingest::Note;

/// What happened to the gateway itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The log was opened.
    LogOpened {
        /// Records that were replayed.
        replayed: u64,
        /// Bytes of an unfinished write that were cut off.
        cut: u64,
    },
    /// A snapshot does not read: the log is replayed from further back.
    SnapshotUnreadable {
        /// Why.
        why: String,
    },
    /// The configuration of an older part of the log does not load: its records are evaluated under the next one.
    OldConfigUnreadable {
        /// Its hash.
        hash: &'a str,
    },
    /// The disk takes nothing, or takes it again.
    Disk {
        /// Why not.
        fault: Option<&'a str>,
    },
    /// The log takes no more: samples are evaluated and not acknowledged.
    LogFull,
    /// The log takes records again.
    LogTakes,
    /// An output is to be switched.
    Switched {
        /// Which.
        output: &'a str,
        /// To what.
        on: bool,
        /// For which alarm; empty when for none.
        alarm: &'a str,
    },
    /// What a person asked for was refused.
    ActRefused {
        /// Who it was: by their token, or by their word where one token is everybody's. None when nobody is known by it.
        by: Option<&'a str>,
        /// Who they said they are.
        said: Option<&'a str>,
        /// Where they asked.
        from: SocketAddr,
        /// What for.
        verb: &'a str,
        /// On which alarm.
        alarm: &'a str,
        /// Why not.
        why: &'a str,
    },
    /// The broker was reached by a session.
    Connected {
        /// Which session.
        session: &'static str,
    },
    /// A session has no connection.
    Lost {
        /// Which session.
        session: &'static str,
        /// Why.
        why: &'a str,
    },
    /// The broker refused something of a session.
    Refused {
        /// Which session.
        session: &'static str,
        /// Why.
        why: &'a str,
    },
    /// A message came on a topic that is none of ours.
    Stray {
        /// The topic.
        topic: &'a str,
    },
    /// T jumped forward with the wall clock.
    Jumped {
        /// By how much, in milliseconds.
        ms: u64,
    },
    /// A snapshot was written.
    SnapshotWritten {
        /// Segments that could go.
        removed: usize,
    },
    /// A snapshot could not be written.
    SnapshotFailed {
        /// Why.
        why: String,
    },
    /// What the database takes, or why it doesn't.
    Database {
        /// Why not.
        fault: Option<&'a str>,
    },
    /// How far the database's writer is could not be noted down.
    NotNoted {
        /// Why.
        why: &'a str,
    },
    /// Lines were written to the database.
    LinesWritten {
        /// How many.
        lines: usize,
    },
    /// A part of the gateway ended that should go on.
    Ended {
        /// Which.
        part: &'a str,
        /// Why.
        why: String,
    },
    /// Dead letters could not be kept.
    LettersLost {
        /// How many.
        count: u64,
    },
}

impl Event<'_> {
    /// Tells it.
    pub fn tell(&self) {
        match self {
            Self::LogOpened { replayed, cut } => {
                if *cut > 0 {
                    warn!(cut, "the log's last write was not finished: cut off");
                }
                info!(replayed, "the log is open");
            }
            Self::SnapshotUnreadable { why } => {
                counter!("gateway_snapshots_unreadable_total").increment(1);
                warn!(%why, "a snapshot does not read");
            }
            Self::OldConfigUnreadable { hash } => {
                warn!(
                    hash,
                    "an older configuration in the log does not load any more: its records are evaluated under the next one"
                );
            }
            Self::Disk { fault } => {
                gauge!("gateway_disk_ok").set(f64::from(u8::from(fault.is_none())));
                match fault {
                    Some(why) => error!(
                        why,
                        "the disk takes nothing: samples wait at the edge, alarms go on"
                    ),
                    None => info!("the disk takes records again"),
                }
            }
            Self::LogFull => {
                counter!("gateway_log_full_total").increment(1);
                error!("the log takes no more: samples are evaluated, and not acknowledged");
            }
            Self::LogTakes => info!("the log takes records again"),
            Self::Switched { output, on, alarm } => {
                counter!("gateway_outputs_switched_total").increment(1);
                info!(output, on, alarm, "an output is switched");
            }
            Self::ActRefused {
                by,
                said,
                from,
                verb,
                alarm,
                why,
            } => {
                counter!("gateway_acts_refused_total").increment(1);
                // Anybody may ask: for as long a line as they like.
                let (said, verb, alarm) = (said.map(short), short(verb), short(alarm));
                warn!(by, said, %from, verb, alarm, why, "an act is refused");
            }
            Self::Connected { session } => {
                counter!("gateway_mqtt_connections_total", "session" => *session).increment(1);
                info!(session, "connected");
            }
            Self::Lost { session, why } => {
                counter!("gateway_mqtt_losses_total", "session" => *session).increment(1);
                warn!(session, why, "no connection");
            }
            Self::Refused { session, why } => {
                counter!("gateway_mqtt_refusals_total", "session" => *session).increment(1);
                warn!(session, why, "the broker refuses");
            }
            Self::Stray { topic } => {
                counter!("gateway_stray_messages_total").increment(1);
                debug!(topic, "a message on a topic that is none of ours");
            }
            Self::Jumped { ms } => warn!(ms, "the wall clock was set forward"),
            Self::SnapshotWritten { removed } => {
                counter!("gateway_snapshots_total").increment(1);
                debug!(removed, "snapshot written");
            }
            Self::SnapshotFailed { why } => {
                counter!("gateway_snapshots_failed_total").increment(1);
                error!(%why, "no snapshot could be written");
            }
            Self::Database { fault } => {
                gauge!("gateway_database_ok").set(f64::from(u8::from(fault.is_none())));
                match fault {
                    Some(why) => warn!(why, "the database takes nothing"),
                    None => info!("the database takes samples again"),
                }
            }
            Self::NotNoted { why } => {
                counter!("gateway_bookmarks_failed_total").increment(1);
                warn!(why, "how far the database is could not be noted down");
            }
            Self::LinesWritten { lines } => {
                counter!("gateway_lines_written_total").increment(as_u64(*lines));
            }
            Self::Ended { part, why } => error!(part, %why, "a part of the gateway ended"),
            Self::LettersLost { count } => {
                counter!("gateway_dead_letters_lost_total").increment(*count);
            }
        }
    }
}

/// As much of a stranger's word as a line of the log has room for.
fn short(text: &str) -> &str {
    let end = text.char_indices().nth(200);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Tells what ingest has to say.
pub fn note(note: &Note<'_>) {
    match note {
        Note::PackTaken { way, live, late } => {
            counter!("gateway_packs_total", "topic" => way.word()).increment(1);
            counter!("gateway_samples_total", "lane" => "live").increment(as_u64(*live));
            counter!("gateway_samples_total", "lane" => "late").increment(as_u64(*late));
        }
        Note::PackRepeated { .. } => counter!("gateway_packs_repeated_total").increment(1),
        Note::PackContradicted { node, id } => {
            counter!("gateway_packs_contradicted_total").increment(1);
            warn!(
                node,
                boot = id.boot,
                seq = id.seq,
                "a pack's number came again with other bytes: the first stands"
            );
        }
        Note::PackDeferred { node, cause } => {
            counter!("gateway_packs_deferred_total", "cause" => *cause).increment(1);
            debug!(node, cause, "a pack was left for later");
        }
        Note::Refused { node, cause, count } => {
            counter!("gateway_refused_total", "cause" => *cause).increment(as_u64(*count));
            debug!(node, cause, count, "refused");
        }
        Note::GapFound {
            node,
            boot,
            from,
            to,
            cause,
        } => {
            counter!("gateway_packs_lost_total").increment((to - from).saturating_add(1));
            error!(
                node,
                boot, from, to, cause, "packs will never come: their node gave them up"
            );
        }
        Note::StatusOutdated { node, boot } => {
            counter!("gateway_statuses_outdated_total").increment(1);
            warn!(node, boot, "a status of an older boot");
        }
    }
}

/// Tells what the publisher has to say.
pub fn report(report: &Report) {
    match report {
        Report::Refused { topic, refusal } => {
            counter!("gateway_publishes_refused_total").increment(1);
            error!(topic, %refusal, "the broker refuses an alarm message");
        }
        Report::Accepted { topic } => info!(topic, "the broker takes alarm messages again"),
        Report::NotReadable { refusal } => {
            warn!(
                refusal = refusal.map(tracing::field::display),
                "what the broker retains of ours can't be read back: every state is sent"
            );
        }
        Report::NewEpoch {
            epoch,
            previous,
            reason,
        } => {
            counter!("gateway_epochs_total").increment(1);
            warn!(%epoch, previous = previous.map(tracing::field::display), reason = reason.word(), "a new epoch of alarm events begins");
        }
        Report::Contested { gateway } => warn!(
            gateway,
            "another gateway says it serves this site: watching it"
        ),
        Report::OtherGateway {
            gateway,
            fatal: true,
        } => error!(gateway, "another gateway serves this site: this one ends"),
        Report::OtherGateway {
            gateway,
            fatal: false,
        } => error!(
            gateway,
            "another gateway serves this site, and came later: it has to end"
        ),
        Report::Diverged { position, index } => {
            counter!("gateway_replay_diverged_total").increment(1);
            error!(
                position,
                index,
                "the log's replay gives another event than the one that was sent: the sent one stands"
            );
        }
        Report::Missing { from, to } => {
            counter!("gateway_events_missing_total").increment((to - from).saturating_add(1));
            error!(
                from,
                to, "events that were never acknowledged are not in the journal any more"
            );
        }
        Report::BadRequest { client } => {
            counter!("gateway_bad_replay_requests_total").increment(1);
            debug!(
                client,
                "a replay request that makes no sense, or one too many"
            );
        }
    }
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
