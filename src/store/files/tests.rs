//! What only an operating system that fails shows.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use super::disk::{Disk, System};
use super::*;
use crate::store::{Line, Token};

/// Which call fails, how often, and how.
#[derive(Debug, Default)]
struct Failing {
    open: AtomicUsize,
    lock: AtomicUsize,
    write: AtomicUsize,
    sync: AtomicUsize,
    sync_folder: AtomicUsize,
    touch: AtomicUsize,
    /// How many bytes a write that fails has written.
    written: AtomicI64,
    errno: AtomicI64,
}

impl Failing {
    /// Fails while `left` is more than 0, and counts it down.
    fn fail(&self, left: &AtomicUsize) -> io::Result<()> {
        let failing = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let errno = i32::try_from(self.errno.load(Ordering::SeqCst)).unwrap();
        if failing { Err(io::Error::from_raw_os_error(errno)) } else { Ok(()) }
    }
}

impl Disk for Arc<Failing> {
    fn open_to_append(&self, root: &Path, path: &Path, create: bool) -> io::Result<File> {
        self.fail(&self.open)?;
        System.open_to_append(root, path, create)
    }

    fn open_to_read(&self, root: &Path, path: &Path) -> io::Result<File> {
        self.fail(&self.open)?;
        System.open_to_read(root, path)
    }

    fn lock(&self, file: &File, alone: bool, wait: Duration) -> io::Result<bool> {
        self.fail(&self.lock)?;
        System.lock(file, alone, wait)
    }

    fn write(&self, file: &File, text: &[u8]) -> io::Result<()> {
        let result = self.fail(&self.write);
        if result.is_err() {
            let written = usize::try_from(self.written.load(Ordering::SeqCst)).unwrap().min(text.len());
            System.write(file, &text[..written])?;
        }
        result.and_then(|()| System.write(file, text))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.fail(&self.sync)?;
        System.sync(file)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.fail(&self.sync_folder)?;
        System.sync_folder(folder)
    }

    fn touch(&self, root: &Path, path: &Path) -> io::Result<()> {
        self.fail(&self.touch)?;
        System.touch(root, path)
    }
}

const ESTALE: i64 = 116;
const EIO: i64 = 5;
const ENOSPC: i64 = 28;
const ENOLCK: i64 = 37;
const ENOENT: i64 = 2;

struct Arm {
    _folder: tempfile::TempDir,
    failing: Arc<Failing>,
    files: Files,
    log: Name,
}

/// A store with one line in its one log.
fn arm() -> (Arm, Position) {
    let folder = tempfile::tempdir().unwrap();
    let failing = Arc::new(Failing::default());
    let files = Files::new(folder.path().join("store"), FileOptions::default(), Box::new(failing.clone()));
    files.create().unwrap();
    let log = Name::new(Kind::new("runs"), "a").unwrap();
    let end = files.do_all(&batch(&log, Position::START, 1)).unwrap()[0];
    (Arm { _folder: folder, failing, files, log }, end)
}

fn batch(log: &Name, after: Position, token: u64) -> Batch {
    Batch::new(Token::from_bits(token)).append(log, after, vec![Line::new("{\"a\":1}").unwrap()])
}

impl Files {
    fn do_all(&self, batch: &Batch) -> Result<Vec<Position>, Error> {
        self.apply(batch, self.options.lock_wait_max)
    }
}

fn end(arm: &Arm) -> Position {
    arm.files.open_to_read(&arm.files.log_path(&arm.log)).unwrap().unwrap().1.end.last
}

/// Another process, whose operating system is well.
fn well(arm: &Arm) -> Files {
    Files::new(arm.files.root.clone(), FileOptions::default(), Box::new(System))
}

#[test]
fn a_file_that_a_server_forgot_is_opened_again() {
    let (arm, after) = arm();
    arm.failing.errno.store(ESTALE, Ordering::SeqCst);
    for which in [&arm.failing.open, &arm.failing.lock] {
        which.store(3, Ordering::SeqCst);
        assert_eq!(end(&arm), after);
        assert_eq!(which.load(Ordering::SeqCst), 0);
    }
    arm.failing.open.store(2, Ordering::SeqCst);
    arm.failing.lock.store(2, Ordering::SeqCst);
    assert_eq!(arm.files.do_all(&batch(&arm.log, after, 2)).unwrap()[0].number(), 2);
    arm.failing.open.store(usize::MAX, Ordering::SeqCst);
    let error = arm.files.do_all(&batch(&arm.log, after, 3)).unwrap_err();
    assert!(error.retryable(), "{error:?}");
}

