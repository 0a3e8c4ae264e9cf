//! One thread owns each model; everybody else sends it work.

mod embedding;
mod generating;
mod queue;
mod turns;

pub use embedding::{Attending, EmbedderService};
pub(crate) use generating::SEATS;
pub use generating::{GeneratorService, GeneratorState, Piece};
pub use queue::QueueLimits;

use crate::error::{InferenceError, Result};
use queue::Queue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a caller is told when the thread ended before its job was done.
fn gone() -> InferenceError {
    InferenceError::Stopped("its thread ended before the work was done".into())
}

/// Runs `work`; a panic inside a model's libraries costs this job, not the service.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(InferenceError::Compute(
            "it stopped in the middle of this text".into(),
        ))
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

/// Closes the queue when the last handle goes.
struct Closing<J>(Arc<Queue<J>>);

impl<J> Drop for Closing<J> {
    fn drop(&mut self) {
        self.0.close("the appliance is shutting down");
    }
}
