//! The threads that write recordings and call logs, so that no call ever waits for a disk or a coder.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::RecordingFormat;
use super::sound_file::SoundFile;
use crate::audio::SampleRate;

/// Pieces that may wait for one thread, over all calls. At 16 to 32 kB each this is 16 to 32 MB; more are dropped and
/// counted.
const QUEUE: usize = 1_024;
/// How long the end of a call waits for its files to be complete.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The way to the writing threads: one that only writes, and one that codes as well, so that no log is late because a
/// recording takes work. The threads end when the last of these and of the [`FileSink`]s is dropped.
#[derive(Clone, Debug)]
pub(super) struct Files {
    plain: SyncSender<Job>,
    coded: SyncSender<Job>,
    serial: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Job {
    Open { file: u64, path: PathBuf },
    OpenSound { file: u64, path: PathBuf, format: RecordingFormat, rate: SampleRate },
    Write { file: u64, offset: u64, bytes: Vec<u8> },
    Sound { file: u64, at: u64, sides: [Vec<i16>; 2] },
    Close { file: u64, done: oneshot::Sender<()> },
    Abandon { file: u64 },
}

impl Files {
    /// Starts the threads. Where the system refuses one, what it would write is dropped and counted.
    pub(super) fn start() -> Self {
        let (plain, coded) = (thread("call-files"), thread("call-coder"));
        Self { plain, coded, serial: Arc::default(), dropped: Arc::default() }
    }

    /// A new file at `path`; an older one is overwritten. Its directory is made when it is missing.
    pub(super) fn create(&self, path: PathBuf) -> FileSink {
        let file = self.serial.fetch_add(1, Relaxed);
        let sink = FileSink { jobs: self.plain.clone(), dropped: Arc::clone(&self.dropped), file, closed: false };
        sink.submit(Job::Open { file, path });
        sink
    }

    /// The same for a recording.
    pub(super) fn create_sound(&self, path: PathBuf, format: RecordingFormat, rate: SampleRate) -> FileSink {
        let file = self.serial.fetch_add(1, Relaxed);
        let jobs = if format == RecordingFormat::Opus { self.coded.clone() } else { self.plain.clone() };
        let sink = FileSink { jobs, dropped: Arc::clone(&self.dropped), file, closed: false };
        sink.submit(Job::OpenSound { file, path, format, rate });
        sink
    }

    /// Pieces that were not written because the disk or the coder was too slow.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// One file being written. Dropping it closes the file.
#[derive(Debug)]
pub(super) struct FileSink {
    jobs: SyncSender<Job>,
    dropped: Arc<AtomicU64>,
    file: u64,
    closed: bool,
}

impl FileSink {
    /// Writes `bytes` at `offset`. Never waits; `false` when the piece was dropped. A gap reads as zeros.
    pub(super) fn write_at(&self, offset: u64, bytes: Vec<u8>) -> bool {
        self.submit(Job::Write { file: self.file, offset, bytes })
    }

    /// Writes both sides of a recording from its sample `at` on, pieces in their order. Never waits; `false` when the
    /// piece was dropped. A gap is silence.
    pub(super) fn sound(&self, at: u64, sides: [Vec<i16>; 2]) -> bool {
        self.submit(Job::Sound { file: self.file, at, sides })
    }

    /// Closes the file and waits, for two seconds at most, until it is complete.
    pub(super) async fn close(mut self) {
        let (done, complete) = oneshot::channel();
        self.closed = self.submit(Job::Close { file: self.file, done });
        if self.closed {
            // Too slow or gone: the file stays as it is.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, complete).await;
        }
    }

    fn submit(&self, job: Job) -> bool {
        let accepted = self.jobs.try_send(job).is_ok();
        if !accepted {
            self.dropped.fetch_add(1, Relaxed);
        }
        accepted
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if !self.closed {
            self.submit(Job::Abandon { file: self.file });
        }
    }
}

/// Starts a thread of this name; what it is sent it does. Where the system refuses one, nothing can be sent.
fn thread(name: &str) -> SyncSender<Job> {
    let (jobs, receiver) = sync_channel(QUEUE);
    let thread = std::thread::Builder::new().name(name.into()).spawn(move || write(&receiver));
    if let Err(error) = thread {
        tracing::error!(%error, name, "recordings or call logs are off: no thread to write them");
    }
    jobs
}

/// A file that is open.
enum Open {
    Bytes(File),
    Sound(SoundFile),
}

/// The thread: does one job after the other until nobody can send any more.
fn write(jobs: &Receiver<Job>) {
    let mut open = HashMap::new();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Open { file, path } => opened(&mut open, file, &path, create(&path).map(Open::Bytes)),
            Job::OpenSound { file, path, format, rate } => {
                let created = create(&path).and_then(|created| SoundFile::new(created, format, rate));
                opened(&mut open, file, &path, created.map(Open::Sound));
            }
            Job::Write { file, offset, bytes } => {
                let written = match open.get_mut(&file) {
                    Some(Open::Bytes(file)) => write_at(file, offset, &bytes),
                    _ => Ok(()),
                };
                give_up_on_error(&mut open, file, written);
            }
            Job::Sound { file, at, sides: [left, right] } => {
                let written = match open.get_mut(&file) {
                    Some(Open::Sound(sound)) => sound.write(at, &left, &right),
                    _ => Ok(()),
                };
                give_up_on_error(&mut open, file, written);
            }
            Job::Close { file, done } => {
                close(open.remove(&file));
                // The call may have stopped waiting.
                let _ = done.send(());
            }
            Job::Abandon { file } => close(open.remove(&file)),
        }
    }
}

fn opened(open: &mut HashMap<u64, Open>, file: u64, path: &Path, created: io::Result<Open>) {
    match created {
        Ok(created) => _ = open.insert(file, created),
        Err(error) => tracing::warn!(path = %path.display(), %error, "cannot write a recording or call log"),
    }
}

fn give_up_on_error(open: &mut HashMap<u64, Open>, file: u64, written: io::Result<()>) {
    if let Err(error) = written {
        open.remove(&file);
        tracing::warn!(%error, "a recording or call log ends early");
    }
}

fn close(file: Option<Open>) {
    if let Some(Open::Sound(sound)) = file
        && let Err(error) = sound.finish()
    {
        tracing::warn!(%error, "a recording ends early");
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

    /// What keeps a writing thread from its work until it is opened.
    pub(in crate::engine) struct Gate {
        jobs: SyncSender<Job>,
        waiting: Receiver<Job>,
    }

    impl Gate {
        /// Lets the thread work; what was waiting is done afterwards.
        pub(in crate::engine) async fn open(self) {
            std::thread::spawn(move || write(&self.waiting));
            let (done, complete) = oneshot::channel();
            self.jobs.send(Job::Close { file: u64::MAX, done }).unwrap();
            complete.await.unwrap();
        }
    }

    impl Files {
        /// Files whose thread does nothing yet, with room for so many jobs.
        pub(in crate::engine) fn held_up(room: usize) -> (Self, Gate) {
            let (jobs, waiting) = sync_channel(room);
            let (plain, coded) = (jobs.clone(), jobs.clone());
            (Self { plain, coded, serial: Arc::default(), dropped: Arc::default() }, Gate { jobs, waiting })
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
        let (files, _shut) = Files::held_up(QUEUE);
        let sink = files.create(PathBuf::from("unused"));
        let written = (0..QUEUE + 4).filter(|_| sink.write_at(0, Vec::new())).count();
        assert_eq!((written, files.dropped()), (QUEUE - 1, 5));
    }
}
