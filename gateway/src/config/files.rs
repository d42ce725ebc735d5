//! Where files come from: the disk at a start, or the log's copy when an old configuration is read again. Remembers what was read.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use front::{Item, Problems, Source};
use host::config::Beside;
use sha2::{Digest, Sha256};

use crate::log::FileImage;

/// The files of one configuration.
pub(super) struct Files<'a> {
    origin: Origin<'a>,
    warnings: &'a Problems,
    read: RefCell<Vec<FileImage>>,
}

enum Origin<'a> {
    /// Paths are beside the configuration file, in this folder.
    Disk {
        folder: PathBuf,
        env: &'a dyn Fn(&str) -> Option<String>,
    },
    /// The log's copy; there are no secrets in it.
    Image(&'a [FileImage]),
}

impl<'a> Files<'a> {
    pub(super) fn disk(
        folder: PathBuf,
        env: &'a dyn Fn(&str) -> Option<String>,
        warnings: &'a Problems,
    ) -> Self {
        Self {
            origin: Origin::Disk { folder, env },
            warnings,
            read: RefCell::default(),
        }
    }

    pub(super) fn image(files: &'a [FileImage], warnings: &'a Problems) -> Self {
        Self {
            origin: Origin::Image(files),
            warnings,
            read: RefCell::default(),
        }
    }

    /// The text of a file by its path as written; messages call it by the path from here. An error says why there is none, and not of which file.
    pub(super) fn source(&self, name: &str) -> Result<Source, String> {
        let source = match &self.origin {
            Origin::Disk { .. } => Source::open(&self.path(name))?,
            Origin::Image(files) => {
                let file = files
                    .iter()
                    .find(|file| file.path == name)
                    .ok_or("is not in the log's copy")?;
                Source::new(name, String::from_utf8_lossy(&file.bytes))
            }
        };
        self.remember(name, &source);
        Ok(source)
    }

    /// The text of something that comes with the program; an old configuration has its own copy.
    pub(super) fn shipped(&self, name: &str, shipped: Source) -> Source {
        let source = match &self.origin {
            Origin::Disk { .. } => shipped,
            Origin::Image(files) => files
                .iter()
                .find(|file| file.path == name)
                .map_or(shipped, |file| {
                    Source::new(name, String::from_utf8_lossy(&file.bytes))
                }),
        };
        self.remember(name, &source);
        source
    }

    fn remember(&self, name: &str, source: &Source) {
        let mut read = self.read.borrow_mut();
        if read.iter().all(|file| file.path != name) {
            read.push(FileImage {
                path: name.to_owned(),
                bytes: source.text().as_bytes().to_vec(),
            });
        }
    }

    /// What was read so far, in the order of reading.
    pub(super) fn into_read(self) -> Vec<FileImage> {
        self.read.into_inner()
    }
}

impl Beside for Files<'_> {
    fn is_live(&self) -> bool {
        matches!(self.origin, Origin::Disk { .. })
    }

    fn path(&self, name: &str) -> PathBuf {
        match &self.origin {
            Origin::Disk { folder, .. } => folder.join(name),
            Origin::Image(_) => PathBuf::from(name),
        }
    }

    fn warn(&self, item: &Item<'_>, what: String) {
        self.warnings.add(item.place(), item.path(), what);
    }

    fn env(&self, name: &str) -> Option<String> {
        match &self.origin {
            Origin::Disk { env, .. } => env(name),
            Origin::Image(_) => None,
        }
    }
}

/// The folder of a file.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or_else(|| Path::new("")).to_owned()
}

/// SHA-256 over files with their paths, in hex: two configurations with the same hash are the same.
pub fn hash_of(files: &[FileImage]) -> String {
    let mut sha = Sha256::new();
    for part in files
        .iter()
        .flat_map(|file| [file.path.as_bytes(), &file.bytes])
    {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    sha.finalize().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all");
        hex
    })
}
