//! How many searches run at a time: as many as keep the machine busy, the others wait for their turn.
//!
//! More at a time would find nothing sooner, and each would push what the others have just fetched
//! out of the processor's caches. Turns are given in the order of asking, whoever asks and whatever
//! they may read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};

/// For each core: one may wait for the disk, and a turn that is handed on is not taken up at once.
const EACH: usize = 2;

/// Gives turns.
pub(crate) struct Turns {
    state: Mutex<State>,
}

struct State {
    free: usize,
    running: usize,
    // INVARIANT: empty while a turn is free.
    waiting: VecDeque<Arc<Waiter>>,
}

/// One who waits, and whether the turn came.
struct Waiter {
    thread: Thread,
    called: AtomicBool,
}

/// The right to search, until it is dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    /// Whether nobody else was searching when it was given.
    pub alone: bool,
}

impl Default for Turns {
    /// For this machine.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::new(EACH * cores)
    }
}

impl Turns {
    fn new(at_a_time: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: at_a_time,
                running: 0,
                waiting: VecDeque::new(),
            }),
        }
    }

    /// Waits for a turn.
    pub(crate) fn take(&self) -> Turn<'_> {
        let mut state = self.state();
        let alone = state.running == 0;
        if state.free > 0 {
            state.free -= 1;
            state.running += 1;
            return Turn { turns: self, alone };
        }
        let waiter = Arc::new(Waiter {
            thread: thread::current(),
            called: AtomicBool::new(false),
        });
        state.waiting.push_back(Arc::clone(&waiter));
        drop(state);
        while !waiter.called.load(Ordering::Acquire) {
            thread::park();
        }
        Turn { turns: self, alone }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    /// Hands the turn to the one who waits longest.
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if let Some(next) = state.waiting.pop_front() {
            next.called.store(true, Ordering::Release);
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
    fn no_more_than_were_allowed_run_at_a_time_and_everybody_has_a_turn() {
        let turns = Turns::new(2);
        let [running, most, had] = [0, 0, 0].map(AtomicUsize::new);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _turn = turns.take();
                        most.fetch_max(
                            running.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        had.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(had.into_inner(), 1600);
        assert_eq!(most.into_inner(), 2);
    }

    #[test]
    fn turns_come_in_the_order_of_asking_and_who_is_first_is_alone() {
        let turns = Turns::new(1);
        let order = Mutex::new(Vec::new());
        let first = turns.take();
        assert!(first.alone);
        thread::scope(|scope| {
            for number in 0..5 {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    let turn = turns.take();
                    assert!(!turn.alone);
                    order.lock().unwrap().push(number);
                });
                while turns.state().waiting.len() <= number {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4]);
        assert!(turns.take().alone);
    }
}
