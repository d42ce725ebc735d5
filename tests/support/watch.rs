//! `fengsui watch --check --json` as a process, and what it prints.

use std::time::Duration;

use serde_json::Value;

use crate::{Process, program};

/// Far longer than anything it waits for takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running watch; it is killed when the value goes.
#[derive(Debug)]
pub struct Watch {
    process: Process,
}

impl Watch {
    /// Begins to watch a park at a broker.
    pub fn start(url: &str, park: &str) -> Self {
        let mut command = program("fengsui");
        command.args(["watch", url, "--park", park, "--check", "--json"]);
        let process = Process::start(&mut command);
        Self { process }
    }

    /// The next object that is as wanted.
    #[track_caller]
    pub fn hears(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.process.line_with("{", PATIENCE);
            let object: Value = serde_json::from_str(&line).expect("one object a line");
            if wanted(&object) {
                return object;
            }
        }
    }

    /// The next event of an alarm with this word.
    #[track_caller]
    pub fn hears_event(&self, id: &str, word: &str) -> Value {
        self.hears(|object| object["id"] == *id && object["event"] == word)
    }

    /// Waits until the gateway's alarms are known.
    #[track_caller]
    pub fn hears_known(&self) {
        self.hears(|object| object["what"] == "gateway" && object["standing"] == "known");
    }

    /// Waits until its own connection stands, or is gone.
    #[track_caller]
    pub fn is_connected(&self, connected: bool) {
        self.hears(|object| object["connected"] == connected);
    }

    /// Interrupts it: the exit code and the summary.
    pub fn end(mut self) -> (i32, Value) {
        let code = self.process.terminate().expect("it ends by itself");
        (code, self.hears(|object| object["what"] == "summary"))
    }
}
