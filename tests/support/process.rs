//! A child process that is ready when it says so and ends with its value.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A running child; it is killed when the value goes.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    name: String,
}

impl Process {
    /// Starts a command; its output lines, of both kinds, can be waited for.
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; tests/all installs it"));
        let (sender, lines) = sync_channel(100_000);
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("stdout is piped")),
            Box::new(child.stderr.take().expect("stderr is piped")),
        ];
        let said = Arc::new(Mutex::new(String::new()));
        let mut readers = Vec::new();
        for output in outputs {
            let (sender, said) = (sender.clone(), Arc::clone(&said));
            // Ends with the child, whose output it reads.
            #[allow(
                clippy::disallowed_methods,
                reason = "a test's reader of a child's output"
            )]
            let reader = std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    said.push_str(&line);
                    said.push('\n');
                    drop(said);
                    // The channel is as long as any test's output; a test that is gone reads nothing.
                    if sender.try_send(line).is_err() {
                        continue;
                    }
                }
            });
            readers.push(reader);
        }
        Self {
            child,
            lines,
            said,
            readers,
            name,
        }
    }

    /// The next line that contains `wanted`, or a panic with what was said instead when `limit` is over or the child has ended.
    pub fn line_with(&self, wanted: &str, limit: Duration) -> String {
        self.find_line(wanted, limit)
            .unwrap_or_else(|said| panic!("{} never said `{wanted}`, but:\n{said}", self.name))
    }

    /// Like [`Self::line_with`], without the panic.
    ///
    /// # Errors
    /// What was said instead.
    pub fn find_line(&self, wanted: &str, limit: Duration) -> Result<String, String> {
        self.lines_to(wanted, limit).map(|(_, line)| line)
    }

    /// Like [`Self::find_line`], with what was said before the line.
    ///
    /// # Errors
    /// What was said instead.
    #[allow(
        clippy::disallowed_methods,
        reason = "a test gives up after a while of the real clock, also on a child that never stops talking"
    )]
    pub fn lines_to(&self, wanted: &str, limit: Duration) -> Result<(String, String), String> {
        let end = Instant::now() + limit;
        let mut said = String::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                return Err(said);
            };
            if line.contains(wanted) {
                return Ok((said, line));
            }
            said.push_str(&line);
            said.push('\n');
        }
    }

    /// Everything that it has said so far, whether it was waited for or not.
    pub fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    /// Waits until the child has ended by itself and everything that it said is here; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let ended = self.child.wait().expect("a child can be waited for");
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader ends with the output");
        }
        ended.code()
    }

    /// The child's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child, to write to its input or to wait for its end.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the child has ended by itself: its exit code, and what it said since the last line that was asked for.
    pub fn ending(&mut self, limit: Duration) -> (Option<i32>, String) {
        let mut said = String::new();
        loop {
            match self.lines.recv_timeout(limit) {
                Ok(line) => {
                    said.push_str(&line);
                    said.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{} does not end, but said:\n{said}", self.name)
                }
            }
        }
        let status = self.child.wait().expect("a child can be waited for");
        (status.code(), said)
    }

    /// Asks the child to end (SIGTERM) and waits until it has; its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").arg(id).status();
        assert!(
            asked.is_ok_and(|status| status.success()),
            "kill: {}",
            self.name
        );
        self.wait()
    }

    /// Ends the child at once (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        if self.child.kill().is_ok() {
            self.child.wait().expect("a child can be waited for");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port on loopback that was free a moment ago, for servers that can't be asked to choose one.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port()
}
