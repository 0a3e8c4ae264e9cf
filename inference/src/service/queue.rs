//! A bounded queue with two lanes: interactive jobs go before background jobs, and people take turns
//! in the background lane.

use super::round_robin::RoundRobin;
use crate::error::{InferenceError, Result};
use crate::request::Person;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// While background work is paused, it gets a turn this often, so that it is never starved.
const BULK_INTERVAL: Duration = Duration::from_secs(2);

/// A lane of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A person waits for the job.
    Urgent,
    /// Background work.
    Bulk,
}

/// How many jobs each lane can hold.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Interactive jobs.
    pub urgent: usize,
    /// Background jobs.
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
    bulk: RoundRobin<J>,
    /// Why the queue takes no more jobs.
    closed: Option<String>,
    mean_seconds: f32,
    /// How many callers have paused the background lane.
    pauses: usize,
    /// When the background lane last got a turn.
    last_bulk: Instant,
}

impl<J> Lanes<J> {
    /// How long the background lane still has to wait.
    fn bulk_delay(&self) -> Duration {
        if self.pauses == 0 {
            return Duration::ZERO;
        }
        BULK_INTERVAL.saturating_sub(self.last_bulk.elapsed())
    }
}

impl<J> Queue<J> {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self {
            lanes: Mutex::new(Lanes {
                urgent: VecDeque::new(),
                bulk: RoundRobin::default(),
                closed: None,
                mean_seconds: 0.1,
                pauses: 0,
                last_bulk: Instant::now(),
            }),
            wake: Condvar::new(),
            limits,
        }
    }

    /// Adds a job at the end of its lane. A full lane returns an error that says when to try again.
    pub(super) fn push(&self, lane: Lane, job: J) -> Result<()> {
        self.push_for(lane, None, job)
    }

    /// [`Self::push`] for a person, who can use at most half of the background lane.
    pub(super) fn push_for(&self, lane: Lane, person: Option<&Person>, job: J) -> Result<()> {
        let mut lanes = self.lanes.lock();
        if let Some(reason) = &lanes.closed {
            return Err(InferenceError::Stopped(reason.clone()));
        }
        let (queued, full) = match lane {
            Lane::Urgent => {
                let queued = lanes.urgent.len();
                (queued, queued >= self.limits.urgent)
            }
            Lane::Bulk => {
                let (queued, own) = (lanes.bulk.len(), lanes.bulk.count(person));
                let over_share = person.is_some() && own >= self.limits.bulk.div_ceil(2);
                (queued, queued >= self.limits.bulk || over_share)
            }
        };
        if full {
            let retry_after_s = retry_after_seconds(lanes.mean_seconds, queued);
            return Err(InferenceError::Busy { retry_after_s });
        }
        match lane {
            Lane::Urgent => lanes.urgent.push_back(job),
            Lane::Bulk => lanes.bulk.push(person.cloned(), job),
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Drops the background jobs whose callers have gone, so that they take no space.
    pub(super) fn drop_bulk(&self, abandoned: impl Fn(&J) -> bool) {
        self.lanes.lock().bulk.retain(|job| !abandoned(job));
    }

    /// Puts an unfinished background job back, before the others of its lane.
    pub(super) fn put_back(&self, job: J) {
        self.lanes.lock().bulk.push_front(job);
    }

    /// Waits for the next job; `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<(Lane, J)> {
        let mut lanes = self.lanes.lock();
        loop {
            if let Some(job) = lanes.urgent.pop_front() {
                return Some((Lane::Urgent, job));
            }
            let delay = lanes.bulk_delay();
            if delay.is_zero()
                && let Some(job) = lanes.bulk.pop(&|_| 0)
            {
                lanes.last_bulk = Instant::now();
                return Some((Lane::Bulk, job));
            }
            if lanes.closed.is_some() {
                return None;
            }
            if lanes.bulk.is_empty() {
                // Without a background job there is no time to wait for: a push wakes this thread.
                self.wake.wait(&mut lanes);
            } else {
                self.wake.wait_for(&mut lanes, delay);
            }
        }
    }

    /// Pauses the background lane, except for a turn every [`BULK_INTERVAL`].
    pub(super) fn pause_bulk(&self) {
        self.lanes.lock().pauses += 1;
    }

    /// Ends one pause of the background lane.
    pub(super) fn resume_bulk(&self) {
        self.lanes.lock().pauses -= 1;
        self.wake.notify_one();
    }

    /// The next interactive job, if there is one.
    pub(super) fn next_urgent(&self) -> Option<J> {
        self.lanes.lock().urgent.pop_front()
    }

    /// The next job that may start now, if there is one. In the background lane the person with the
    /// fewest `active` jobs comes first.
    pub(super) fn try_next(&self, active: &dyn Fn(Option<&Person>) -> usize) -> Option<J> {
        let mut lanes = self.lanes.lock();
        if let Some(job) = lanes.urgent.pop_front() {
            return Some(job);
        }
        if !lanes.bulk_delay().is_zero() {
            return None;
        }
        let job = lanes.bulk.pop(active)?;
        lanes.last_bulk = Instant::now();
        Some(job)
    }

    /// Records how long a job took, for [`InferenceError::Busy`].
    pub(super) fn record_duration(&self, duration: Duration) {
        let mut lanes = self.lanes.lock();
        lanes.mean_seconds = 0.9 * lanes.mean_seconds + 0.1 * duration.as_secs_f32();
    }

    /// Refuses further jobs for this reason and drops the queued ones, which notifies their callers.
    pub(super) fn close(&self, reason: &str) {
        let mut lanes = self.lanes.lock();
        lanes.closed.get_or_insert_with(|| reason.to_owned());
        lanes.urgent.clear();
        lanes.bulk.clear();
        self.wake.notify_all();
    }
}

