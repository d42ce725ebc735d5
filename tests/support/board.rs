//! The image of a board in an emulator that we did not write: QEMU's Arm MPS2 with a Cortex-M4F.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::Process;

/// Where the board's linker script keeps its rules.
const RULES_AT: &str = "0x38000";
/// Nothing that a test plays takes longer, on a machine with other work to do.
const LIMIT: Duration = Duration::from_secs(300);

/// The image; made once, which takes a while when nothing of it is there.
static IMAGE: LazyLock<String> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(root.join("firmware/build")).output().unwrap();
    let (said, wrong) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "firmware/build: {wrong}");
    let folder = root.join(said.trim());
    folder.join("mps2-an386").display().to_string()
});

/// A board with rules in its flash.
#[derive(Debug)]
pub struct Board {
    process: Process,
    /// Read when the board starts.
    _rules: NamedTempFile,
}

impl Board {
    /// Starts one.
    pub fn start(rules: &[u8]) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(rules).unwrap();
        let loader = format!(
            "loader,file={},addr={RULES_AT},force-raw=on",
            file.path().display()
        );
        let mut command = Command::new("qemu-system-arm");
        command
            .args(["-M", "mps2-an386", "-display", "none", "-monitor", "none"])
            .args(["-serial", "stdio", "-semihosting"])
            .args(["-kernel", &IMAGE, "-device", &loader]);
        Self {
            process: Process::start(&mut command),
            _rules: file,
        }
    }

    /// Plays frames and the end of the trace: the exit code, and the lines that it said.
    pub fn play(mut self, frames: &[Vec<u8>]) -> (Option<i32>, Vec<String>) {
        let mut line = self.process.child().stdin.take().unwrap();
        for frame in frames.iter().map(Vec::as_slice).chain([&[0][..]]) {
            // Who has stopped listening says why.
            if line.write_all(frame).is_err() {
                break;
            }
        }
        let (code, said) = self.process.ending(LIMIT);
        (code, said.lines().map(str::to_owned).collect())
    }
}
