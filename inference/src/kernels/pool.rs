//! Threads for pieces of work that last microseconds: they wait for the next piece by watching a
//! number for a while, because waking a sleeping thread takes longer than the piece.
//!
//! Whoever asks works too, and waits only for threads that have begun: on a busy machine, where
//! the others are not running, it does all of the work itself.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How often a thread looks for the next piece before it sleeps: some 50 microseconds.
const LOOKS: u32 = 4_000;

type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// A few threads that share one piece of work at a time.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: usize,
    /// One caller at a time.
    asking: Mutex<()>,
}

struct Shared {
    /// Odd while a piece is open; every piece has a number of its own.
    piece: AtomicUsize,
    // INVARIANT: written only while `piece` is even and `working` is 0; read only by threads that
    // count in `working` and found `piece` odd afterwards.
    work: Mutex<Option<Piece>>,
    next: AtomicUsize,
    working: AtomicUsize,
    sleeping: AtomicUsize,
    failed: Mutex<Option<Box<dyn Any + Send>>>,
    gate: Mutex<()>,
    wake: Condvar,
    closed: AtomicBool,
}

#[derive(Clone, Copy)]
struct Piece {
    work: *const Work<'static>,
    items: usize,
}

#[expect(unsafe_code, reason = "the work is shared by reference")]
// SAFETY: the work is `Sync`, and `Pool::run` keeps it alive until nobody works on it.
unsafe impl Send for Piece {}

impl Pool {
    /// `threads` in all, the caller's own among them.
    pub(crate) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            piece: AtomicUsize::new(0),
            work: Mutex::new(None),
            next: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            failed: Mutex::new(None),
            gate: Mutex::new(()),
            wake: Condvar::new(),
            closed: AtomicBool::new(false),
        });
        let mut started = 1;
        for index in 1..threads {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name(format!("generator-{index}"));
            // A machine that starts no more threads still has those that run.
            started += usize::from(builder.spawn(move || shared.serve()).is_ok());
        }
        Self {
            shared,
            threads: started,
            asking: Mutex::new(()),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work` for every number below `items`, on all threads, and returns when all are done.
    pub(crate) fn run(&self, items: usize, work: &Work<'_>) {
        if items <= 1 || self.threads == 1 {
            (0..items).for_each(work);
            return;
        }
        let _asking = lock(&self.asking);
        self.open(items, work);
        let outcome = self.shared.take_part(Piece {
            work: erased(work),
            items,
        });
        self.close();
        if let Some(panic) = lock(&self.shared.failed).take().or(outcome.err()) {
            resume_unwind(panic);
        }
    }

    fn open(&self, items: usize, work: &Work<'_>) {
        let shared = &self.shared;
        *lock(&shared.work) = Some(Piece {
            work: erased(work),
            items,
        });
        shared.next.store(0, Ordering::Relaxed);
        shared.piece.fetch_add(1, Ordering::SeqCst);
        if shared.sleeping.load(Ordering::SeqCst) > 0 {
            let _gate = lock(&shared.gate);
            shared.wake.notify_all();
        }
    }

    /// After this nobody begins to work on the piece, and nobody is still at it.
    fn close(&self) {
        let shared = &self.shared;
        shared.piece.fetch_add(1, Ordering::SeqCst);
        let mut looks = 0_u32;
        while shared.working.load(Ordering::SeqCst) > 0 {
            looks += 1;
            if looks.is_multiple_of(LOOKS) {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
        *lock(&shared.work) = None;
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        let _gate = lock(&self.shared.gate);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    /// What every thread but the caller's does until the pool goes.
    fn serve(&self) {
        let mut done = 0;
        while let Some(piece) = self.wait(done) {
            done = piece;
            self.working.fetch_add(1, Ordering::SeqCst);
            // The piece may have been closed before this thread was counted; then it is not
            // touched, because its work may be gone.
            if self.piece.load(Ordering::SeqCst) == piece {
                let work = *lock(&self.work);
                if let Some(Err(panic)) = work.map(|work| self.take_part(work)) {
                    lock(&self.failed).get_or_insert(panic);
                }
            }
            self.working.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Waits for an open piece other than `done`.
    fn wait(&self, done: usize) -> Option<usize> {
        let open = || {
            let piece = self.piece.load(Ordering::SeqCst);
            (piece % 2 == 1 && piece != done).then_some(piece)
        };
        loop {
            for _ in 0..LOOKS {
                if let Some(piece) = open() {
                    return Some(piece);
                }
                if self.closed.load(Ordering::Relaxed) {
                    return None;
                }
                std::hint::spin_loop();
            }
            let gate = lock(&self.gate);
            self.sleeping.fetch_add(1, Ordering::SeqCst);
            if open().is_none() && !self.closed.load(Ordering::SeqCst) {
                drop(self.wake.wait(gate).unwrap_or_else(PoisonError::into_inner));
            }
            self.sleeping.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn take_part(&self, piece: Piece) -> Result<(), Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(|| {
            loop {
                let item = self.next.fetch_add(1, Ordering::Relaxed);
                if item >= piece.items {
                    return;
                }
                #[expect(unsafe_code, reason = "the work is shared by reference")]
                // SAFETY: `run` returns only after `close` saw nobody counted in `working`, and
                // every thread but the caller's is counted here.
                let work = unsafe { &*piece.work };
                work(item);
            }
        }))
    }
}

/// The same work without its lifetime, for [`Shared::take_part`], which says why that holds.
fn erased<'a>(work: &'a Work<'a>) -> *const Work<'static> {
    #[expect(unsafe_code, reason = "a lifetime cannot be erased otherwise")]
    // SAFETY: only the lifetime changes, and nobody looks through the pointer after `close`.
    let work: &'static Work<'static> = unsafe { std::mem::transmute(work) };
    work
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_before_the_return() {
        for threads in 1..5 {
            let pool = Pool::new(threads);
            for items in (0..200).chain([5_000]) {
                let counts: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                pool.run(items, &|item| {
                    counts[item].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(3);
        for broken in 0..30 {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.run(30, &|item| assert_ne!(item, broken));
            }));
            assert!(outcome.is_err());
        }
        let count = AtomicUsize::new(0);
        pool.run(100, &|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn several_callers_take_turns() {
        let pool = Pool::new(2);
        let count = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        pool.run(7, &|_| {
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 4 * 200 * 7);
    }

    #[test]
    fn a_pool_that_slept_wakes() {
        let pool = Pool::new(2);
        for _ in 0..5 {
            std::thread::sleep(std::time::Duration::from_millis(3));
            let count = AtomicUsize::new(0);
            pool.run(50, &|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.load(Ordering::Relaxed), 50);
        }
    }
}