#[test]
fn a_file_system_without_locks_is_not_written_to() {
    let (arm, after) = arm();
    arm.failing.errno.store(ENOLCK, Ordering::SeqCst);
    arm.failing.lock.store(1, Ordering::SeqCst);
    let error = arm.files.do_all(&batch(&arm.log, after, 2)).unwrap_err();
    assert!(matches!(&error, Error::Unfit { problem, .. } if problem.contains("locked")), "{error:?}");
    // It can be read.
    arm.failing.lock.store(1, Ordering::SeqCst);
    assert_eq!(end(&arm), after);
}

#[test]
fn what_a_full_disk_left_of_an_append_is_taken_back() {
    let (arm, after) = arm();
    arm.failing.errno.store(ENOSPC, Ordering::SeqCst);
    let path = arm.files.log_path(&arm.log);
    let before = fs::read(&path).unwrap();
    for written in [0, 1, 20, 1_000] {
        arm.failing.written.store(written, Ordering::SeqCst);
        arm.failing.write.store(1, Ordering::SeqCst);
        let error = arm.files.do_all(&batch(&arm.log, after, 2)).unwrap_err();
        assert!(error.retryable() && error.to_string().contains("a.jsonl"), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(end(&arm), after);
    }
    assert_eq!(arm.files.do_all(&batch(&arm.log, after, 2)).unwrap()[0].number(), 2);
}

#[test]
fn after_a_sync_that_failed_nothing_is_appended_until_the_store_is_opened_anew() {
    let (arm, after) = arm();
    arm.failing.errno.store(EIO, Ordering::SeqCst);
    arm.failing.sync.store(1, Ordering::SeqCst);
    assert!(arm.files.do_all(&batch(&arm.log, after, 2)).unwrap_err().retryable());
    // The same again is not believed, although the disk now says that all is well.
    let error = arm.files.do_all(&batch(&arm.log, after, 2)).unwrap_err();
    assert!(matches!(&error, Error::Unfit { problem, .. } if problem.contains("opened anew")), "{error:?}");
    let other = well(&arm);
    assert_eq!(end(&arm), after, "nobody sees the line that may not be on the disk");
    assert_eq!(other.do_all(&batch(&arm.log, after, 2)).unwrap()[0].number(), 2);
}

#[test]
fn a_folder_that_is_not_durable_takes_no_line() {
    let (arm, _) = arm();
    arm.failing.errno.store(EIO, Ordering::SeqCst);
    let fresh = Name::new(Kind::new("runs"), "fresh").unwrap();
    arm.failing.sync_folder.store(1, Ordering::SeqCst);
    assert!(arm.files.do_all(&batch(&fresh, Position::START, 2)).is_err());
    assert_eq!(fs::read(arm.files.log_path(&fresh)).unwrap(), b"");
    assert!(matches!(arm.files.do_all(&batch(&fresh, Position::START, 2)), Err(Error::Unfit { .. })));
    let other = well(&arm);
    assert!(matches!(other.read(&fresh, 0, 1), Ok(page) if page.text().is_empty()));
    assert_eq!(other.do_all(&batch(&fresh, Position::START, 3)).unwrap()[0].number(), 1);
}

#[test]
fn an_entry_is_put_again_when_its_folder_vanished() {
    let (arm, _) = arm();
    let due = Due { queue: Queue::default(), at: Timestamp::from_micros(5), run: arm.log.clone() };
    arm.failing.errno.store(ENOENT, Ordering::SeqCst);
    arm.failing.touch.store(2, Ordering::SeqCst);
    arm.files.do_all(&Batch::new(Token::from_bits(1)).put_due(due.clone())).unwrap();
    assert_eq!(arm.files.due(&due.queue, None, due.at, 9).unwrap(), std::slice::from_ref(&due));
    // Served long after its hour, it takes the folder with it.
    arm.files.due(&due.queue, None, Timestamp::from_micros(1_800_000_000_000_000), 9).unwrap();
    arm.files.do_all(&Batch::new(Token::from_bits(2)).drop_due(due.clone())).unwrap();
    assert!(!arm.files.queue_folder(&due.queue).join("1970-01-01T00").exists());
    arm.files.do_all(&Batch::new(Token::from_bits(3)).put_due(due.clone())).unwrap();
    assert_eq!(arm.files.due(&due.queue, None, due.at, 9).unwrap(), [due]);
}

#[test]
fn a_lock_that_is_not_let_go_of_is_not_waited_for_without_end() {
    let (arm, after) = arm();
    let options = FileOptions { lock_wait_max: Duration::from_millis(30), ..FileOptions::default() };
    let impatient = Files::new(arm.files.root.clone(), options, Box::new(System));
    let file = File::open(arm.files.log_path(&arm.log)).unwrap();
    file.lock().unwrap();
    for error in
        [impatient.do_all(&batch(&arm.log, after, 2)).unwrap_err(), impatient.read(&arm.log, 0, 1).unwrap_err()]
    {
        let told = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.retryable() && told.contains("another process"), "{told}");
    }
    file.unlock().unwrap();
    impatient.do_all(&batch(&arm.log, after, 2)).unwrap();
}
