//! The generator's thread and its handle.

use super::queue::{Lane, Queue, QueueLimits};
use super::{CloseOnDrop, catch_panic, spawn, thread_ended};
use crate::decoder::{MAX_BATCH, open_generator};
use crate::error::{InferenceError, Result};
use crate::request::{GenerateRequest, Person};
use crate::traits::{Generated, Generator, ModelIdentity, RequestId, RequestSource};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Whether the generator accepts requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneratorState {
    /// The model is being loaded.
    Loading,
    /// It accepts requests.
    Ready {
        /// Which model.
        identity: ModelIdentity,
        /// How many parameters it has.
        parameters: u64,
        /// The most tokens of prompt and answer together.
        context: usize,
    },
    /// It could not be loaded, for this reason.
    Failed(String),
}

/// A step of a generation.
#[derive(Debug)]
pub enum GenerationEvent {
    /// More text, in complete characters.
    Text(String),
    /// The end, with the full text.
    Finished(Generated),
    /// The generation failed.
    Failed(InferenceError),
}

/// A handle to the generator's thread. Clones share it. The thread ends with the last of them.
#[derive(Clone)]
pub struct GeneratorService {
    queue: Arc<CloseOnDrop<GenerationJob>>,
    state: Arc<RwLock<GeneratorState>>,
}

enum GenerationJob {
    Score {
        pairs: Vec<(String, String)>,
        reply: oneshot::Sender<Result<Vec<f32>>>,
    },
    Write {
        request: Box<GenerateRequest>,
        events: mpsc::UnboundedSender<GenerationEvent>,
    },
}

impl GenerationJob {
    /// Whether the caller has gone.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Score { reply, .. } => reply.is_closed(),
            Self::Write { events, .. } => events.is_closed(),
        }
    }
}

impl GeneratorService {
    /// Starts the thread, which first loads the model of the folder `dir`. A model that cannot be
    /// loaded is a state, not an error: the appliance then answers with quotes only.
    pub fn start(dir: PathBuf, limits: QueueLimits) -> Result<Self> {
        Self::start_with(move || open_generator(&dir), limits)
    }

    /// Starts the thread, which first calls `load`.
    pub fn start_with(
        load: impl FnOnce() -> Result<Box<dyn Generator>> + Send + 'static,
        limits: QueueLimits,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(limits));
        let state = Arc::new(RwLock::new(GeneratorState::Loading));
        let (jobs, shared_state) = (Arc::clone(&queue), Arc::clone(&state));
        spawn("generator", move || match catch_panic(load) {
            Ok(model) => {
                *shared_state.write() = ready_state(model.as_ref());
                run(&jobs, model.as_ref());
            }
            Err(error) => {
                tracing::warn!(%error, "the generator could not be loaded: {error}");
                *shared_state.write() = GeneratorState::Failed(error.to_string());
                jobs.close(&error.to_string());
            }
        })?;
        Ok(Self {
            queue: Arc::new(CloseOnDrop(queue)),
            state,
        })
    }

    /// Whether the generator accepts requests.
    pub fn state(&self) -> GeneratorState {
        self.state.read().clone()
    }

    /// See [`Generator::log_likelihoods`]. Goes before queued generations.
    pub async fn log_likelihoods(&self, pairs: Vec<(String, String)>) -> Result<Vec<f32>> {
        self.check_ready()?;
        let (reply, answer) = oneshot::channel();
        let job = GenerationJob::Score { pairs, reply };
        self.queue.0.push(Lane::Urgent, job)?;
        answer.await.unwrap_or_else(|_closed| Err(thread_ended()))
    }

    /// See [`Generator::generate`]. Dropping the receiver ends the text at the next token.
    pub fn generate(
        &self,
        request: GenerateRequest,
    ) -> Result<mpsc::UnboundedReceiver<GenerationEvent>> {
        self.check_ready()?;
        // At most `max_tokens` events are ever sent, so a slow reader cannot make the channel grow.
        let (events, stream) = mpsc::unbounded_channel();
        self.queue.0.drop_bulk(GenerationJob::is_abandoned);
        let person = request.person.clone();
        let request = Box::new(request);
        let job = GenerationJob::Write { request, events };
        self.queue.0.push_for(Lane::Bulk, person.as_ref(), job)?;
        Ok(stream)
    }

    fn check_ready(&self) -> Result<()> {
        match self.state() {
            GeneratorState::Ready { .. } => Ok(()),
            GeneratorState::Loading => Err(InferenceError::Loading),
            GeneratorState::Failed(reason) => Err(InferenceError::Stopped(reason)),
        }
    }
}

