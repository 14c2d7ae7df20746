//! The threads that write recordings and call logs, so that no call ever waits for a disk or a coder.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
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
    Open { file: u64, path: PathBuf, state: Arc<State> },
    OpenSound { file: u64, path: PathBuf, format: RecordingFormat, rate: SampleRate, state: Arc<State> },
    Write { file: u64, offset: u64, bytes: Vec<u8> },
    Sound { file: u64, at: u64, sides: [Vec<i16>; 2] },
    Close { file: u64, done: oneshot::Sender<()> },
    Abandon { file: u64 },
}

/// What a call and the thread that writes its file tell each other beside the queue, which may be full.
#[derive(Debug, Default)]
struct State {
    /// Nothing more can be written.
    failed: AtomicBool,
    /// Nothing more comes.
    ended: AtomicBool,
}

impl Files {
    /// Starts the threads. Where the system refuses one, what it would write is dropped and counted.
    pub(super) fn start() -> Self {
        let (plain, coded) = (thread("call-files"), thread("call-coder"));
        Self { plain, coded, serial: Arc::default(), dropped: Arc::default() }
    }

    /// A new file at `path`; an older one is overwritten. Its directory is made when it is missing.
    pub(super) fn create(&self, path: PathBuf) -> FileSink {
        let sink = self.sink(&self.plain);
        let open = Job::Open { file: sink.file, path, state: Arc::clone(&sink.state) };
        sink.open(open)
    }

    /// The same for a recording.
    pub(super) fn create_sound(&self, path: PathBuf, format: RecordingFormat, rate: SampleRate) -> FileSink {
        let sink = self.sink(if format == RecordingFormat::Opus { &self.coded } else { &self.plain });
        let open = Job::OpenSound { file: sink.file, path, format, rate, state: Arc::clone(&sink.state) };
        sink.open(open)
    }

    fn sink(&self, jobs: &SyncSender<Job>) -> FileSink {
        let file = self.serial.fetch_add(1, Relaxed);
        let (jobs, dropped) = (jobs.clone(), Arc::clone(&self.dropped));
        FileSink { jobs, dropped, file, state: Arc::default(), closed: false }
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
    state: Arc<State>,
    closed: bool,
}

impl FileSink {
    /// Has the file opened; where there is no room to ask for it, all of it will be dropped.
    fn open(self, job: Job) -> Self {
        if !self.submit(job) {
            self.state.failed.store(true, Relaxed);
        }
        self
    }

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
        self.closed = self.jobs.try_send(Job::Close { file: self.file, done }).is_ok();
        if self.closed {
            // Too slow or gone: the file stays as it is.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, complete).await;
        }
    }

