//! Small files that are replaced as a whole: checksummed, written beside, brought to disk, renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::LogError;

/// Replaces the file; it is on disk when this returns.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    write_io(path, bytes).map_err(|source| LogError::io(path, source))
}

fn write_io(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.write_all(&crc32fast::hash(bytes).to_le_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// What the file holds; none when it isn't there or isn't whole.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, LogError> {
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LogError::io(path, source)),
    };
    let Some((_, crc)) = bytes.split_last_chunk::<4>() else {
        return Ok(None);
    };
    let crc = u32::from_le_bytes(*crc);
    bytes.truncate(bytes.len() - 4);
    Ok((crc32fast::hash(&bytes) == crc).then_some(bytes))
}
