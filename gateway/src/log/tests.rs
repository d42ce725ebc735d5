//! The log as a whole: what a crash, a damaged disk, a full disk and a second gateway do to it.

use std::fs;
use std::io;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn config(hash: &str) -> ConfigImage {
    ConfigImage {
        hash: hash.into(),
        ..ConfigImage::default()
    }
}

fn condition(reason: &str) -> Record<'_> {
    Record::Condition {
        alarm: "-/n1/sys.offline",
        active: true,
        reason,
    }
}

/// Writes what was appended to disk, as the committer does.
pub(crate) fn commit(folder: &Folder, appender: &mut Appender) {
    let mut disk = FolderDisk::new(folder.path().to_owned());
    for chunk in appender.take() {
        disk.write(&chunk).unwrap();
    }
    disk.sync().unwrap();
    appender.set_durable(appender.end());
}

/// Each record's text with its end.
fn read_all(folder: &Path, upto: LogOffset) -> Result<Vec<(String, LogOffset)>, LogError> {
    let mut reader = Reader::open(folder, LogOffset(0))?;
    let mut read = Vec::new();
    while let Some(entry) = reader.read(upto)? {
        if let Record::Condition { reason, .. } = entry.record {
            read.push((reason.to_owned(), entry.end));
        }
    }
    Ok(read)
}

/// A log of `texts`, each on disk before the next when `each` is set.
fn written(each: bool, segment_len: u64, texts: &[String]) -> (TempDir, Vec<LogOffset>) {
    let dir = TempDir::new().unwrap();
    let folder = Folder::lock(dir.path()).unwrap();
    let opened = folder.open(&config("a"), UtcMs(5)).unwrap();
    assert!(!opened.has_history);
    let mut appender = opened.appender.with_limits(segment_len, PENDING_MAX);
    let mut ends = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let t = UtcMs(10 + i64::try_from(index).unwrap());
        ends.push(appender.append(&condition(text), t).end);
        if each {
            commit(&folder, &mut appender);
        }
    }
    commit(&folder, &mut appender);
    (dir, ends)
}

fn texts(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("reason {n}")).collect()
}

fn reopen(dir: &TempDir) -> Result<(Opened, Folder), LogError> {
    let folder = Folder::lock(dir.path())?;
    let opened = folder.open(&config("never used"), UtcMs(0))?;
    Ok((opened, folder))
}

fn last_segment(dir: &TempDir) -> PathBuf {
    segment::list(dir.path()).unwrap().pop().unwrap().path
}

#[test]
fn what_was_written_is_read_over_segments_and_goes_on_after_a_restart() {
    let (dir, ends) = written(true, 300, &texts(20));
    assert!(segment::list(dir.path()).unwrap().len() > 3);
    let (opened, folder) = reopen(&dir).unwrap();
    let mut appender = opened.appender;
    assert_eq!((opened.cut, opened.has_history), (0, true));
    assert_eq!(Some(&appender.end()), ends.last());
    assert_eq!(appender.last_t(), UtcMs(29));
    assert_eq!(appender.config().hash, "a");
    let end = appender.append(&condition("more"), UtcMs(40)).end;
    commit(&folder, &mut appender);
    let read = read_all(dir.path(), end).unwrap();
    let mut wanted = texts(20);
    wanted.push("more".into());
    assert_eq!(
        read.iter().map(|(text, _)| text).collect::<Vec<_>>(),
        wanted.iter().collect::<Vec<_>>()
    );
}

#[test]
fn a_reader_goes_on_from_every_record_knows_its_configuration_and_stops_at_what_is_durable() {
    let (dir, ends) = written(false, 300, &texts(12));
    let end = *ends.last().unwrap();
    for (index, from) in ends.iter().enumerate() {
        let mut reader = Reader::open(dir.path(), *from).unwrap();
        assert_eq!(
            (reader.position(), reader.config().hash.as_str()),
            (*from, "a")
        );
        let mut n_read = 0;
        while let Some(entry) = reader.read(end).unwrap() {
            n_read += usize::from(!matches!(entry.record, Record::Config(_)));
        }
        assert_eq!(n_read, ends.len() - 1 - index);
        assert_eq!(read_all(dir.path(), *from).unwrap().len(), index + 1);
    }
}

