//! Runs each model on its own thread, and queues requests to it.

mod embedding;
mod generating;
mod queue;
mod round_robin;

pub use embedding::{EmbedderService, ForegroundGuard};
pub use generating::{GenerationEvent, GeneratorService, GeneratorState};
pub use queue::QueueLimits;

use crate::error::{InferenceError, Result};
use queue::Queue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The error of a caller whose job was dropped because the thread ended.
fn thread_ended() -> InferenceError {
    InferenceError::Stopped("its thread ended before the work was done".into())
}

/// Runs `work`. A panic in a model's libraries fails this job, not the service.
fn catch_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let reason = "it stopped in the middle of this text";
        Err(InferenceError::Compute(reason.into()))
    })
}

/// Starts the thread of one model.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(drop)
        .map_err(|error| InferenceError::Stopped(error.to_string()))
}

/// Closes the queue when the last handle is dropped.
struct CloseOnDrop<J>(Arc<Queue<J>>);

impl<J> Drop for CloseOnDrop<J> {
    fn drop(&mut self) {
        self.0.close("the appliance is shutting down");
    }
}
