//! The generator's thread and its handle.

use super::queue::{Lane, Queue, QueueLimits};
use super::{Closing, gone, guarded, spawn};
use crate::embedder::ModelIdentity;
use crate::error::{InferenceError, Result};
use crate::generator::{Desk, GenerateRequest, Generated, Generator, Person};
use crate::llama::LlamaGguf;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Texts that are written at once.
pub(crate) const SEATS: usize = 8;

/// Whether the generator can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneratorState {
    /// It is being loaded.
    Loading,
    /// It answers.
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
pub enum Piece {
    /// More text, whole characters.
    Text(String),
    /// The end, with all of the text.
    End(Generated),
    /// The end, by a fault.
    Failed(InferenceError),
}

/// A handle to the generator's thread. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub struct GeneratorService {
    closing: Arc<Closing<Job>>,
    state: Arc<RwLock<GeneratorState>>,
}

enum Job {
    Judge {
        pairs: Vec<(String, String)>,
        reply: oneshot::Sender<Result<Vec<f32>>>,
    },
    Write {
        request: Box<GenerateRequest>,
        pieces: mpsc::UnboundedSender<Piece>,
    },
}

impl Job {
    /// Whether whoever asked has gone.
    fn abandoned(&self) -> bool {
        match self {
            Self::Judge { reply, .. } => reply.is_closed(),
            Self::Write { pieces, .. } => pieces.is_closed(),
        }
    }
}

impl GeneratorService {
    /// Starts the thread, which first loads the model of the folder `dir`. A model that cannot be
    /// loaded is a state, not an error: the appliance answers with quotes meanwhile.
    pub fn starting(dir: PathBuf, limits: QueueLimits) -> Result<Self> {
        Self::loading(
            move || Ok(Box::new(LlamaGguf::open(&dir)?) as Box<dyn Generator>),
            limits,
        )
    }

    /// Starts the thread, which first calls `load`.
    pub fn loading(
        load: impl FnOnce() -> Result<Box<dyn Generator>> + Send + 'static,
        limits: QueueLimits,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(limits));
        let state = Arc::new(RwLock::new(GeneratorState::Loading));
        let (jobs, shown) = (Arc::clone(&queue), Arc::clone(&state));
        spawn("generator", move || match guarded(load) {
            Ok(model) => {
                show(&shown, ready(model.as_ref()));
                run(&jobs, model.as_ref());
            }
            Err(error) => {
                tracing::warn!(%error, "the generator was not loaded: {error}");
                show(&shown, GeneratorState::Failed(error.to_string()));
                jobs.close(&error.to_string());
            }
        })?;
        Ok(Self {
            closing: Arc::new(Closing(queue)),
            state,
        })
    }

    /// Whether it can be asked.
    pub fn state(&self) -> GeneratorState {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// See [`Generator::log_likelihoods`]. Goes before generations that wait.
    pub async fn log_likelihoods(&self, pairs: Vec<(String, String)>) -> Result<Vec<f32>> {
        self.check_ready()?;
        let (reply, answer) = oneshot::channel();
        let job = Job::Judge { pairs, reply };
        self.closing.0.push(Lane::Urgent, job)?;
        answer.await.unwrap_or_else(|_closed| Err(gone()))
    }

    /// See [`Generator::generate`]. Dropping the receiver ends the writing at the next token.
    pub fn generate(&self, request: GenerateRequest) -> Result<mpsc::UnboundedReceiver<Piece>> {
        self.check_ready()?;
        // At most `max_tokens` pieces are ever sent, so a slow reader cannot make it grow.
        let (pieces, stream) = mpsc::unbounded_channel();
        self.closing.0.drop_bulk(Job::abandoned);
        let person = request.person.clone();
        let request = Box::new(request);
        let job = Job::Write { request, pieces };
        self.closing.0.push_of(Lane::Bulk, person.as_ref(), job)?;
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

fn ready(model: &dyn Generator) -> GeneratorState {
    GeneratorState::Ready {
        identity: model.identity(),
        parameters: model.parameters(),
        context: model.context(),
    }
}

fn show(shown: &RwLock<GeneratorState>, state: GeneratorState) {
    *shown.write().unwrap_or_else(PoisonError::into_inner) = state;
}

fn run(queue: &Queue<Job>, model: &dyn Generator) {
    while let Some((_, job)) = queue.next() {
        let mut counter = Counter {
            queue,
            model,
            first: Some(job),
            seats: BTreeMap::new(),
            tickets: 0,
        };
        let outcome = guarded(|| {
            model.write_together(&mut counter);
            Ok(())
        });
        if let Err(error) = outcome {
            counter.fail(&error);
        }
    }
}

/// Where the queue's jobs meet the model: judging is done between two steps of writing.
struct Counter<'a> {
    queue: &'a Queue<Job>,
    model: &'a dyn Generator,
    first: Option<Job>,
    seats: BTreeMap<usize, Seat>,
    tickets: usize,
}

/// Who waits for a text, and since when.
struct Seat {
    person: Option<Person>,
    pieces: mpsc::UnboundedSender<Piece>,
    began: Instant,
}

impl Counter<'_> {
    fn judge(&self, pairs: &[(String, String)], reply: oneshot::Sender<Result<Vec<f32>>>) {
        let began = Instant::now();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        // A caller who has gone needs no answer, here and below.
        let _ = reply.send(guarded(|| self.model.log_likelihoods(&pairs)));
        self.queue.took(began.elapsed());
    }

    fn fail(&mut self, error: &InferenceError) {
        for seat in std::mem::take(&mut self.seats).into_values() {
            let error = InferenceError::Compute(error.to_string());
            let _ = seat.pieces.send(Piece::Failed(error));
        }
    }
}

impl Desk for Counter<'_> {
    fn next(&mut self, writing: usize) -> Option<(usize, GenerateRequest)> {
        loop {
            let full = writing >= SEATS;
            let seated = |person: Option<&Person>| {
                let seats = self.seats.values();
                seats.filter(|seat| seat.person.as_ref() == person).count()
            };
            let waiting = || {
                if full {
                    self.queue.next_urgent()
                } else {
                    self.queue.next_now(&seated)
                }
            };
            match self.first.take().or_else(waiting)? {
                job if job.abandoned() => {}
                Job::Judge { pairs, reply } => self.judge(&pairs, reply),
                Job::Write { request, pieces } => {
                    self.tickets += 1;
                    let seat = Seat {
                        person: request.person.clone(),
                        pieces,
                        began: Instant::now(),
                    };
                    self.seats.insert(self.tickets, seat);
                    return Some((self.tickets, *request));
                }
            }
        }
    }

    fn wanted(&self, ticket: usize) -> bool {
        let seat = self.seats.get(&ticket);
        seat.is_some_and(|seat| !seat.pieces.is_closed())
    }

    fn piece(&mut self, ticket: usize, text: &str) -> ControlFlow<()> {
        let piece = || Piece::Text(text.to_owned());
        match self.seats.get(&ticket).map(|s| s.pieces.send(piece())) {
            Some(Ok(())) => ControlFlow::Continue(()),
            Some(Err(_)) | None => ControlFlow::Break(()),
        }
    }

    fn end(&mut self, ticket: usize, outcome: Result<Generated>) {
        if let Some(seat) = self.seats.remove(&ticket) {
            let _ = seat
                .pieces
                .send(outcome.map_or_else(Piece::Failed, Piece::End));
            self.queue.took(seat.began.elapsed());
        }
    }
}