#[test]
fn a_log_cut_at_any_byte_gives_the_records_before_it_and_goes_on() {
    let (dir, ends) = written(false, 200, &texts(6));
    let path = last_segment(&dir);
    let base = segment::list(dir.path()).unwrap().pop().unwrap().base;
    let whole = fs::read(&path).unwrap();
    for len in (0..whole.len()).rev() {
        fs::write(&path, &whole[..len]).unwrap();
        let (opened, folder) = reopen(&dir).unwrap();
        let mut appender = opened.appender;
        let kept = ends.iter().filter(|end| end.0 <= base.0 + len as u64);
        let read = read_all(dir.path(), appender.end()).unwrap();
        assert_eq!(
            read.iter().map(|(_, end)| end).collect::<Vec<_>>(),
            kept.collect::<Vec<_>>()
        );
        let end = appender.append(&condition("after"), UtcMs(99)).end;
        commit(&folder, &mut appender);
        let after = read_all(dir.path(), end).unwrap();
        assert_eq!(after.len(), read.len() + 1);
        // As it was, for the next length.
        drop(folder);
        for segment in segment::list(dir.path()).unwrap() {
            if segment.base >= base {
                fs::remove_file(segment.path).unwrap();
            } else if segment.end() > base {
                let file = OpenOptions::new().write(true).open(segment.path).unwrap();
                file.set_len(base.0 - segment.base.0).unwrap();
            }
        }
    }
}

#[test]
fn any_damaged_byte_of_an_unsynced_tail_gives_the_records_before_it() {
    let (dir, ends) = written(false, SEGMENT_LEN, &texts(6));
    let path = last_segment(&dir);
    let whole = fs::read(&path).unwrap();
    let first = usize::try_from(ends[0].0).unwrap();
    for index in first..whole.len() {
        let mut damaged = whole.clone();
        damaged[index] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        let (opened, _folder) = reopen(&dir).unwrap();
        let intact = ends.iter().filter(|end| end.0 <= index as u64).count();
        let read = read_all(dir.path(), opened.appender.end()).unwrap();
        assert_eq!(read.len(), intact, "byte {index}");
    }
}

#[test]
fn any_damaged_byte_that_had_been_on_disk_is_told_and_nothing_is_cut() {
    let (dir, ends) = written(true, SEGMENT_LEN, &texts(6));
    let path = last_segment(&dir);
    let whole = fs::read(&path).unwrap();
    let last_begins = usize::try_from(ends[4].0).unwrap();
    let config_begins = segment::HEADER_LEN;
    for index in config_begins..last_begins {
        let mut damaged = whole.clone();
        damaged[index] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        let told = reopen(&dir).map(|_| ()).unwrap_err();
        assert!(
            matches!(told, LogError::Damaged { .. }),
            "byte {index}: {told}"
        );
        assert_eq!(fs::read(&path).unwrap(), damaged);
    }
}

#[test]
fn a_damaged_older_segment_is_told_by_its_reader() {
    let (dir, ends) = written(true, 200, &texts(12));
    let first = segment::list(dir.path()).unwrap().remove(0).path;
    let mut bytes = fs::read(&first).unwrap();
    let index = bytes.len() - 6;
    bytes[index] ^= 1;
    fs::write(&first, bytes).unwrap();
    let told = read_all(dir.path(), *ends.last().unwrap()).unwrap_err();
    assert!(matches!(told, LogError::Damaged { .. }));
}

#[test]
fn a_missing_segment_is_a_hole_and_no_silence() {
    let (dir, _) = written(true, 200, &texts(12));
    fs::remove_file(&segment::list(dir.path()).unwrap()[1].path).unwrap();
    assert!(matches!(
        reopen(&dir).map(|_| ()),
        Err(LogError::Hole { .. })
    ));
}

