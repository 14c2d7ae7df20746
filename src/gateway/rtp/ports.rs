//! Which media ports are free.

use std::collections::HashMap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::LegError;

/// The even ports of a range. A closed port rests for a while, so that late packets of one call never reach the next.
#[derive(Debug)]
pub(super) struct Ports {
    first: u16,
    count: u16,
    rest: Duration,
    used: Mutex<HashMap<u16, Use>>,
}

#[derive(Clone, Copy, Debug)]
enum Use {
    Open,
    Resting { until: Instant },
}

impl Ports {
    /// The even ports within `range`; each rests for `rest` after its call.
    pub(super) fn new(range: &RangeInclusive<u16>, rest: Duration) -> Self {
        // RTP takes the even port of a pair (RFC 3550 section 11). Port 0 is not a port.
        let first = (*range.start()).max(2).checked_next_multiple_of(2);
        let count = first.and_then(|first| range.end().checked_sub(first)).map_or(0, |span| span / 2 + 1);
        Self { first: first.unwrap_or(0), count, rest, used: Mutex::default() }
    }

    /// Binds a free port, starting the search at `seed`. A port the system refuses as taken is passed over.
    pub(super) fn lease<T>(
        self: &Arc<Self>,
        seed: u16,
        now: Instant,
        mut bind: impl FnMut(u16) -> io::Result<T>,
    ) -> Result<(T, Lease), LegError> {
        let mut used = self.used();
        used.retain(|_, usage| !matches!(usage, Use::Resting { until } if *until <= now));
        for step in 0..self.count {
            let index = (u32::from(seed) + u32::from(step)) % u32::from(self.count);
            let port = self.first + 2 * index as u16;
            if used.contains_key(&port) {
                continue;
            }
            match bind(port) {
                Ok(bound) => {
                    used.insert(port, Use::Open);
                    return Ok((bound, Lease { ports: Arc::clone(self), port }));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(LegError::Io(error)),
            }
        }
        Err(LegError::NoPort)
    }

    fn used(&self) -> MutexGuard<'_, HashMap<u16, Use>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One port in use; it begins to rest when this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    ports: Arc<Ports>,
    port: u16,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let until = Instant::now() + self.ports.rest;
        self.ports.used().insert(self.port, Use::Resting { until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_even_ports_of_the_range_are_given_and_each_once() {
        let ports = Arc::new(Ports::new(&(10_001..=10_008), Duration::from_secs(30)));
        let now = Instant::now();
        let mut given: Vec<_> = (0..4).map(|seed| ports.lease(seed * 7, now, Ok).unwrap()).collect();
        given.sort_by_key(|(port, _)| *port);
        assert_eq!(given.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [10_002, 10_004, 10_006, 10_008]);
        assert!(matches!(ports.lease(0, now, Ok), Err(LegError::NoPort)));
    }

    #[test]
    fn a_closed_port_rests_before_it_is_given_again() {
        let rest = Duration::from_secs(30);
        let ports = Arc::new(Ports::new(&(10_000..=10_000), rest));
        let begin = Instant::now();
        drop(ports.lease(0, begin, Ok).unwrap());
        assert!(matches!(ports.lease(0, begin + rest - Duration::from_millis(1), Ok), Err(LegError::NoPort)));
        assert_eq!(ports.lease(0, Instant::now() + rest, Ok).unwrap().0, 10_000);
    }

    #[test]
    fn a_port_taken_by_another_process_is_passed_over() {
        let ports = Arc::new(Ports::new(&(10_000..=10_002), Duration::ZERO));
        let bind = |port| if port == 10_000 { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(port) };
        assert_eq!(ports.lease(0, Instant::now(), bind).unwrap().0, 10_002);
    }

    #[test]
    fn odd_ends_of_the_number_space_hold_no_surprise() {
        for range in [0..=1, 65_535..=65_535, RangeInclusive::new(9, 3)] {
            let ports = Arc::new(Ports::new(&range, Duration::ZERO));
            assert!(matches!(ports.lease(5, Instant::now(), Ok), Err(LegError::NoPort)), "{range:?}");
        }
        let all = Arc::new(Ports::new(&(0..=u16::MAX), Duration::ZERO));
        assert_eq!(all.lease(u16::MAX, Instant::now(), Ok).unwrap().0 % 2, 0);
    }
}
