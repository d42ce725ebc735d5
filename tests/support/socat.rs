//! A pair of serial lines joined back to back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::Process;

/// Two pseudo-terminals joined by socat: what one end is told the other hears.
#[derive(Debug)]
pub struct SerialPair {
    _process: Process,
    folder: tempfile::TempDir,
}

impl SerialPair {
    /// Starts socat and waits until both ends are there.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let end =
            |name: &str| format!("pty,raw,echo=0,link={}", folder.path().join(name).display());
        let process = Process::start(
            Command::new("socat")
                .args(["-d", "-d"])
                .args([end("near"), end("far")]),
        );
        process.line_with("starting data transfer loop", Duration::from_secs(10));
        Self {
            _process: process,
            folder,
        }
    }

    /// The end for the device under test.
    pub fn near(&self) -> PathBuf {
        self.end("near")
    }

    /// The end for the peer.
    pub fn far(&self) -> PathBuf {
        self.end("far")
    }

    fn end(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}
