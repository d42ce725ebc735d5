//! A paho-mqtt client: it keeps what it receives, and publishes what it is told.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::python::python;

/// A running subscriber; it ends with the value.
#[derive(Debug)]
pub struct Subscriber {
    process: Process,
    /// What came while an answer was waited for.
    kept: RefCell<VecDeque<String>>,
}

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
        let process = Process::start(
            python("subscriber.py")
                .args(["127.0.0.1", &port.to_string(), version])
                .args(filters)
                .args(more),
        );
        process.line_with("subscribed", Duration::from_secs(30));
        let kept = RefCell::default();
        Self { process, kept }
    }

    /// Publishes, and waits for the broker's answer: its reason.
    pub fn publish(&mut self, topic: &str, payload: &str) -> String {
        let input = self.process.child().stdin.as_mut();
        writeln!(input.expect("stdin is piped"), "{topic} {payload}").expect("the client reads");
        let answer = self.process.lines_to("published ", Duration::from_secs(30));
        let (before, line) = answer.unwrap_or_else(|said| panic!("no answer, but:\n{said}"));
        let messages = before.lines().filter(|line| line.starts_with('{'));
        self.kept.borrow_mut().extend(messages.map(str::to_owned));
        line.replace("published ", "")
    }

    /// The next message that `wanted` accepts; a panic with what came instead when `limit` is over.
    pub fn message(&self, limit: Duration, wanted: impl Fn(&Message) -> bool) -> Message {
        loop {
            let kept = self.kept.borrow_mut().pop_front();
            let line = kept.unwrap_or_else(|| self.process.line_with("{", limit));
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
