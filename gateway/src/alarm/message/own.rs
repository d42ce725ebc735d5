//! Events of no alarm: a gap in what a node sent, and the beginning of an epoch.

use std::borrow::Cow;

use rules::effect::Letter;
use serde::Serialize;
use telemetry::UtcMs;

use super::body::{CauseBody, Lead, Rest, RuleBody};
use super::{Site, fields};
use crate::alarm::Epoch;
use crate::alarm::event::{Draft, hash, hex};

/// The pack that the system's own rules are in.
const PACK: &str = "sys";

/// Packs that will never come: their node gave them up.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Gap {
    /// The node; a name segment.
    #[serde(skip)]
    pub node: String,
    /// The node's boot.
    pub boot: u64,
    /// The first pack that is missing.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// Why, as the node says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<GapCause>,
}

/// Why packs are missing, in the node's word; empty words are none.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct GapCause(pub String);

#[derive(Serialize)]
struct GapTail<'a> {
    event: &'static str,
    cause: CauseBody<'a>,
    gap: &'a Gap,
}

#[derive(Serialize)]
struct EpochTail<'a> {
    event: &'static str,
    cause: CauseBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_epoch: Option<Epoch>,
}

/// The event `gap` of a node.
pub fn gap_draft(site: &Site, gap: &Gap, at: UtcMs) -> Draft {
    let Gap {
        node,
        boot,
        from,
        to,
        cause,
    } = gap;
    let why = cause.as_ref().map_or("unknown", |cause| &cause.0);
    let reason = format!("packs {from} to {to} of boot {boot} are lost: {why}");
    let tail = fields(&GapTail {
        event: "gap",
        cause: CauseBody::Node(node),
        gap,
    });
    own(site, node, "sys.gap", tail, reason, at)
}

/// The event `epoch`, the first of every epoch.
pub fn epoch_draft(site: &Site, previous: Option<Epoch>, reason: &str, at: UtcMs) -> Draft {
    let tail = fields(&EpochTail {
        event: "epoch",
        cause: CauseBody::Node(&site.gateway),
        previous_epoch: previous,
    });
    own(site, &site.gateway, "sys.epoch", tail, reason.into(), at)
}

fn own(site: &Site, node: &str, rule: &str, tail: String, reason: String, at: UtcMs) -> Draft {
    let rest = Rest {
        letter: Letter::A.as_str(),
        state: Letter::A.word(),
        active: false,
        acked: true,
        latched: false,
        shelved: false,
        suppressed: false,
        out_of_service: false,
        unknown: false,
        test: false,
        changed_at: at,
        rule: RuleBody {
            name: rule,
            pack: PACK,
            version: &site.version,
            hash: Cow::Owned(hex(&hash(rule.as_bytes()))),
            clause: None,
        },
        level: None,
        colour: None,
        severity: None,
        condition_since: None,
        raised_at: None,
        limit: None,
        peak: None,
        cleared_at: None,
        value: None,
        unit: None,
        quality: None,
        sample_time: None,
        clock: None,
        acked_at: None,
        acked_by: None,
        shelved_until: None,
        shelved_by: None,
        suppressed_by: Vec::new(),
        silenced: false,
        incident: None,
        re_alarms: 0,
        fleeting: 0,
        config_changed: false,
        point: None,
        reason: Some(reason),
        text: None,
        advice: None,
        action: None,
    };
    Draft {
        lead: fields(&Lead {
            id: &format!("-/{node}/{rule}"),
            site: &site.name(),
            occurrence: 0,
        }),
        tail,
        rest: fields(&rest),
        stateful: false,
    }
}
