//! Limits the number of concurrent searches to what uses the machine fully. More of them would not be
//! faster, and would evict each other's data from the CPU caches. Searches are admitted in the order of
//! their arrival, for every caller and every set of permitted revisions.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};

/// Searches per core: one can wait for the disk, and a waking thread takes time.
const SEARCHES_PER_CORE: usize = 2;

/// A fair semaphore.
pub(crate) struct Semaphore {
    state: Mutex<State>,
}

struct State {
    free: usize,
    running: usize,
    // INVARIANT: empty while a permit is free.
    waiting: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    thread: Thread,
    admitted: AtomicBool,
}

/// The permission to search, until it is dropped.
pub(crate) struct Permit<'a> {
    semaphore: &'a Semaphore,
    /// Whether no other search was running when this one arrived.
    pub use_all_threads: bool,
}

impl Default for Semaphore {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::new(SEARCHES_PER_CORE * cores)
    }
}

impl Semaphore {
    fn new(permits: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: permits,
                running: 0,
                waiting: VecDeque::new(),
            }),
        }
    }

    /// Waits for a permit.
    pub(crate) fn acquire(&self) -> Permit<'_> {
        let mut state = self.state.lock();
        let permit = Permit {
            semaphore: self,
            use_all_threads: state.running == 0,
        };
        if state.free > 0 {
            state.free -= 1;
            state.running += 1;
            return permit;
        }
        let waiter = Arc::new(Waiter {
            thread: thread::current(),
            admitted: AtomicBool::new(false),
        });
        state.waiting.push_back(Arc::clone(&waiter));
        drop(state);
        while !waiter.admitted.load(Ordering::Acquire) {
            thread::park();
        }
        permit
    }
}

impl Drop for Permit<'_> {
    /// Passes the permit to the longest waiting search.
    fn drop(&mut self) {
        let mut state = self.semaphore.state.lock();
        if let Some(next) = state.waiting.pop_front() {
            next.admitted.store(true, Ordering::Release);
            next.thread.unpark();
        } else {
            state.free += 1;
            state.running -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn at_most_the_allowed_number_runs_and_all_are_admitted() {
        let semaphore = Semaphore::new(2);
        let [running, max, done] = [0, 0, 0].map(AtomicUsize::new);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _permit = semaphore.acquire();
                        max.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 1600);
        assert_eq!(max.into_inner(), 2);
    }

    #[test]
    fn searches_are_admitted_in_order_and_the_first_uses_all_threads() {
        let semaphore = Semaphore::new(1);
        let order = Mutex::new(Vec::new());
        let first = semaphore.acquire();
        assert!(first.use_all_threads);
        thread::scope(|scope| {
            for number in 0..5 {
                let (semaphore, order) = (&semaphore, &order);
                scope.spawn(move || {
                    let permit = semaphore.acquire();
                    assert!(!permit.use_all_threads);
                    order.lock().push(number);
                });
                while semaphore.state.lock().waiting.len() <= number {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner(), [0, 1, 2, 3, 4]);
        assert!(semaphore.acquire().use_all_threads);
    }
}
