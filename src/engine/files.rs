//! The one thread that writes recordings and call logs, so that no call ever waits for a disk.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

/// Pieces that may wait for the disk, over all calls. At 16 kB each this is 16 MB; more are dropped and counted.
const QUEUE: usize = 1_024;
/// How long the end of a call waits for its files to be complete.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The way to the writing thread. The thread ends when the last of these and of the [`FileSink`]s is dropped.
#[derive(Clone, Debug)]
pub(super) struct Files {
    jobs: SyncSender<Job>,
    serial: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Job {
    Open { file: u64, path: PathBuf },
    Write { file: u64, offset: u64, bytes: Vec<u8> },
    Close { file: u64, done: oneshot::Sender<()> },
    Abandon { file: u64 },
}

impl Files {
    /// Starts the thread. Where the system refuses one, every write is dropped and counted.
    pub(super) fn start() -> Self {
        let (jobs, receiver) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("call-files".into()).spawn(move || write(&receiver));
        if let Err(error) = thread {
            tracing::error!(%error, "recordings and call logs are off: no thread to write them");
        }
        Self { jobs, serial: Arc::default(), dropped: Arc::default() }
    }

    /// A new file at `path`; an older one is overwritten. Its directory is made when it is missing.
    pub(super) fn create(&self, path: PathBuf) -> FileSink {
        let file = self.serial.fetch_add(1, Relaxed);
        let sink = FileSink { files: self.clone(), file, closed: false };
        sink.files.submit(Job::Open { file, path });
        sink
    }

    /// Pieces that were not written because the disk was too slow.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn submit(&self, job: Job) -> bool {
        let accepted = self.jobs.try_send(job).is_ok();
        if !accepted {
            self.dropped.fetch_add(1, Relaxed);
        }
        accepted
    }
}

/// One file being written. Dropping it closes the file.
#[derive(Debug)]
pub(super) struct FileSink {
    files: Files,
    file: u64,
    closed: bool,
}

impl FileSink {
    /// Writes `bytes` at `offset`. Never waits; `false` when the piece was dropped. A gap reads as zeros.
    pub(super) fn write_at(&self, offset: u64, bytes: Vec<u8>) -> bool {
        self.files.submit(Job::Write { file: self.file, offset, bytes })
    }

    /// Closes the file and waits, for two seconds at most, until it is complete.
    pub(super) async fn close(mut self) {
        let (done, complete) = oneshot::channel();
        self.closed = self.files.submit(Job::Close { file: self.file, done });
        if self.closed {
            // Too slow or gone: the file stays as it is.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, complete).await;
        }
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if !self.closed {
            self.files.submit(Job::Abandon { file: self.file });
        }
    }
}

/// The thread: does one job after the other until nobody can send any more.
fn write(jobs: &Receiver<Job>) {
    let mut open = HashMap::new();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Open { file, path } => match create(&path) {
                Ok(created) => _ = open.insert(file, created),
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot write a recording or call log"),
            },
            Job::Write { file, offset, bytes } => {
                let written = open.get_mut(&file).map(|file| write_at(file, offset, &bytes));
                if let Some(Err(error)) = written {
                    open.remove(&file);
                    tracing::warn!(%error, "a recording or call log ends early");
                }
            }
            Job::Close { file, done } => {
                open.remove(&file);
                // The call may have stopped waiting.
                let _ = done.send(());
            }
            Job::Abandon { file } => _ = open.remove(&file),
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // What was said on the telephone is nobody else's.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_at(file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A path of this test's own, removed with the value.
    pub(in crate::engine) struct TestFile(pub PathBuf);

    impl TestFile {
        pub(in crate::engine) fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("agentphone-{}-{name}", std::process::id())))
        }
    }

    impl Drop for TestFile {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[tokio::test]
    async fn a_closed_file_is_complete_and_gaps_are_zero() {
        let path = TestFile::new("gaps");
        let sink = Files::start().create(path.0.clone());
        assert!(sink.write_at(6, b"there".to_vec()) && sink.write_at(0, b"hi".to_vec()));
        sink.close().await;
        assert_eq!(std::fs::read(&path.0).unwrap(), b"hi\0\0\0\0there");
    }

    #[tokio::test]
    async fn a_path_that_cannot_be_written_holds_nobody_up() {
        let sink = Files::start().create(PathBuf::from("/dev/null/not-a-directory/file"));
        assert!(sink.write_at(0, vec![1]));
        sink.close().await;
    }

    #[test]
    fn a_disk_that_is_too_slow_costs_pieces_and_they_are_counted() {
        let (jobs, _never_read) = sync_channel(QUEUE);
        let files = Files { jobs, serial: Arc::default(), dropped: Arc::default() };
        let sink = files.create(PathBuf::from("unused"));
        let written = (0..QUEUE + 4).filter(|_| sink.write_at(0, Vec::new())).count();
        assert_eq!((written, files.dropped()), (QUEUE - 1, 5));
    }
}
