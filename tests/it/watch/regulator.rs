//! `fengsui watch --check --json` as a process, and what it prints.

use serde_json::Value;
use support::{Process, program};

use super::plant::PATIENCE;

/// A running watch; it is killed when the value goes.
pub(super) struct Regulator {
    process: Process,
}

impl Regulator {
    /// Begins to watch the park `east` at a broker.
    pub(super) fn start(url: &str) -> Self {
        let mut command = program("fengsui");
        command.args(["watch", url, "--park", "east", "--check", "--json"]);
        let process = Process::start(&mut command);
        Self { process }
    }

    /// The next object that is as wanted.
    #[track_caller]
    pub(super) fn hears(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.process.line_with("{", PATIENCE);
            let object: Value = serde_json::from_str(&line).expect("one object a line");
            if wanted(&object) {
                return object;
            }
        }
    }

    /// The next event of a probe's alarm with this word.
    #[track_caller]
    pub(super) fn hears_event(&self, probe: u8, word: &str) -> Value {
        let id = format!("hall/t-{probe}/hot");
        self.hears(|object| object["id"] == *id && object["event"] == word)
    }

    /// Waits until the gateway's alarms are known.
    #[track_caller]
    pub(super) fn hears_known(&self) {
        self.hears(|object| object["what"] == "gateway" && object["standing"] == "known");
    }

    /// Waits until its own connection stands, or is gone.
    #[track_caller]
    pub(super) fn is_connected(&self, connected: bool) {
        self.hears(|object| object["connected"] == connected);
    }

    /// Interrupts it: the exit code and the summary.
    pub(super) fn end(mut self) -> (i32, Value) {
        let code = self.process.terminate().expect("it ends by itself");
        (code, self.hears(|object| object["what"] == "summary"))
    }
}

/// The words of the problems of a summary.
pub(super) fn words(summary: &Value) -> Vec<&str> {
    let problems = summary["problems"].as_array().expect("a list").iter();
    problems
        .map(|problem| problem["problem"].as_str().expect("a word"))
        .collect()
}