#[test]
fn a_log_that_ends_before_its_snapshot_is_not_taken() {
    let (dir, ends) = written(true, SEGMENT_LEN, &texts(3));
    let snapshot = Snapshot {
        at: ends[2],
        prev: ends[2],
        ..Snapshot::default()
    };
    snapshot.store(dir.path()).unwrap();
    let path = last_segment(&dir);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(
        reopen(&dir).map(|_| ()),
        Err(LogError::Damaged { .. })
    ));
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        reopen(&dir).map(|_| ()),
        Err(LogError::Hole { .. })
    ));
}

#[test]
fn two_gateways_cannot_have_one_folder() {
    let dir = TempDir::new().unwrap();
    let folder = Folder::lock(dir.path()).unwrap();
    let told = Folder::lock(dir.path()).unwrap_err();
    assert!(
        told.to_string()
            .ends_with("another gateway uses this folder")
    );
    drop(folder);
    Folder::lock(dir.path()).unwrap();
}

#[test]
fn a_snapshot_that_does_not_read_gives_way_to_the_one_before() {
    let dir = TempDir::new().unwrap();
    let snapshot = |at| Snapshot {
        at: LogOffset(at),
        prev: LogOffset(at),
        t: UtcMs(3),
        config: "a".into(),
        parts: vec![("engine".into(), vec![1, 2]), ("ingest".into(), Vec::new())],
    };
    assert_eq!(Snapshot::load(dir.path()).unwrap(), None);
    for at in [10, 20, 30] {
        snapshot(at).store(dir.path()).unwrap();
    }
    assert_eq!(Snapshot::fallback(dir.path()).unwrap(), LogOffset(20));
    for (t, found) in [(2, None), (3, Some(30))] {
        let before = Snapshot::before(dir.path(), UtcMs(t)).unwrap();
        assert_eq!(before.map(|it| it.at.0), found);
    }
    assert_eq!(Snapshot::load(dir.path()).unwrap(), Some(snapshot(30)));
    assert_eq!(snapshot(30).part("engine"), [1, 2]);
    let newest = dir.path().join(format!("{:020}-{:020}.snapshot", 30, 30));
    let whole = fs::read(&newest).unwrap();
    for index in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[index] ^= 4;
        fs::write(&newest, &damaged).unwrap();
        assert_eq!(Snapshot::load(dir.path()).unwrap(), Some(snapshot(20)));
        fs::write(&newest, &whole[..index]).unwrap();
        assert_eq!(Snapshot::load(dir.path()).unwrap(), Some(snapshot(20)));
    }
}

#[test]
fn the_log_keeps_what_there_is_room_for_and_what_is_needed_and_the_last_segment_in_any_case() {
    let (dir, ends) = written(true, 200, &texts(12));
    let (_, folder) = reopen(&dir).unwrap();
    let before = segment::list(dir.path()).unwrap();
    let all: u64 = before.iter().map(|segment| segment.len).sum();
    assert_eq!(folder.keep(LogOffset(u64::MAX), all).unwrap(), 0);
    let room = all - before[0].len;
    assert_eq!(folder.keep(LogOffset(u64::MAX), room).unwrap(), 1);
    assert_eq!(segment::list(dir.path()).unwrap(), before[1..]);
    assert_eq!(folder.keep(before[2].base, 0).unwrap(), 1);
    assert_eq!(segment::list(dir.path()).unwrap(), before[2..]);
    folder.keep(LogOffset(u64::MAX), 0).unwrap();
    assert_eq!(segment::list(dir.path()).unwrap().len(), 1);
    let mut reader = Reader::open(dir.path(), LogOffset(0)).unwrap();
    assert!(reader.read(ends[11]).unwrap().is_some());
    drop(folder);
    assert!(reopen(&dir).unwrap().0.has_history);
}

