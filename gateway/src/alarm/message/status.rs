//! The gateway's status, and what it leaves behind as its will.

use serde::{Deserialize, Serialize};

use super::Site;
use crate::alarm::Epoch;
use crate::alarm::event::{Hash, hex};

/// Whether what the gateway shows of its alarms can be believed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmWord {
    /// The retained states and the snapshot are the truth.
    Known,
    /// They may not be.
    Unknown,
}

#[derive(Serialize)]
struct Body<'a> {
    schema: &'static str,
    site: String,
    gateway: &'a str,
    instance: &'a str,
    state: &'static str,
    alarm_state: AlarmWord,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    version: &'a str,
    rules_hash: &'a str,
}

/// What a status says beside the site.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    /// Whether the alarms can be believed.
    pub alarms: AlarmWord,
    /// The epoch, its last number and the hash of that event; none in what says goodbye.
    pub head: Option<(Epoch, u64, &'a Hash)>,
    /// The hash of the rules in force.
    pub rules_hash: &'a str,
    /// The process that speaks.
    pub instance: &'a str,
}

impl Status<'_> {
    /// The JSON; without a head it says `offline`, as the will does.
    ///
    /// # Panics
    /// Never: strings and numbers always write.
    pub fn write(&self, site: &Site) -> Vec<u8> {
        let body = Body {
            schema: "fengsui.gateway.status/1",
            site: site.name(),
            gateway: &site.gateway,
            instance: self.instance,
            state: if self.head.is_some() {
                "online"
            } else {
                "offline"
            },
            alarm_state: self.alarms,
            epoch: self.head.map(|(epoch, _, _)| epoch),
            seq: self.head.map(|(_, seq, _)| seq),
            head: self.head.map(|(_, _, head)| hex(head)),
            version: &site.version,
            rules_hash: self.rules_hash,
        };
        serde_json::to_vec(&body).expect("strings and numbers always write")
    }
}
