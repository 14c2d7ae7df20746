//! Which of a call's sources have something to tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;

/// A bell for each source of a task: rung by the source's waker, it wakes the task and says who it was, so that a task of
/// many sources asks only those that have something to tell.
///
/// A bell rings once at the beginning, for a source tells its news only to a waker it was given, and again whenever
/// [`ring`](Bells::ring) says that a source is not the one that was asked last.
#[derive(Debug)]
pub(super) struct Bells<const N: usize> {
    rung: Arc<Rung>,
    wakers: [Waker; N],
}

#[derive(Debug)]
struct Rung {
    /// A bit for each bell.
    bells: AtomicU32,
    task: AtomicWaker,
}

/// One bell, as its source has it.
struct Rope {
    rung: Arc<Rung>,
    bell: u32,
}

impl<const N: usize> Bells<N> {
    /// All of them rung.
    pub(super) fn new() -> Self {
        const { assert!(N <= 32, "a bit for each bell") };
        let rung = Arc::new(Rung { bells: AtomicU32::new(u32::MAX), task: AtomicWaker::new() });
        let wakers = std::array::from_fn(|n| Waker::from(Arc::new(Rope { rung: Arc::clone(&rung), bell: 1 << n })));
        Self { rung, wakers }
    }

    /// Any bell wakes this task from here on. To be called before the bells are looked at.
    pub(super) fn wake(&self, task: &Waker) {
        self.rung.task.register(task);
    }

    /// Whether a bell was rung since; what its source is asked with. Silent afterwards: a source that is not pending wants
    /// [`ring`](Bells::ring).
    pub(super) fn take(&self, bell: usize) -> Option<&Waker> {
        let bit = 1u32.checked_shl(bell as u32)?;
        // A look costs less than a write, and most bells are silent.
        if self.rung.bells.load(Ordering::Acquire) & bit == 0 {
            return None;
        }
        self.rung.bells.fetch_and(!bit, Ordering::AcqRel);
        self.wakers.get(bell)
    }

    /// Rings one bell, of the task's own.
    pub(super) fn ring(&self, bell: usize) {
        self.rung.bells.fetch_or(1u32.checked_shl(bell as u32).unwrap_or_default(), Ordering::AcqRel);
    }

    /// Rings all.
    pub(super) fn ring_all(&self) {
        self.rung.bells.store(u32::MAX, Ordering::Release);
    }
}

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Whoever rang a bell that still rings has woken the task.
        if self.rung.bells.fetch_or(self.bell, Ordering::AcqRel) & self.bell == 0 {
            self.rung.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_source_wakes_the_task_once_and_is_the_one_that_is_asked() {
        let (bells, woken) = (Bells::<3>::new(), Arc::new(Woken::default()));
        bells.wake(&Waker::from(Arc::clone(&woken)));
        let wakers: Vec<Waker> = (0..3).map(|bell| bells.take(bell).expect("all ring").clone()).collect();
        assert!((0..3).all(|bell| bells.take(bell).is_none()));
        wakers[1].wake_by_ref();
        wakers[1].wake_by_ref();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "it was told before it looked");
        let found: Vec<bool> = (0..3).map(|bell| bells.take(bell).is_some()).collect();
        assert_eq!(found, [false, true, false]);
        bells.wake(&Waker::from(Arc::clone(&woken)));
        wakers[1].wake_by_ref();
        assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_rings_while_nobody_waits_is_found_by_who_waits_next() {
        let bells = Bells::<2>::new();
        let waker = bells.take(0).unwrap().clone();
        waker.wake_by_ref();
        bells.wake(Waker::noop());
        assert!(bells.take(0).is_some() && bells.take(0).is_none());
        bells.ring(0);
        assert!(bells.take(0).is_some(), "by the task itself");
        bells.ring_all();
        assert!(bells.take(0).is_some() && bells.take(1).is_some());
    }
}