#[test]
fn snapshots_go_with_the_segments_before_them_and_for_want_of_room_and_two_stay() {
    let (dir, ends) = written(true, 200, &texts(12));
    let (_, folder) = reopen(&dir).unwrap();
    let segments = segment::list(dir.path()).unwrap();
    let left = || -> Vec<u64> {
        let paths = fs::read_dir(dir.path()).unwrap();
        let names = paths.map(|path| path.unwrap().file_name().into_string().unwrap());
        let mut left: Vec<u64> = names
            .filter(|name| name.ends_with(".snapshot"))
            .map(|name| name.get(..20).unwrap().parse().unwrap())
            .collect();
        left.sort_unstable();
        left
    };
    let ends: Vec<u64> = ends.iter().map(|end| end.0).collect();
    for at in &ends {
        let at = LogOffset(*at);
        let (prev, t) = (at, UtcMs(3));
        Snapshot {
            at,
            prev,
            t,
            ..Snapshot::default()
        }
        .store(dir.path())
        .unwrap();
    }
    let all: u64 = segments.iter().map(|segment| segment.len).sum();
    let snapshots = Snapshot::bytes(dir.path()).unwrap();
    assert_eq!(
        folder
            .keep(LogOffset(u64::MAX), all + snapshots - 1)
            .unwrap(),
        1
    );
    let base = segments[1].base.0;
    let after: Vec<u64> = ends.iter().copied().filter(|end| *end >= base).collect();
    assert_eq!(left(), after);
    assert_eq!(Snapshot::first(dir.path()).unwrap().unwrap().at.0, after[0]);
    folder.keep(LogOffset(0), 0).unwrap();
    assert_eq!(left(), ends[ends.len() - 2..]);
}

#[test]
fn a_bookmark_is_found_again_and_a_damaged_one_is_the_beginning() {
    let dir = TempDir::new().unwrap();
    let bookmark = Bookmark::new(dir.path(), "influx");
    assert_eq!(bookmark.load().unwrap(), LogOffset(0));
    bookmark.store(LogOffset(77)).unwrap();
    assert_eq!(bookmark.load().unwrap(), LogOffset(77));
    fs::write(dir.path().join("influx.reader"), b"damaged").unwrap();
    assert_eq!(bookmark.load().unwrap(), LogOffset(0));
}

/// A disk that says no as often as it is told, after having written a part.
struct Failing {
    disk: FolderDisk,
    faults: std::sync::mpsc::Receiver<io::ErrorKind>,
}

impl Disk for Failing {
    fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        self.disk.write(chunk)
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.faults.try_recv() {
            Ok(kind) => Err(kind.into()),
            Err(_) => self.disk.sync(),
        }
    }
}

