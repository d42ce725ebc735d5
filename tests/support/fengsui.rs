//! The programs under test, as processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http;
use crate::process::Process;

/// `fengsui` or `fengsui-node`, as `cargo test --workspace` built it beside the test.
pub fn program(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(Path::parent);
    let program: PathBuf = folder.expect("a target folder").join(name);
    assert!(
        program.exists(),
        "{} is missing: cargo build --workspace --bins",
        program.display()
    );
    let mut command = Command::new(program);
    command.env_remove("RUST_LOG");
    command
}

/// A running `fengsui run`; it is killed when the value goes.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    port: u16,
    began: String,
}

impl Gateway {
    /// Starts a gateway and waits until it runs. Its file should listen on `127.0.0.1:0`; `env` is for secrets.
    pub fn start(config: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = program("fengsui");
        command.arg("run").arg(config).envs(env.iter().copied());
        Self::start_as(&mut command)
    }

    /// Starts a gateway by a command of the test's own and waits until it runs.
    pub fn start_as(command: &mut Command) -> Self {
        let process = Process::start(command);
        let (began, line) = process
            .lines_to(" running ", Duration::from_secs(60))
            .unwrap_or_else(|said| panic!("the gateway does not run:\n{said}"));
        let port = line
            .split("listen=127.0.0.1:")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .and_then(|port| port.parse().ok())
            .unwrap_or_else(|| panic!("no port in: {line}"));
        Self {
            process,
            port,
            began,
        }
    }

    /// The local API, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The body that a path of the local API answers with 200.
    pub fn get(&self, path: &str) -> String {
        let (head, body) = http::request(self.port, &format!("GET {path} HTTP/1.1\r\n"), "");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}\n{body}");
        body
    }

    /// How the gateway is, as `/api/v1/status` says.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/v1/status")).expect("a status in JSON")
    }

    /// Asks for the status until it is as wanted; a panic with the last one when `limit` is over.
    #[allow(
        clippy::disallowed_methods,
        reason = "a test gives up after a while of the real clock"
    )]
    pub fn wait_for(&self, what: &str, limit: Duration, is_wanted: impl Fn(&Value) -> bool) {
        let end = Instant::now() + limit;
        loop {
            let status = self.status();
            if is_wanted(&status) {
                return;
            }
            assert!(Instant::now() < end, "{what} never came: {status:#}");
            // The API has no push: a question a tick, until the answer is there.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it said before it ran.
    pub fn began(&self) -> &str {
        &self.began
    }

    /// The next line of its log that contains `wanted`.
    pub fn log_line(&self, wanted: &str) -> String {
        self.process.line_with(wanted, Duration::from_secs(60))
    }

    /// Everything that it has said so far.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// Its exit code once it has ended by itself.
    pub fn ended(&mut self) -> Option<i32> {
        let ended = self.process.child().try_wait();
        ended.expect("a child can be waited for")?;
        self.process.wait()
    }

    /// Ends it at once, as SIGKILL does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to stop, and waits; the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.process.terminate()
    }
}
