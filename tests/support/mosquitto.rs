//! A real Mosquitto on loopback.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::{Process, free_port};

/// A running Mosquitto; it ends with the value.
#[derive(Debug)]
pub struct Mosquitto {
    process: Process,
    folder: tempfile::TempDir,
    settings: String,
    port: u16,
}

impl Mosquitto {
    /// Starts a broker without passwords, with queues that hold all that a test sends, and as quick as the shipped one.
    pub fn start() -> Self {
        Self::with(|port| {
            format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\n"
            )
        })
    }

    /// Starts a broker with a configuration of the test's own, made for the port that it will have.
    pub fn with(settings: impl Fn(u16) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Another process can take the port between its choice and its use: then another one is chosen.
        for _ in 0..5 {
            let port = free_port();
            let settings = settings(port);
            if let Ok(process) = launch(folder.path(), &settings) {
                return Self {
                    process,
                    folder,
                    settings,
                    port,
                };
            }
        }
        panic!("mosquitto does not start with:\n{}", settings(free_port()));
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the broker as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port after [`Self::kill`].
    pub fn restart(&mut self) {
        self.process = launch(self.folder.path(), &self.settings)
            .unwrap_or_else(|said| panic!("mosquitto does not start again:\n{said}"));
    }

    /// The next line of the broker's log that contains `wanted`.
    pub fn log_line(&self, wanted: &str) -> String {
        self.process.line_with(wanted, Duration::from_secs(10))
    }
}

fn launch(folder: &Path, settings: &str) -> Result<Process, String> {
    let file = folder.join("mosquitto.conf");
    std::fs::write(&file, settings).expect("a temporary folder can be written");
    let mut command = Command::new(program());
    command.arg("-v").arg("-c").arg(file).current_dir(folder);
    let process = Process::start(&mut command);
    process.find_line(" running", Duration::from_secs(10))?;
    Ok(process)
}

/// Debian puts it where a user's PATH does not look.
fn program() -> &'static str {
    if Path::new("/usr/sbin/mosquitto").exists() {
        "/usr/sbin/mosquitto"
    } else {
        "mosquitto"
    }
}
