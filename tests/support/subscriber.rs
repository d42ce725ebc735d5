//! A paho-mqtt client: it keeps what it receives, and publishes what it is told.

use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::python::python;

/// A running subscriber; it ends with the value.
#[derive(Debug)]
pub struct Subscriber(Process);

/// A message as it arrived.
#[derive(Clone, Debug)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// It was retained on the broker.
    pub retain: bool,
    /// The payload as text.
    pub payload: String,
}

impl Subscriber {
    /// Subscribes on 127.0.0.1 and waits for the broker's answer; `version` is `5` or `311`, `more` what `tests/peers/subscriber.py` tells.
    pub fn start(port: u16, version: &str, filters: &[&str], more: &[&str]) -> Self {
        Self::answered(port, version, filters, more).0
    }

    /// Like [`Self::start`], with the broker's answer to the subscription.
    pub fn answered(port: u16, version: &str, filters: &[&str], more: &[&str]) -> (Self, String) {
        let process = Process::start(
            python("subscriber.py")
                .args(["127.0.0.1", &port.to_string(), version])
                .args(filters)
                .args(more),
        );
        let answer = process.line_with("subscribed", Duration::from_secs(30));
        (Self(process), answer)
    }

    /// Publishes, and waits for the broker's answer: its reason.
    pub fn publish(&mut self, topic: &str, payload: &str) -> String {
        let input = self.0.child().stdin.as_mut().expect("stdin is piped");
        writeln!(input, "{topic} {payload}").expect("the client reads");
        let line = self.0.line_with("published ", Duration::from_secs(30));
        line.replace("published ", "")
    }

    /// The next message that `wanted` accepts; a panic with what came instead when `limit` is over.
    pub fn message(&self, limit: Duration, wanted: impl Fn(&Message) -> bool) -> Message {
        loop {
            let line = self.0.line_with("{", limit);
            let body: Value = serde_json::from_str(&line).expect("a line of JSON");
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            let message = Message {
                topic: text("topic"),
                retain: body["retain"] == Value::Bool(true),
                payload: text("payload"),
            };
            if wanted(&message) {
                return message;
            }
        }
    }
}
