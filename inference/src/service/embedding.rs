//! The embedder's thread and its handle.

use super::queue::{Lane, Queue, QueueLimits};
use super::{CloseOnDrop, catch_panic, spawn, thread_ended};
use crate::error::Result;
use crate::traits::{Embedder, ModelIdentity};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// Passages that are embedded before the thread checks for interactive requests.
const BULK_STEP: usize = 32;

/// A handle to the embedder's thread. Clones share it. The thread ends with the last of them.
#[derive(Clone)]
pub struct EmbedderService {
    queue: Arc<CloseOnDrop<EmbeddingJob>>,
    embedder: Arc<dyn Embedder>,
}

/// Background work is paused until this is dropped.
pub struct ForegroundGuard(Arc<CloseOnDrop<EmbeddingJob>>);

impl Drop for ForegroundGuard {
    fn drop(&mut self) {
        self.0.0.resume_bulk();
    }
}

struct EmbeddingJob {
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
            queue: Arc::new(CloseOnDrop(queue)),
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

    /// See [`Embedder::max_tokens`].
    pub fn max_tokens(&self) -> usize {
        self.embedder.max_tokens()
    }

    /// Counts a passage's tokens on the caller's thread; see [`Embedder::count_tokens`].
    pub fn count_tokens(&self, text: &str) -> usize {
        let prefix = self.embedder.prefixes().passage;
        self.embedder.count_tokens(&format!("{prefix}{text}"))
    }

    /// Pauses background work until the returned guard is dropped, so that an interactive request
    /// gets the CPU. Background work still gets an occasional turn.
    #[must_use]
    pub fn pause_background(&self) -> ForegroundGuard {
        self.queue.0.pause_bulk();
        ForegroundGuard(Arc::clone(&self.queue))
    }

    /// The vector of a question, ahead of all background work.
    pub async fn embed_question(&self, text: String) -> Result<Vec<f32>> {
        let text = self.embedder.prefixes().question + &text;
        let vectors = self.submit(Lane::Urgent, vec![text]).await?;
        vectors.into_iter().next().ok_or_else(thread_ended)
    }

    /// The vectors of sentences that an interactive request needs, ahead of all background work.
    pub async fn embed_sentences(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.submit(Lane::Urgent, self.with_passage_prefix(texts))
            .await
    }

    /// The vectors of passages, as background work.
    pub async fn embed_passages(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.submit(Lane::Bulk, self.with_passage_prefix(texts))
            .await
    }

    fn with_passage_prefix(&self, texts: Vec<String>) -> Vec<String> {
        let prefix = self.embedder.prefixes().passage;
        if prefix.is_empty() {
            return texts;
        }
        texts.iter().map(|text| format!("{prefix}{text}")).collect()
    }

    async fn submit(&self, lane: Lane, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let (reply, answer) = oneshot::channel();
        let vectors = Vec::with_capacity(texts.len());
        let job = EmbeddingJob {
            texts,
            vectors,
            reply,
        };
        self.queue.0.push(lane, job)?;
        answer.await.unwrap_or_else(|_closed| Err(thread_ended()))
    }
}

fn run(queue: &Queue<EmbeddingJob>, model: &dyn Embedder) {
    while let Some((lane, mut job)) = queue.next() {
        if job.reply.is_closed() {
            continue;
        }
        let started = Instant::now();
        let step = match lane {
            Lane::Urgent => job.texts.len(),
            Lane::Bulk => BULK_STEP,
        };
        let remaining = job.texts.iter().skip(job.vectors.len()).take(step);
        let texts: Vec<&str> = remaining.map(String::as_str).collect();
        let outcome = catch_panic(|| model.embed(&texts));
        queue.record_duration(started.elapsed());
        match outcome {
            Ok(vectors) => job.vectors.extend(vectors),
            Err(error) => {
                // A caller that has gone needs no answer.
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
