//! The boot number: it grows at each start of a node and is never used again.

use std::io;
use std::path::Path;

use telemetry::UtcMs;

use crate::store::replace;

/// The number of this start: one more than the last one's, and at least the seconds of the wall clock, so that a node whose folder was lost does not begin again at 1.
///
/// It is on the disk before this returns.
///
/// # Errors
/// The folder can't be written, or holds something that is no boot number.
pub fn next(folder: &Path, wall: Option<UtcMs>) -> io::Result<u64> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join("boot");
    let last = match std::fs::read_to_string(&file) {
        Ok(text) => text
            .trim()
            .parse::<u64>()
            .map_err(|_| io::Error::other(format!("{} holds no boot number", file.display())))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let seconds = wall.map_or(0, |utc| u64::try_from(utc.0 / 1_000).unwrap_or(0));
    let boot = (last + 1).max(seconds);
    replace(&file, boot.to_string().as_bytes())?;
    Ok(boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boots_grow_also_when_the_clock_goes_back_or_the_folder_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let first = next(folder.path(), Some(UtcMs(1_700_000_000_000))).unwrap();
        let second = next(folder.path(), Some(UtcMs(1_600_000_000_000))).unwrap();
        let third = next(folder.path(), None).unwrap();
        assert_eq!(
            (first, second, third),
            (1_700_000_000, 1_700_000_001, 1_700_000_002)
        );
        let lost = tempfile::tempdir().unwrap();
        assert!(next(lost.path(), Some(UtcMs(1_700_000_100_000))).unwrap() > third);
    }

    #[test]
    fn a_thousand_starts_within_a_second_have_a_thousand_boots_and_none_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let now = UtcMs(1_700_000_000_000);
        let mut boots: Vec<u64> = (0..1_000)
            .map(|_| next(folder.path(), Some(now)).unwrap())
            .collect();
        assert!(boots.windows(2).all(|pair| pair[0] < pair[1]));
        // A kill while it was written leaves the number before it.
        std::fs::write(folder.path().join("boot.new"), "17").unwrap();
        boots.push(next(folder.path(), Some(now)).unwrap());
        assert!(boots[1_000] > boots[999]);
    }

    #[test]
    fn a_damaged_boot_number_is_told_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("boot"), "x").unwrap();
        assert!(next(folder.path(), None).is_err());
    }
}
