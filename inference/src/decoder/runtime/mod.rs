//! Serves requests: batching, KV cache, prefix cache, sampling, speculation, and the memory plan.

mod kv_cache;
mod memory_plan;
mod prefix_cache;
mod sampler;
mod scheduler;
mod sequence;
mod speculation;

pub(super) use kv_cache::{KvCache, KvPagePool, SequenceChunk};
pub(crate) use memory_plan::MAX_BATCH;
pub(super) use memory_plan::{DEFAULT_MAX_CONTEXT, MIN_CONTEXT, available_memory};
pub use memory_plan::{LoadOptions, MemoryPlan};
pub(super) use memory_plan::{SCORING_PAGES, plan_memory};
pub(super) use prefix_cache::PrefixCache;
pub(super) use sampler::{NextToken, Sampler};
pub(super) use scheduler::SingleRequest;
pub(super) use sequence::SentText;
