//! A regulator's subscriber on paho-mqtt: it keeps every event, asks for what is missing and follows the chain.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Process;
use crate::python::python;

/// A running regulator; it ends with the value.
#[derive(Debug)]
pub struct Regulator {
    process: Process,
    folder: tempfile::TempDir,
}

/// What it holds.
#[derive(Clone, Debug)]
pub struct Report {
    /// Everything that it says, as `tests/peers/regulator.py` tells.
    pub said: Value,
    /// The events of the chain, from the first on.
    pub chain: Vec<Value>,
}

impl Regulator {
    /// Subscribes on 127.0.0.1 to a park, as this client, and waits for the broker's answer; `version` is `5` or `311`.
    pub fn start(port: u16, version: &str, client_id: &str, park: &str) -> Self {
        Self::start_as(port, version, client_id, park, &[])
    }

    /// Like [`Self::start`], at a broker that asks who it is; `access` is what `tests/peers/access.py` tells.
    pub fn start_as(
        port: u16,
        version: &str,
        client_id: &str,
        park: &str,
        access: &[String],
    ) -> Self {
        let port = port.to_string();
        let arguments = ["127.0.0.1", &port, version, client_id, park];
        let process = Process::start(python("regulator.py").args(arguments).args(access));
        process.line_with("subscribed", Duration::from_secs(30));
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { process, folder }
    }

    /// What it holds now. It asks for what is missing on the way.
    pub fn report(&mut self) -> Report {
        let path: PathBuf = self.folder.path().join("chain");
        let input = self.process.child().stdin.as_mut();
        writeln!(input.expect("stdin is piped"), "report {}", path.display())
            .expect("the regulator reads");
        let line = self.process.line_with("{", Duration::from_secs(60));
        let said = serde_json::from_str(&line).expect("a line of JSON");
        let text = std::fs::read_to_string(&path).expect("the chain");
        let chain = text.lines().map(serde_json::from_str);
        let chain = chain.collect::<Result<_, _>>().expect("events in JSON");
        Report { said, chain }
    }

    /// Asks until what it holds is as wanted; a panic with the last report when `limit` is over.
    #[allow(
        clippy::disallowed_methods,
        reason = "a test gives up after a while of the real clock"
    )]
    pub fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        mut is_wanted: impl FnMut(&Report) -> bool,
    ) -> Report {
        let end = Instant::now() + limit;
        loop {
            let report = self.report();
            if is_wanted(&report) {
                return report;
            }
            let Report { mut said, chain } = report;
            if Instant::now() >= end {
                said["states"] = Value::Null;
                panic!("{what} never came: {said:#}\nafter {:?}", chain.last());
            }
            // It has no push: a question a tick, until the answer is there.
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Report {
    /// True when nothing is missing and the last event is the one that the gateway's last status names.
    pub fn is_complete(&self) -> bool {
        let status = self.said["statuses"]
            .as_array()
            .and_then(|statuses| statuses.last());
        self.said["holes"].as_array().is_some_and(Vec::is_empty)
            && status.is_some_and(|status| {
                status["alarm_state"] == "known"
                    && status["epoch"] == self.said["epoch"]
                    && status["seq"].as_u64() <= self.said["seq"].as_u64()
            })
    }
}
