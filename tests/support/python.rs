//! The Python that has pymodbus and paho-mqtt.

use std::path::Path;
use std::process::Command;

/// A command that runs one of the scripts in `tests/peers` with the peers' Python.
pub fn python(script: &str) -> Command {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let mut command = Command::new(found("FENGSUI_PYTHON", &peers.join("python.sh")));
    command.arg("-u").arg(peers.join(script));
    command
}

/// What the test command found, or what the script that finds it prints.
pub(crate) fn found(variable: &str, script: &Path) -> String {
    if let Ok(path) = std::env::var(variable) {
        return path;
    }
    let output = Command::new(script)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(
        output.status.success(),
        "{} failed; tests/all installs what it needs:\n{}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8(output.stdout).expect("a path in UTF-8");
    printed.trim().to_owned()
}