fn ready_state(model: &dyn Generator) -> GeneratorState {
    GeneratorState::Ready {
        identity: model.identity(),
        parameters: model.parameters(),
        context: model.context(),
    }
}

fn run(queue: &Queue<GenerationJob>, model: &dyn Generator) {
    while let Some((_, job)) = queue.next() {
        let mut source = BatchScheduler {
            queue,
            model,
            first: Some(job),
            slots: BTreeMap::new(),
            last_id: 0,
        };
        let outcome = catch_panic(|| {
            model.serve(&mut source);
            Ok(())
        });
        if let Err(error) = outcome {
            source.fail_all(&error);
        }
    }
}

/// Feeds the queue's jobs to the model. Scoring runs between two steps of a batch.
struct BatchScheduler<'a> {
    queue: &'a Queue<GenerationJob>,
    model: &'a dyn Generator,
    first: Option<GenerationJob>,
    slots: BTreeMap<RequestId, Slot>,
    last_id: usize,
}

/// An active request: who receives the text, and since when.
struct Slot {
    person: Option<Person>,
    events: mpsc::UnboundedSender<GenerationEvent>,
    started: Instant,
}

impl BatchScheduler<'_> {
    /// The next job, from the interactive lane only if the batch is full.
    fn next_job(&mut self, batch_is_full: bool) -> Option<GenerationJob> {
        if let Some(job) = self.first.take() {
            return Some(job);
        }
        if batch_is_full {
            return self.queue.next_urgent();
        }
        self.queue.try_next(&|person| self.active_requests(person))
    }

    /// How many texts of a person are in the batch.
    fn active_requests(&self, person: Option<&Person>) -> usize {
        let slots = self.slots.values();
        slots.filter(|slot| slot.person.as_ref() == person).count()
    }

    fn score(&self, pairs: &[(String, String)], reply: oneshot::Sender<Result<Vec<f32>>>) {
        let started = Instant::now();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        // A caller that has gone needs no answer, here and below.
        let _ = reply.send(catch_panic(|| self.model.log_likelihoods(&pairs)));
        self.queue.record_duration(started.elapsed());
    }

    fn fail_all(&mut self, error: &InferenceError) {
        for slot in std::mem::take(&mut self.slots).into_values() {
            let error = InferenceError::Compute(error.to_string());
            let _ = slot.events.send(GenerationEvent::Failed(error));
        }
    }
}

impl RequestSource for BatchScheduler<'_> {
    fn next(&mut self, active: usize) -> Option<(RequestId, GenerateRequest)> {
        loop {
            match self.next_job(active >= MAX_BATCH)? {
                job if job.is_abandoned() => {}
                GenerationJob::Score { pairs, reply } => self.score(&pairs, reply),
                GenerationJob::Write { request, events } => {
                    self.last_id += 1;
                    let id = RequestId(self.last_id);
                    let slot = Slot {
                        person: request.person.clone(),
                        events,
                        started: Instant::now(),
                    };
                    self.slots.insert(id, slot);
                    return Some((id, *request));
                }
            }
        }
    }

    fn is_wanted(&self, id: RequestId) -> bool {
        let slot = self.slots.get(&id);
        slot.is_some_and(|slot| !slot.events.is_closed())
    }

    fn send_text(&mut self, id: RequestId, text: &str) -> ControlFlow<()> {
        let Some(slot) = self.slots.get(&id) else {
            return ControlFlow::Break(());
        };
        let sent = slot.events.send(GenerationEvent::Text(text.to_owned()));
        if sent.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn finish(&mut self, id: RequestId, outcome: Result<Generated>) {
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        let event = outcome.map_or_else(GenerationEvent::Failed, GenerationEvent::Finished);
        let _ = slot.events.send(event);
        self.queue.record_duration(slot.started.elapsed());
    }
}