    fn submit(&self, job: Job) -> bool {
        let accepted = !self.state.failed.load(Relaxed) && self.jobs.try_send(job).is_ok();
        if !accepted {
            self.dropped.fetch_add(1, Relaxed);
        }
        accepted
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if !self.closed && self.jobs.try_send(Job::Abandon { file: self.file }).is_err() {
            self.state.ended.store(true, Relaxed);
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
struct Open {
    content: Content,
    state: Arc<State>,
    /// It had ended at the last sweep.
    is_ending: bool,
}

enum Content {
    Bytes(File),
    Sound(SoundFile),
}

/// The thread: does one job after the other until nobody can send any more. Files whose end found no room in the queue are
/// closed once everything that was in it is done.
fn write(jobs: &Receiver<Job>) {
    let mut open = HashMap::new();
    let mut since_sweep = 0;
    loop {
        let job = match jobs.try_recv() {
            Ok(job) => job,
            Err(TryRecvError::Disconnected) => return sweep(&mut open, true),
            Err(TryRecvError::Empty) => {
                sweep(&mut open, true);
                match jobs.recv() {
                    Ok(job) => job,
                    Err(_) => return sweep(&mut open, true),
                }
            }
        };
        done(&mut open, job);
        since_sweep += 1;
        if since_sweep >= QUEUE {
            // What a queue that is never empty held at the last sweep has been done since.
            since_sweep = 0;
            sweep(&mut open, false);
        }
    }
}

/// Closes the files that have ended, if nothing of theirs is in the queue any more; otherwise the next time.
fn sweep(open: &mut HashMap<u64, Open>, queue_is_done: bool) {
    let mut over = Vec::new();
    for (&file, open) in open.iter_mut().filter(|(_, open)| open.state.ended.load(Relaxed)) {
        if std::mem::replace(&mut open.is_ending, true) || queue_is_done {
            over.push(file);
        }
    }
    for file in over {
        close(open.remove(&file));
    }
}

fn done(open: &mut HashMap<u64, Open>, job: Job) {
    match job {
        Job::Open { file, path, state } => {
            let created = create(&path).map(Content::Bytes);
            opened(open, file, &path, state, created);
        }
        Job::OpenSound { file, path, format, rate, state } => {
            let created = create(&path).and_then(|created| SoundFile::new(created, format, rate)).map(Content::Sound);
            opened(open, file, &path, state, created);
        }
        Job::Write { file, offset, bytes } => {
            let written = match open.get_mut(&file) {
                Some(Open { content: Content::Bytes(file), .. }) => write_at(file, offset, &bytes),
                _ => Ok(()),
            };
            give_up_on_error(open, file, written);
        }
        Job::Sound { file, at, sides: [left, right] } => {
            let written = match open.get_mut(&file) {
                // A coder that fails on one call's sound takes no other call's recording with it.
                Some(Open { content: Content::Sound(sound), .. }) => {
                    catch_unwind(AssertUnwindSafe(|| sound.write(at, &left, &right)))
                        .unwrap_or_else(|_| Err(io::Error::other("the coder failed")))
                }
                _ => Ok(()),
            };
            give_up_on_error(open, file, written);
        }
        Job::Close { file, done } => {
            close(open.remove(&file));
            // The call may have stopped waiting.
            let _ = done.send(());
        }
        Job::Abandon { file } => close(open.remove(&file)),
    }
}

fn opened(open: &mut HashMap<u64, Open>, file: u64, path: &Path, state: Arc<State>, created: io::Result<Content>) {
    match created {
        Ok(content) => _ = open.insert(file, Open { content, state, is_ending: false }),
        Err(error) => {
            state.failed.store(true, Relaxed);
            tracing::warn!(path = %path.display(), %error, "cannot write a recording or call log");
        }
    }
}

fn give_up_on_error(open: &mut HashMap<u64, Open>, file: u64, written: io::Result<()>) {
    if let Err(error) = written {
        if let Some(open) = open.remove(&file) {
            open.state.failed.store(true, Relaxed);
        }
        tracing::warn!(%error, "a recording or call log ends early");
    }
}

fn close(file: Option<Open>) {
    if let Some(Open { content: Content::Sound(sound), .. }) = file
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
        /// Does all that waits, to the end.
        fn done(self) {
            drop(self.jobs);
            write(&self.waiting);
        }

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
        let files = Files::start();
        let sink = files.create(PathBuf::from("/dev/null/not-a-directory/file"));
        // Another file's end tells that the first could not be opened.
        let path = TestFile::new("after");
        files.create(path.0.clone()).close().await;
        assert!(!sink.write_at(0, vec![1]));
        assert_eq!(files.dropped(), 1, "what is sent to no file is counted");
        sink.close().await;
    }

    #[tokio::test]
    async fn a_file_whose_end_found_no_room_is_closed_all_the_same() {
        let (files, gate) = Files::held_up(3);
        let path = TestFile::new("ended");
        let sink = files.create_sound(path.0.clone(), RecordingFormat::Opus, SampleRate::HZ_8000);
        let piece = || [vec![1_000; 4_000], vec![0; 4_000]];
        assert!(sink.sound(0, piece()) && sink.sound(4_000, piece()) && !sink.sound(8_000, piece()));
        sink.close().await;
        drop(files);
        gate.done();
        let ogg = std::fs::read(&path.0).unwrap();
        // Its last page says that it is the last (RFC 3533 section 6: flag 4 of the byte behind the version).
        let last = ogg.windows(4).rposition(|four| four == b"OggS").unwrap();
        assert_eq!(ogg[last + 5] & 4, 4);
    }

    #[test]
    fn a_recording_that_could_not_even_begin_counts_all_of_its_sound() {
        let (files, _shut) = Files::held_up(0);
        let sink = files.create_sound(PathBuf::from("unused"), RecordingFormat::Ulaw, SampleRate::HZ_8000);
        assert!(!sink.sound(0, [vec![0; 80], vec![0; 80]]));
        assert_eq!(files.dropped(), 2);
    }

    #[test]
    fn a_disk_that_is_too_slow_costs_pieces_and_they_are_counted() {
        let (files, _shut) = Files::held_up(QUEUE);
        let sink = files.create(PathBuf::from("unused"));
        let written = (0..QUEUE + 4).filter(|_| sink.write_at(0, Vec::new())).count();
        assert_eq!((written, files.dropped()), (QUEUE - 1, 5));
    }
}
