//! The embedder's thread and its handle.

use super::queue::{Lane, Queue, QueueLimits};
use super::{Closing, gone, guarded, spawn};
use crate::embedder::{Embedder, ModelIdentity};
use crate::error::Result;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// Passages embedded before the thread looks whether a person waits.
const BULK_STEP: usize = 32;

/// A handle to the embedder's thread. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub struct EmbedderService {
    closing: Arc<Closing<Job>>,
    embedder: Arc<dyn Embedder>,
}

/// Someone is being attended to, until this is dropped.
pub struct Attending(Arc<Closing<Job>>);

impl Drop for Attending {
    fn drop(&mut self) {
        self.0.0.attend(false);
    }
}

struct Job {
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
    reply: oneshot::Sender<Result<Vec<Vec<f32>>>>,
}

impl EmbedderService {
    /// Starts the thread.
    pub fn start(embedder: Arc<dyn Embedder>, limits: QueueLimits) -> Result<Self> {
        let queue = Arc::new(Queue::new(limits));
        let (jobs, model) = (Arc::clone(&queue), Arc::clone(&embedder));
        spawn("embedder", move || run(&jobs, model.as_ref()))?;
        Ok(Self {
            closing: Arc::new(Closing(queue)),
            embedder,
        })
    }

    /// Which model this is.
    pub fn identity(&self) -> ModelIdentity {
        self.embedder.identity()
    }

    /// The length of every vector.
    pub fn dimensions(&self) -> usize {
        self.embedder.dimensions()
    }

    /// The tokens that count; see [`Embedder::max_tokens`].
    pub fn max_tokens(&self) -> usize {
        self.embedder.max_tokens()
    }

    /// Counts a passage's tokens on the caller's thread; see [`Embedder::count_tokens`].
    pub fn count_tokens(&self, text: &str) -> usize {
        let prefix = self.embedder.prefixes().passage;
        self.embedder.count_tokens(&format!("{prefix}{text}"))
    }

    /// Holds bulk work back, but for a turn now and then, until what is returned is dropped: the
    /// answer that someone waits for has the processors to itself.
    #[must_use]
    pub fn attend(&self) -> Attending {
        self.closing.0.attend(true);
        Attending(Arc::clone(&self.closing))
    }

    /// The vector of a question, before any bulk work.
    pub async fn embed_question(&self, text: String) -> Result<Vec<f32>> {
        let text = self.embedder.prefixes().question + &text;
        let vectors = self.submit(Lane::Urgent, vec![text]).await?;
        vectors.into_iter().next().ok_or_else(gone)
    }

    /// The vectors of sentences that a question waits for, before any bulk work.
    pub async fn embed_sentences(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.submit(Lane::Urgent, self.as_passages(texts)).await
    }

    /// The vectors of passages, between questions.
    pub async fn embed_passages(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.submit(Lane::Bulk, self.as_passages(texts)).await
    }

    fn as_passages(&self, texts: Vec<String>) -> Vec<String> {
        let prefix = self.embedder.prefixes().passage;
        if prefix.is_empty() {
            return texts;
        }
        texts.iter().map(|text| format!("{prefix}{text}")).collect()
    }

    async fn submit(&self, lane: Lane, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let (reply, answer) = oneshot::channel();
        let vectors = Vec::with_capacity(texts.len());
        let job = Job {
            texts,
            vectors,
            reply,
        };
        self.closing.0.push(lane, job)?;
        answer.await.unwrap_or_else(|_closed| Err(gone()))
    }
}

fn run(queue: &Queue<Job>, model: &dyn Embedder) {
    while let Some((lane, mut job)) = queue.next() {
        if job.reply.is_closed() {
            continue;
        }
        let began = Instant::now();
        let step = match lane {
            Lane::Urgent => job.texts.len(),
            Lane::Bulk => BULK_STEP,
        };
        let waiting = job.texts.iter().skip(job.vectors.len()).take(step);
        let texts: Vec<&str> = waiting.map(String::as_str).collect();
        let outcome = guarded(|| model.embed(&texts));
        queue.took(began.elapsed());
        match outcome {
            Ok(vectors) => job.vectors.extend(vectors),
            Err(error) => {
                // A caller who has gone needs no answer.
                let _ = job.reply.send(Err(error));
                continue;
            }
        }
        if job.vectors.len() < job.texts.len() {
            queue.put_back(job);
        } else {
            let _ = job.reply.send(Ok(job.vectors));
        }
    }
}