#[test]
fn a_full_disk_refuses_what_has_no_room_and_later_takes_all_that_was_appended() {
    let dir = TempDir::new().unwrap();
    let folder = Folder::lock(dir.path()).unwrap();
    let opened = folder.open(&config("a"), UtcMs(0)).unwrap();
    let mut appender = opened.appender.with_limits(SEGMENT_LEN, 500);
    let (fault, faults) = std::sync::mpsc::sync_channel(9);
    let disk = Failing {
        disk: FolderDisk::new(dir.path().to_owned()),
        faults,
    };
    let (queue, committer, mut durable, mut health) = committer(disk, appender.durable());
    fault.send(io::ErrorKind::StorageFull).unwrap();
    let mut taken = 0;
    while appender.append(&condition("waits"), UtcMs(1)).stored {
        taken += 1;
    }
    let stored = LogOffset(appender.end().0 - 1);
    assert!(appender.pending() >= 500 && appender.is_adrift());
    queue.submit(&mut appender);
    let end = std::thread::scope(|scope| {
        let working = scope.spawn(|| committer.run());
        let wait = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        wait.block_on(health.wait_for(Option::is_some)).unwrap();
        assert_eq!(*durable.borrow(), LogOffset(0));
        wait.block_on(durable.wait_for(|durable| *durable == stored))
            .unwrap();
        wait.block_on(health.wait_for(Option::is_none)).unwrap();
        assert!(
            !appender
                .append(&condition("only in memory"), UtcMs(2))
                .stored
        );
        assert!(!appender.can_resume());
        appender.set_durable(stored);
        assert!(appender.can_resume());
        appender.resume(Snapshot {
            t: UtcMs(2),
            ..Snapshot::default()
        });
        let appended = appender.append(&condition("fits again"), UtcMs(3));
        assert!(appended.stored);
        queue.submit(&mut appender);
        drop(queue);
        working.join().unwrap();
        assert_eq!(*durable.borrow(), appended.end);
        appended.end
    });
    let read = read_all(dir.path(), end).unwrap();
    assert_eq!(read.len(), taken + 1);
    assert_eq!(read.last(), Some(&("fits again".to_owned(), end)));
    let snapshot = Snapshot::load(dir.path()).unwrap().unwrap();
    assert!(snapshot.at > stored && snapshot.at < end && snapshot.prev == stored);
    drop(folder);
    assert_eq!(reopen(&dir).unwrap().0.appender.end(), end);
    // A stop right after the snapshot: the log goes on behind it.
    fs::remove_file(last_segment(&dir)).unwrap();
    let (opened, folder) = reopen(&dir).unwrap();
    let mut appender = opened.appender;
    assert!(appender.end() > snapshot.at);
    let end = appender.append(&condition("goes on"), UtcMs(4)).end;
    commit(&folder, &mut appender);
    let read = read_all(dir.path(), end).unwrap();
    assert_eq!(read.last(), Some(&("goes on".to_owned(), end)));
    assert_eq!(read.len(), taken + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A crash keeps any of the bytes that were not on disk: each page of the tail is there, or zeros, or rubbish.
    #[test]
    fn whatever_a_crash_does_to_the_tail_what_was_durable_is_read(
        n_durable in 0..8_usize,
        n_tail in 0..8_usize,
        pages in prop::collection::vec(0..3_u8, 1..40),
        cut in 0..400_usize,
    ) {
        let dir = TempDir::new().unwrap();
        let folder = Folder::lock(dir.path()).unwrap();
        let mut appender = folder.open(&config("a"), UtcMs(0)).unwrap().appender.with_limits(400, PENDING_MAX);
        for index in 0..n_durable {
            appender.append(&condition(&format!("durable {index}")), UtcMs(1));
            commit(&folder, &mut appender);
        }
        let durable = appender.end();
        for index in 0..n_tail {
            appender.append(&condition(&format!("tail {index}")), UtcMs(2));
        }
        commit(&folder, &mut appender);
        drop(folder);
        // Segments come one after another: a crash tears the one that durable is in, or the next with nothing after it.
        let segments = segment::list(dir.path()).unwrap();
        let torn = segments.iter().rfind(|segment| segment.base <= durable).unwrap();
        for later in segments.iter().filter(|segment| segment.base > torn.base) {
            fs::remove_file(&later.path).unwrap();
        }
        let mut bytes = fs::read(&torn.path).unwrap();
        let safe = usize::try_from(durable.0 - torn.base.0).unwrap();
        for (page, fate) in bytes[safe..].chunks_mut(16).zip(pages.iter().cycle()) {
            match fate {
                0 => {}
                1 => page.fill(0),
                _ => page.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7)),
            }
        }
        let len = bytes.len().saturating_sub(cut).max(safe);
        fs::write(&torn.path, &bytes[..len]).unwrap();
        let (opened, _folder) = reopen(&dir).unwrap();
        let read = read_all(dir.path(), opened.appender.end()).unwrap();
        prop_assert!(read.len() >= n_durable);
        for (index, (text, _)) in read.iter().enumerate() {
            let wanted = if index < n_durable { format!("durable {index}") } else { format!("tail {}", index - n_durable) };
            prop_assert_eq!(text, &wanted);
        }
    }
}
