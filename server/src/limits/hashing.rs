//! The threads that hash passwords. Hashing takes memory and a core for a while, so few passwords
//! are hashed at once, few wait, and no other work waits behind them.

use std::sync::{Arc, mpsc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Passwords that wait for a thread.
const MAX_WAITING: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads that hash passwords.
pub struct HashPool {
    slots: Arc<Semaphore>,
    jobs: mpsc::SyncSender<Job>,
}

/// The right to hash one password.
pub struct HashSlot {
    permit: OwnedSemaphorePermit,
    jobs: mpsc::SyncSender<Job>,
}

impl HashPool {
    /// Starts the pool: a thread for each four cores.
    pub fn start() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_threads((cores / 4).max(1), MAX_WAITING)
    }

    fn with_threads(threads: usize, waiting: usize) -> std::io::Result<Self> {
        // INVARIANT: the channel has room for every slot, so sending never blocks.
        let capacity = threads + waiting;
        let (jobs, queue) = mpsc::sync_channel::<Job>(capacity);
        let queue = Arc::new(parking_lot::Mutex::new(queue));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name("passwords".into())
                .spawn(move || work(&queue))?;
        }
        Ok(Self {
            slots: Arc::new(Semaphore::new(capacity)),
            jobs,
        })
    }

    /// A slot, or `None` if too many passwords wait already.
    pub fn slot(&self) -> Option<HashSlot> {
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(HashSlot {
            permit,
            jobs: self.jobs.clone(),
        })
    }
}

fn work(queue: &parking_lot::Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = queue.lock().recv();
        match next {
            Ok(job) => job(),
            Err(mpsc::RecvError) => return,
        }
    }
}

impl HashSlot {
    /// Runs `job` on a thread of the pool. Returns `None` if the pool has ended.
    pub async fn run<T: Send + 'static>(
        self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let Self { permit, jobs } = self;
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            // The client may have gone.
            drop(done.send(job()));
            drop(permit);
        });
        jobs.try_send(job).ok()?;
        result.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let pool = HashPool::with_threads(1, 2).unwrap();
        let (release, held) = mpsc::channel::<()>();
        let blocked = pool.slot().unwrap();
        let blocked = tokio::spawn(blocked.run(move || held.recv().is_ok()));
        let waiting: Vec<HashSlot> = (0..2).map(|_| pool.slot().unwrap()).collect();
        assert!(pool.slot().is_none(), "the queue is full");
        release.send(()).unwrap();
        assert_eq!(blocked.await.unwrap(), Some(true));
        for slot in waiting {
            assert_eq!(slot.run(|| 7).await, Some(7));
        }
        assert!(pool.slot().is_some());
    }
}
