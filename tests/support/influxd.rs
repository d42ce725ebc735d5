//! A real InfluxDB 2 on loopback.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::http;
use crate::process::Process;
use crate::python::found;

/// The organisation, the bucket and the token that every test server is set up with.
const ORG: &str = "fengsui";
const BUCKET: &str = "sensors";
const TOKEN: &str = "a-token-for-tests-only";

/// A running InfluxDB 2, set up and empty; it ends with the value.
#[derive(Debug)]
pub struct Influxd {
    process: Process,
    folder: tempfile::TempDir,
    port: u16,
}

impl Influxd {
    /// Starts a server and sets it up.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (process, port) = launch(folder.path(), 0);
        let server = Self {
            process,
            folder,
            port,
        };
        let body = format!(
            r#"{{"username":"tests","password":"only-for-tests","org":"{ORG}","bucket":"{BUCKET}","token":"{TOKEN}"}}"#
        );
        let (head, answer) = server.post("/api/v2/setup", "application/json", &body);
        assert!(head.starts_with("HTTP/1.1 201"), "setup: {head}\n{answer}");
        server
    }

    /// Its address, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The organisation.
    pub fn org(&self) -> &'static str {
        ORG
    }

    /// The bucket.
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The token that may do everything.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// Ends the server as a power cut would, and starts it again on its data; the port may change.
    pub fn kill_and_restart(&mut self) {
        self.process.kill();
        (self.process, self.port) = launch(self.folder.path(), 0);
    }

    /// Starts it again on its data and on the same port after [`Self::kill`].
    pub fn restart(&mut self) {
        (self.process, self.port) = launch(self.folder.path(), self.port);
    }

    /// Ends the server.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// The answer to a Flux query, as annotated CSV without annotations.
    pub fn query(&self, flux: &str) -> String {
        let (head, body) = self.post(
            &format!("/api/v2/query?org={ORG}"),
            "application/vnd.flux",
            flux,
        );
        assert!(head.starts_with("HTTP/1.1 200"), "query: {head}\n{body}");
        body
    }

    fn post(&self, path: &str, content_type: &str, body: &str) -> (String, String) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nAuthorization: Token {TOKEN}\r\nAccept: application/csv\r\nContent-Type: {content_type}\r\n"
        );
        http::request(self.port, &head, body)
    }
}

fn launch(folder: &Path, port: u16) -> (Process, u16) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/influxd.sh");
    let program = found("FENGSUI_INFLUXD", &script);
    let process = Process::start(
        Command::new(program)
            .arg("--bolt-path")
            .arg(folder.join("influxd.bolt"))
            .arg("--sqlite-path")
            .arg(folder.join("influxd.sqlite"))
            .arg("--engine-path")
            .arg(folder.join("engine"))
            .args(["--http-bind-address", &format!("127.0.0.1:{port}")])
            .arg("--reporting-disabled"),
    );
    let line = process.line_with("Listening", Duration::from_secs(60));
    let port = line
        .rsplit("port=")
        .next()
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("no port in: {line}"));
    (process, port)
}