fn retry_after_seconds(mean_seconds: f32, queued: usize) -> u32 {
    let seconds = (mean_seconds * queued as f32).ceil().clamp(1.0, 60.0);
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
    fn paused_bulk_work_waits_and_is_not_starved() {
        let queue = queue();
        queue.push(Lane::Bulk, "first").unwrap();
        queue.push(Lane::Bulk, "second").unwrap();
        queue.pause_bulk();
        assert!(queue.lanes.lock().bulk_delay() > Duration::ZERO);
        queue.lanes.lock().last_bulk = Instant::now().checked_sub(BULK_INTERVAL).unwrap();
        assert_eq!(
            queue.next(),
            Some((Lane::Bulk, "first")),
            "its turn has come"
        );
        let delay = queue.lanes.lock().bulk_delay();
        assert!(delay > Duration::ZERO, "its turn is over");
        queue.resume_bulk();
        assert_eq!(queue.next(), Some((Lane::Bulk, "second")));
    }

    #[test]
    fn a_full_lane_says_when_to_try_again_and_the_other_accepts_jobs() {
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
        let push = |person: &Person| queue.push_for(Lane::Bulk, Some(person), person.0.clone());
        push(&ann).unwrap();
        push(&ann).unwrap();
        assert!(matches!(push(&ann), Err(InferenceError::Busy { .. })));
        push(&bob).unwrap();
        push(&bob).unwrap();
        let order: Vec<String> = std::iter::from_fn(|| queue.try_next(&|_| 0)).collect();
        assert_eq!(order, ["ann", "bob", "ann", "bob"]);
    }

    #[test]
    fn an_unfinished_job_continues_before_the_next_of_its_lane() {
        let queue = queue();
        queue.push(Lane::Bulk, "second").unwrap();
        queue.put_back("first");
        assert_eq!(queue.next(), Some((Lane::Bulk, "first")));
    }

    #[test]
    fn a_closed_queue_accepts_nothing_and_says_why() {
        let queue = queue();
        queue.push(Lane::Bulk, "waiting").unwrap();
        queue.close("the appliance is shutting down");
        assert_eq!(queue.next(), None);
        let error = queue.push(Lane::Bulk, "late").unwrap_err();
        assert!(error.to_string().contains("shutting down"));
    }
}
