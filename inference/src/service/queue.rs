//! A bounded queue with two lanes: what a person waits for goes before bulk work, and in the
//! second lane people take turns.

use super::turns::Turns;
use crate::error::{InferenceError, Result};
use crate::generator::Person;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A person is waiting.
    Urgent,
    /// Work that fills the time between.
    Bulk,
}

/// How much may wait in each lane.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Jobs that a person waits for.
    pub urgent: usize,
    /// Bulk jobs.
    pub bulk: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            urgent: 64,
            bulk: 8,
        }
    }
}

/// The queue of one model's thread.
pub(super) struct Queue<J> {
    lanes: Mutex<Lanes<J>>,
    wake: Condvar,
    limits: QueueLimits,
}

struct Lanes<J> {
    urgent: VecDeque<J>,
    bulk: Turns<J>,
    closed: Option<String>,
    mean_s: f32,
    /// How many people are being attended to: bulk work would take the processors from them.
    attended: usize,
    /// When bulk work was last given a turn.
    last_bulk: Instant,
}

/// While people are attended to, bulk work gets a turn this often, so that it is never starved.
const BULK_TURN: Duration = Duration::from_secs(2);

impl<J> Lanes<J> {
    /// How long bulk work still has to wait.
    fn patience(&self) -> Duration {
        if self.attended == 0 {
            return Duration::ZERO;
        }
        BULK_TURN.saturating_sub(self.last_bulk.elapsed())
    }
}

