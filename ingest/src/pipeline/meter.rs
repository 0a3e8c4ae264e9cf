//! How fast files are taken in, for whoever waits for them.

use cloister_domain::{Clock, Timestamp};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A pace is not told before so much time has shown it.
const SOON: Duration = Duration::from_secs(2);
/// Work that begins after so long a rest is measured anew.
const REST: Duration = Duration::from_secs(20);

/// Counts what is done since the work began.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Option<Batch>>);

#[derive(Clone, Copy, Debug)]
struct Batch {
    began: Timestamp,
    last: Timestamp,
    pages: u64,
    passages: u64,
    bytes: u64,
}

/// What one step has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Pages read.
    pub pages: u64,
    /// Passages embedded.
    pub passages: u64,
    /// Bytes of files that are searchable or set aside.
    pub bytes: u64,
}

/// How fast files are taken in, over the present batch of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Pages read in a second.
    pub pages: f64,
    /// Passages embedded in a second.
    pub passages: f64,
    /// Seconds until the rest is done, where that can be told.
    pub seconds_left: Option<u64>,
}

impl Meter {
    /// Counts a step.
    pub fn count(&self, clock: &dyn Clock, done: Done) {
        let now = clock.now();
        let mut batch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = batch.filter(|batch| now.since(batch.last) < REST);
        let mut open = running.unwrap_or(Batch {
            began: now,
            last: now,
            pages: 0,
            passages: 0,
            bytes: 0,
        });
        open.last = now;
        open.pages += done.pages;
        open.passages += done.passages;
        open.bytes += done.bytes;
        *batch = Some(open);
    }

    /// The pace, with `bytes_left` still to be taken in. None while nothing is done.
    pub fn pace(&self, clock: &dyn Clock, bytes_left: u64) -> Option<Pace> {
        let now = clock.now();
        let batch = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = batch.filter(|batch| now.since(batch.last) < REST)?;
        let elapsed = now.since(batch.began);
        if elapsed < SOON {
            return None;
        }
        let seconds = elapsed.as_secs_f64();
        let left = (batch.bytes > 0)
            .then(|| Duration::from_secs_f64(bytes_left as f64 * seconds / batch.bytes as f64));
        Some(Pace {
            pages: batch.pages as f64 / seconds,
            passages: batch.passages as f64 / seconds,
            seconds_left: left.map(|left| left.as_secs()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::time::StoppedClock;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done_did() {
        let meter = Meter::default();
        let at = |seconds: i64| StoppedClock::at(Timestamp::from_millis(seconds * 1000));
        let step = Done {
            pages: 10,
            passages: 40,
            bytes: 1000,
        };
        meter.count(&at(0), Done::default());
        meter.count(&at(4), step);
        let pace = meter.pace(&at(5), 3000).unwrap();
        assert!((pace.pages - 2.0).abs() < 1e-9 && (pace.passages - 8.0).abs() < 1e-9);
        assert_eq!(pace.seconds_left, Some(15));
        assert!(
            meter.pace(&at(60), 3000).is_none(),
            "that was another batch"
        );
    }
}
