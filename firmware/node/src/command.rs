//! What the gateway may ask of a node: done once, refused when late.
//!
//! Knows which commands were done; what a verb does is the node's.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use telemetry::body::{Command, Reply, encode};

use crate::time::Now;

/// So many replies are remembered, for commands that come again.
const REMEMBERED: usize = 32;

/// The commands that were answered lately.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    done: VecDeque<(String, Vec<u8>)>,
}

impl Commands {
    /// Answers a command. `act` does it, and is called at most once for an id, and never too late.
    pub(crate) fn handle(
        &mut self,
        command: &Command,
        act: impl FnOnce(&Command) -> Result<serde_json::Value, String>,
        now: Now,
    ) -> Vec<u8> {
        if let Some((_, reply)) = self.done.iter().find(|(id, _)| *id == command.id) {
            return reply.clone();
        }
        let result = match now.wall.utc() {
            // A node without a clock can't tell; what is refused can be asked again.
            None => {
                Err("the node's clock is not set, so it can't tell whether this is late".into())
            }
            Some(utc) if utc > command.not_after => Err("late".into()),
            Some(_) => act(command),
        };
        let reply = encode(&Reply {
            id: command.id.clone(),
            ok: result.is_ok(),
            result: result.unwrap_or_else(serde_json::Value::from),
        });
        if self.done.len() >= REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back((command.id.clone(), reply.clone()));
        reply
    }
}
