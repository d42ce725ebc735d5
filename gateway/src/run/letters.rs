//! Dead letters: what could not be taken, kept in a file with where it came from and why.
//!
//! Who puts one never waits: when the file's thread does not keep up, letters are counted and lost.
//! The file is bounded: full, it becomes `dead-letters.old.jsonl`, and the one before goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::Serialize;
use telemetry::UtcMs;

use crate::event::Event;

/// Letters that may wait for the file.
const WAITING_MAX: usize = 1_024;
/// A file of this many bytes is full.
const FILE_LEN: u64 = 16 << 20;

/// What could not be taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Letter {
    /// When, on the log's clock.
    pub(super) at: UtcMs,
    /// The node, or the sink, that it came from.
    pub(super) from: String,
    /// The topic's last level, or what was refused.
    pub(super) topic: &'static str,
    /// The word that it is counted by.
    pub(super) cause: &'static str,
    /// What exactly was wrong.
    pub(super) detail: String,
    /// The bytes.
    pub(super) bytes: Vec<u8>,
}

/// Takes dead letters; clones take them to the same file.
#[derive(Clone, Debug)]
pub(super) struct Letters(SyncSender<Letter>);

/// Writes dead letters to their file.
#[derive(Debug)]
pub(super) struct LetterFile {
    letters: Receiver<Letter>,
    folder: PathBuf,
}

/// Both ends; the file is in `folder`.
pub(super) fn letters(folder: PathBuf) -> (Letters, LetterFile) {
    let (sender, letters) = sync_channel(WAITING_MAX);
    (Letters(sender), LetterFile { letters, folder })
}

impl Letters {
    /// Takes a letter, or counts it as lost; never waits.
    pub(super) fn put(&self, letter: Letter) {
        if self.0.try_send(letter).is_err() {
            Event::LettersLost { count: 1 }.tell();
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    at: UtcMs,
    from: &'a str,
    topic: &'a str,
    cause: &'a str,
    detail: &'a str,
    /// The bytes where they are text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The bytes in hex where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl LetterFile {
    /// Writes until nobody can put letters any more; blocks its thread.
    pub(super) fn run(self) {
        let mut file = None;
        for letter in &self.letters {
            if self.write(&mut file, &letter).is_err() {
                file = None;
                Event::LettersLost { count: 1 }.tell();
            }
        }
    }

    fn write(&self, open: &mut Option<(File, u64)>, letter: &Letter) -> io::Result<()> {
        let path = self.folder.join("dead-letters.jsonl");
        if open.as_ref().is_some_and(|(_, len)| *len >= FILE_LEN) {
            *open = None;
            fs::rename(&path, self.folder.join("dead-letters.old.jsonl"))?;
        }
        let (file, len) = match open {
            Some(open) => open,
            none => {
                let file = OpenOptions::new().create(true).append(true).open(&path)?;
                let len = file.metadata()?.len();
                none.insert((file, len))
            }
        };
        let text = std::str::from_utf8(&letter.bytes).ok();
        let hex = || letter.bytes.iter().map(|byte| format!("{byte:02x}"));
        let mut line = serde_json::to_vec(&Line {
            at: letter.at,
            from: &letter.from,
            topic: letter.topic,
            cause: letter.cause,
            detail: &letter.detail,
            text,
            hex: text.is_none().then(|| hex().collect()),
        })?;
        line.push(b'\n');
        file.write_all(&line)?;
        *len += u64::try_from(line.len()).unwrap_or(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_a_line_with_where_it_came_from_and_why() {
        let dir = tempfile::tempdir().unwrap();
        let (letters, file) = letters(dir.path().to_owned());
        for bytes in [b"{\"a\":1}".to_vec(), vec![0x9f, 0xff]] {
            letters.put(Letter {
                at: UtcMs(0),
                from: "n1".into(),
                topic: "telemetry",
                cause: "pack",
                detail: "no \"array\"".into(),
                bytes,
            });
        }
        drop(letters);
        file.run();
        let text = fs::read_to_string(dir.path().join("dead-letters.jsonl")).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"at":"1970-01-01T00:00:00.000Z","from":"n1","topic":"telemetry","cause":"pack","detail":"no \"array\"","text":"{\"a\":1}"}"#,
                "\n",
                r#"{"at":"1970-01-01T00:00:00.000Z","from":"n1","topic":"telemetry","cause":"pack","detail":"no \"array\"","hex":"9fff"}"#,
                "\n"
            )
        );
    }
}