impl<J> Queue<J> {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self {
            lanes: Mutex::new(Lanes {
                urgent: VecDeque::new(),
                bulk: Turns::default(),
                closed: None,
                mean_s: 0.1,
                attended: 0,
                last_bulk: Instant::now(),
            }),
            wake: Condvar::new(),
            limits,
        }
    }

    /// Adds a job at the end of its lane, or says when to come back.
    pub(super) fn push(&self, lane: Lane, job: J) -> Result<()> {
        self.push_of(lane, None, job)
    }

    /// [`Self::push`] for a person, who may fill half of the bulk lane and no more.
    pub(super) fn push_of(&self, lane: Lane, person: Option<&Person>, job: J) -> Result<()> {
        let mut lanes = self.lock();
        if let Some(reason) = &lanes.closed {
            return Err(InferenceError::Stopped(reason.clone()));
        }
        let (waiting, full) = match lane {
            Lane::Urgent => {
                let waiting = lanes.urgent.len();
                (waiting, waiting >= self.limits.urgent)
            }
            Lane::Bulk => {
                let (waiting, own) = (lanes.bulk.len(), lanes.bulk.of(person));
                let greedy = person.is_some() && own >= self.limits.bulk.div_ceil(2);
                (waiting, waiting >= self.limits.bulk || greedy)
            }
        };
        if full {
            let retry_after_s = seconds_until_room(lanes.mean_s, waiting);
            return Err(InferenceError::Busy { retry_after_s });
        }
        match lane {
            Lane::Urgent => lanes.urgent.push_back(job),
            Lane::Bulk => lanes.bulk.push(person.cloned(), job),
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Drops the bulk jobs that nobody waits for any more, so that they take nobody's place.
    pub(super) fn drop_bulk(&self, abandoned: impl Fn(&J) -> bool) {
        self.lock().bulk.retain(|job| !abandoned(job));
    }

    /// Puts back a bulk job that is not finished, before the others of its lane.
    pub(super) fn put_back(&self, job: J) {
        self.lock().bulk.push_front(job);
    }

    /// Waits for the next job; `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<(Lane, J)> {
        let mut lanes = self.lock();
        loop {
            if let Some(job) = lanes.urgent.pop_front() {
                return Some((Lane::Urgent, job));
            }
            let patience = lanes.patience();
            if patience.is_zero()
                && let Some(job) = lanes.bulk.next(&|_| 0)
            {
                lanes.last_bulk = Instant::now();
                return Some((Lane::Bulk, job));
            }
            if lanes.closed.is_some() {
                return None;
            }
            // Without a job there is nothing to be patient for: a push wakes this thread.
            let patience = if lanes.bulk.is_empty() {
                Duration::MAX
            } else {
                patience
            };
            lanes = self
                .wake
                .wait_timeout(lanes, patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Notes that someone is attended to, or no longer.
    pub(super) fn attend(&self, begins: bool) {
        let mut lanes = self.lock();
        if begins {
            lanes.attended += 1;
        } else {
            lanes.attended -= 1;
            self.wake.notify_one();
        }
    }

    /// The next job that a person waits for, if there is one.
    pub(super) fn next_urgent(&self) -> Option<J> {
        self.lock().urgent.pop_front()
    }

    /// The next job, if one waits that may be begun now: of those who wait, the person's of whom
    /// the fewest jobs are being done, as `busy` counts them.
    pub(super) fn next_now(&self, busy: &dyn Fn(Option<&Person>) -> usize) -> Option<J> {
        let mut lanes = self.lock();
        if let Some(job) = lanes.urgent.pop_front() {
            return Some(job);
        }
        if !lanes.patience().is_zero() {
            return None;
        }
        let job = lanes.bulk.next(busy)?;
        lanes.last_bulk = Instant::now();
        Some(job)
    }

    /// Notes how long a job took, for [`InferenceError::Busy`].
    pub(super) fn took(&self, duration: Duration) {
        let mut lanes = self.lock();
        lanes.mean_s = 0.9 * lanes.mean_s + 0.1 * duration.as_secs_f32();
    }

    /// Takes no more jobs, for this reason; those waiting are dropped, and their callers told.
    pub(super) fn close(&self, reason: &str) {
        let mut lanes = self.lock();
        lanes.closed.get_or_insert_with(|| reason.to_owned());
        lanes.urgent.clear();
        lanes.bulk.clear();
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Lanes<J>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds_until_room(mean_s: f32, waiting: usize) -> u32 {
    let seconds = (mean_s * waiting as f32).ceil().clamp(1.0, 60.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1..=60"
    )]
    let seconds = seconds as u32;
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue<&'static str> {
        Queue::new(QueueLimits { urgent: 1, bulk: 2 })
    }

    #[test]
    fn a_person_goes_before_bulk_work() {
        let queue = queue();
        queue.push(Lane::Bulk, "bulk").unwrap();
        queue.push(Lane::Urgent, "question").unwrap();
        assert_eq!(queue.next(), Some((Lane::Urgent, "question")));
        assert_eq!(queue.next(), Some((Lane::Bulk, "bulk")));
    }

    #[test]
    fn bulk_work_waits_while_someone_is_attended_to_and_is_not_starved() {
        let queue = queue();
        queue.push(Lane::Bulk, "first").unwrap();
        queue.push(Lane::Bulk, "second").unwrap();
        queue.attend(true);
        assert!(queue.lock().patience() > Duration::ZERO);
        queue.lock().last_bulk = Instant::now().checked_sub(BULK_TURN).unwrap();
        assert_eq!(
            queue.next(),
            Some((Lane::Bulk, "first")),
            "its turn has come"
        );
        assert!(queue.lock().patience() > Duration::ZERO, "and is over");
        queue.attend(false);
        assert_eq!(queue.next(), Some((Lane::Bulk, "second")));
    }

    #[test]
    fn a_full_lane_says_when_to_come_back_and_the_other_still_takes() {
        let queue = queue();
        queue.push(Lane::Urgent, "first").unwrap();
        let error = queue.push(Lane::Urgent, "second").unwrap_err();
        assert!(matches!(error, InferenceError::Busy { retry_after_s: 1.. }));
        queue.push(Lane::Bulk, "bulk").unwrap();
    }

    #[test]
    fn nobody_fills_a_lane_alone() {
        let queue = Queue::new(QueueLimits { urgent: 1, bulk: 4 });
        let (ann, bob) = (Person("ann".into()), Person("bob".into()));
        let push = |person: &Person| queue.push_of(Lane::Bulk, Some(person), person.0.clone());
        push(&ann).unwrap();
        push(&ann).unwrap();
        assert!(matches!(push(&ann), Err(InferenceError::Busy { .. })));
        push(&bob).unwrap();
        push(&bob).unwrap();
        let order: Vec<String> = std::iter::from_fn(|| queue.next_now(&|_| 0)).collect();
        assert_eq!(order, ["ann", "bob", "ann", "bob"]);
    }

    #[test]
    fn an_unfinished_job_goes_on_before_the_next_of_its_lane() {
        let queue = queue();
        queue.push(Lane::Bulk, "second").unwrap();
        queue.put_back("first");
        assert_eq!(queue.next(), Some((Lane::Bulk, "first")));
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_says_why() {
        let queue = queue();
        queue.push(Lane::Bulk, "waiting").unwrap();
        queue.close("the appliance is shutting down");
        assert_eq!(queue.next(), None);
        let error = queue.push(Lane::Bulk, "late").unwrap_err();
        assert!(error.to_string().contains("shutting down"));
    }
}
