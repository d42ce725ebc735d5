//! Keeping house: snapshots to disk, and of the log no more than there is room for.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::event::Event;
use crate::log::{Bookmark, Folder, LogError, Snapshot};

/// Stores snapshots as they come, until nobody sends any; blocks its thread.
pub(super) fn run(
    folder: &Arc<Folder>,
    most: u64,
    readers: &[&str],
    snapshots: &Receiver<Snapshot>,
) {
    for snapshot in snapshots {
        match keep(folder, most, readers, &snapshot) {
            Ok(removed) => Event::SnapshotWritten { removed }.tell(),
            Err(error) => {
                let why = error.to_string();
                Event::SnapshotFailed { why }.tell();
            }
        }
    }
}

fn keep(
    folder: &Folder,
    most: u64,
    readers: &[&str],
    snapshot: &Snapshot,
) -> Result<usize, LogError> {
    snapshot.store(folder.path())?;
    let mut needed_from = Snapshot::fallback(folder.path())?;
    for reader in readers {
        needed_from = needed_from.min(Bookmark::new(folder.path(), reader).load()?);
    }
    folder.keep(needed_from, most)
}
