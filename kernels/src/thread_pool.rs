//! Threads for tasks that last microseconds. They spin for a while before they sleep, because waking
//! a sleeping thread takes longer than such a task.
//!
//! The caller works too, and waits only for threads that have started: on a busy machine, where the
//! other threads are not scheduled, the caller does all of the work itself.

use parking_lot::{Condvar, Mutex};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often a thread checks for the next task before it sleeps: about 50 microseconds.
const SPINS: u32 = 4_000;

type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// A few threads that share one task at a time.
pub struct ThreadPool {
    shared: Arc<SharedState>,
    threads: usize,
    /// Held by the caller whose task runs.
    caller: Mutex<()>,
}

struct SharedState {
    /// Counts openings and closings of tasks: odd while a task is open.
    epoch: AtomicUsize,
    // INVARIANT: written only while `epoch` is even and `active` is 0; read only by threads that are
    // counted in `active` and then found `epoch` odd.
    task: Mutex<Option<Task>>,
    next_item: AtomicUsize,
    active: AtomicUsize,
    sleeping: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    gate: Mutex<()>,
    wake: Condvar,
    closed: AtomicBool,
}

#[derive(Clone, Copy)]
struct Task {
    work: *const Work<'static>,
    items: usize,
}

#[expect(unsafe_code, reason = "the work is shared by reference")]
// SAFETY: the work is `Sync`, and `ThreadPool::run` keeps it alive until no thread works on it.
unsafe impl Send for Task {}

impl ThreadPool {
    /// A pool of `threads` threads, the caller's included.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(SharedState {
            epoch: AtomicUsize::new(0),
            task: Mutex::new(None),
            next_item: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            panic: Mutex::new(None),
            gate: Mutex::new(()),
            wake: Condvar::new(),
            closed: AtomicBool::new(false),
        });
        let mut started = 1;
        for index in 1..threads {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name(format!("generator-{index}"));
            // If the system starts no more threads, the pool runs with those it has.
            started += usize::from(builder.spawn(move || shared.serve()).is_ok());
        }
        Self {
            shared,
            threads: started,
            caller: Mutex::new(()),
        }
    }

    /// Threads of the pool, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work` with every number below `items`, on all threads, and returns when all calls have
    /// returned. A panic in `work` is passed on to the caller.
    pub fn run(&self, items: usize, work: &Work<'_>) {
        if items <= 1 || self.threads == 1 {
            (0..items).for_each(work);
            return;
        }
        let _caller = self.caller.lock();
        let task = Task {
            work: erase_lifetime(work),
            items,
        };
        self.open(task);
        let outcome = self.shared.work_on(task);
        self.close();
        let panic = self.shared.panic.lock().take();
        if let Some(panic) = panic.or(outcome.err()) {
            resume_unwind(panic);
        }
    }

    fn open(&self, task: Task) {
        let shared = &self.shared;
        *shared.task.lock() = Some(task);
        shared.next_item.store(0, Ordering::Relaxed);
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        if shared.sleeping.load(Ordering::SeqCst) > 0 {
            let _gate = shared.gate.lock();
            shared.wake.notify_all();
        }
    }

    /// After this returns, no thread works on the task, and none starts to.
    fn close(&self) {
        let shared = &self.shared;
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        let mut spins = 0_u32;
        while shared.active.load(Ordering::SeqCst) > 0 {
            spins += 1;
            if spins.is_multiple_of(SPINS) {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
        *shared.task.lock() = None;
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        let _gate = self.shared.gate.lock();
        self.shared.wake.notify_all();
    }
}

impl SharedState {
    /// The loop of every thread except the caller's, until the pool is dropped.
    fn serve(&self) {
        let mut last_epoch = 0;
        while let Some(epoch) = self.wait(last_epoch) {
            last_epoch = epoch;
            self.active.fetch_add(1, Ordering::SeqCst);
            // The task may have been closed before this thread was counted. In that case its work
            // may be gone, and is not touched.
            if self.epoch.load(Ordering::SeqCst) == epoch {
                let task = *self.task.lock();
                if let Some(Err(panic)) = task.map(|task| self.work_on(task)) {
                    self.panic.lock().get_or_insert(panic);
                }
            }
            self.active.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Waits for an open task other than that of `last_epoch`; `None` once the pool is closed.
    fn wait(&self, last_epoch: usize) -> Option<usize> {
        loop {
            for _ in 0..SPINS {
                if let Some(epoch) = self.open_epoch(last_epoch) {
                    return Some(epoch);
                }
                if self.closed.load(Ordering::Relaxed) {
                    return None;
                }
                std::hint::spin_loop();
            }
            let mut gate = self.gate.lock();
            self.sleeping.fetch_add(1, Ordering::SeqCst);
            if self.open_epoch(last_epoch).is_none() && !self.closed.load(Ordering::SeqCst) {
                self.wake.wait(&mut gate);
            }
            self.sleeping.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// The epoch of the open task, unless that is `last_epoch`.
    fn open_epoch(&self, last_epoch: usize) -> Option<usize> {
        let epoch = self.epoch.load(Ordering::SeqCst);
        (epoch % 2 == 1 && epoch != last_epoch).then_some(epoch)
    }

    /// Takes items until none is left.
    fn work_on(&self, task: Task) -> Result<(), Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(|| {
            loop {
                let item = self.next_item.fetch_add(1, Ordering::Relaxed);
                if item >= task.items {
                    return;
                }
                #[expect(unsafe_code, reason = "the work is shared by reference")]
                // SAFETY: `run` returns only after `close` saw `active` at 0, and every thread except
                // the caller's is counted there.
                let work = unsafe { &*task.work };
                work(item);
            }
        }))
    }
}

/// The same work without its lifetime. [`SharedState::work_on`] says why that is sound.
fn erase_lifetime<'a>(work: &'a Work<'a>) -> *const Work<'static> {
    #[expect(unsafe_code, reason = "a lifetime cannot be erased otherwise")]
    // SAFETY: only the lifetime changes, and the pointer is not used after `close`.
    let work: &'static Work<'static> = unsafe { std::mem::transmute(work) };
    work
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_processed_once_before_run_returns() {
        for threads in 1..5 {
            let pool = ThreadPool::new(threads);
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
    fn a_panic_reaches_the_caller_and_the_pool_stays_usable() {
        let pool = ThreadPool::new(3);
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
    fn callers_run_one_after_another() {
        let pool = ThreadPool::new(2);
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
    fn a_sleeping_pool_wakes_up() {
        let pool = ThreadPool::new(2);
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
