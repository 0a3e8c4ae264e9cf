//! Measuring how fast files are ingested.

use cloister_domain::{Clock, Timestamp};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

/// No throughput is reported before this much time was measured.
const MIN_MEASURED: Duration = Duration::from_secs(2);
/// After this much time without work, measuring starts again.
const IDLE_RESET: Duration = Duration::from_secs(20);

/// Counts the work done since the current batch of work began.
#[derive(Debug, Default)]
pub struct Meter {
    batch: Mutex<Option<WorkBatch>>,
    stages: Mutex<BTreeMap<Stage, Duration>>,
}

/// Work without a pause of [`IDLE_RESET`] in it.
#[derive(Clone, Copy, Debug)]
struct WorkBatch {
    started: Timestamp,
    last: Timestamp,
    done: WorkDone,
}

/// An amount of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkDone {
    /// Pages read.
    pub pages: u64,
    /// Passages embedded.
    pub passages: u64,
    /// Bytes of files that are searchable or quarantined.
    pub bytes: u64,
}

/// The steps in which a file is ingested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A child process reads the file.
    Reading,
    /// The pages are divided into passages.
    Cutting,
    /// The passages are embedded, or wait for the embedder.
    Embedding,
    /// The rows are written.
    Storing,
    /// The index adds the passages.
    Indexing,
}

/// How fast files are ingested, over the current batch of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// Pages read per second.
    pub pages: f64,
    /// Passages embedded per second.
    pub passages: f64,
    /// Seconds until the remaining files are done; `None` if no file is done yet.
    pub seconds_left: Option<u64>,
}

impl Meter {
    /// Records work that was done.
    pub fn record(&self, clock: &dyn Clock, done: WorkDone) {
        let now = clock.now();
        let mut batch = self.batch.lock();
        let running = batch.filter(|batch| now.since(batch.last) < IDLE_RESET);
        let mut current = running.unwrap_or(WorkBatch {
            started: now,
            last: now,
            done: WorkDone::default(),
        });
        current.last = now;
        current.done.pages += done.pages;
        current.done.passages += done.passages;
        current.done.bytes += done.bytes;
        *batch = Some(current);
    }

    /// Records how long a stage took for one file. Several files may be in one stage at once.
    pub fn record_duration(&self, stage: Stage, duration: Duration) {
        *self.stages.lock().entry(stage).or_default() += duration;
    }

    /// The time spent in each stage, over all files since the start.
    pub fn stage_durations(&self) -> BTreeMap<Stage, Duration> {
        self.stages.lock().clone()
    }

    /// The work done in the current batch.
    pub fn totals(&self) -> WorkDone {
        self.batch
            .lock()
            .map(|batch| batch.done)
            .unwrap_or_default()
    }

    /// The throughput if `bytes_left` are still to be ingested. `None` while no work is done.
    pub fn throughput(&self, clock: &dyn Clock, bytes_left: u64) -> Option<Throughput> {
        let now = clock.now();
        let batch = self
            .batch
            .lock()
            .filter(|b| now.since(b.last) < IDLE_RESET)?;
        let elapsed = now.since(batch.started);
        if elapsed < MIN_MEASURED {
            return None;
        }
        let seconds = elapsed.as_secs_f64();
        let done = batch.done;
        let left = (done.bytes > 0)
            .then(|| Duration::from_secs_f64(bytes_left as f64 * seconds / done.bytes as f64));
        Some(Throughput {
            pages: done.pages as f64 / seconds,
            passages: done.passages as f64 / seconds,
            seconds_left: left.map(|left| left.as_secs()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::time::ManualClock;

    #[test]
    fn the_remaining_time_is_extrapolated_from_the_work_done() {
        let meter = Meter::default();
        let at = |seconds: i64| ManualClock::at(Timestamp::from_millis(seconds * 1000));
        let step = WorkDone {
            pages: 10,
            passages: 40,
            bytes: 1000,
        };
        meter.record(&at(0), WorkDone::default());
        meter.record(&at(4), step);
        let throughput = meter.throughput(&at(5), 3000).unwrap();
        assert!((throughput.pages - 2.0).abs() < 1e-9 && (throughput.passages - 8.0).abs() < 1e-9);
        assert_eq!(throughput.seconds_left, Some(15));
        assert!(
            meter.throughput(&at(60), 3000).is_none(),
            "that was another batch"
        );
    }
}
