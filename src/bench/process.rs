//! The other processes of a benchmark: started, watched and ended.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A child that ends with its owner.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
}

/// What a process has used so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Usage {
    /// User and system time of all its threads, to 10 ms.
    pub(super) cpu: Duration,
    /// Resident memory in bytes.
    pub(super) resident: u64,
    /// Open file descriptors.
    pub(super) descriptors: usize,
}

impl Running {
    /// Starts a program whose log goes to `log`.
    pub(super) fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        environment: &[(String, String)],
        log: &Path,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        // No key of the caller's reaches a benchmark: nothing real is called, and nothing is billed.
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(log)?);
        Ok(Self { child: command.spawn()? })
    }

    /// Reads lines of its output until `found` finds what it looks for; `None` when the output ends before.
    pub(super) fn read_until<T>(&mut self, mut found: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let output = self.child.stdout.take()?;
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        loop {
            line.clear();
            if lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(found) = found(line.trim()) {
                // Whoever still writes must not find a closed pipe.
                self.child.stdout = Some(lines.into_inner());
                return Some(found);
            }
        }
    }

    /// Its id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(super) fn is_over(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What process `id` has used, where the system tells it (Linux).
pub(super) fn usage(id: u32) -> Option<Usage> {
    // Fields 14 and 15 of /proc/PID/stat (proc(5)) are user and system time in clock ticks of 10 ms; the name before them
    // stands in parentheses and may hold spaces.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.split_whitespace().next()?.parse().ok()?;
    let descriptors = fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count);
    Some(Usage { cpu: Duration::from_millis(ticks * 10), resident: kilobytes * 1_024, descriptors })
}

/// What would make the engine under test call somebody else's services.
const FOREIGN: [&str; 9] = [
    "DEEPGRAM_API_KEY",
    "DEEPGRAM_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "ELEVENLABS_API_KEY",
    "ELEVENLABS_BASE_URL",
    "AGENTPHONE_API_KEY",
    "AGENTPHONE_API_KEYS",
    "AGENTPHONE_LOG_JSON",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_works_is_seen_to_work() {
        let id = std::process::id();
        let before = usage(id).unwrap();
        assert!(before.resident > 1 << 20 && before.descriptors >= 3, "{before:?}");
        let mut sum = 0u64;
        // Counted in CPU time, not in wall time: however busy the machine is, this ends by working.
        while usage(id).unwrap().cpu < before.cpu + Duration::from_millis(20) {
            sum = (0..1_000_000u64).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        assert_ne!(sum, 1);
        assert_eq!(usage(u32::MAX), None);
    }
}
