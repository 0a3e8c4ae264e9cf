//! Grouped-query attention of a layer against the KV caches.

use super::forward::{Decoder, DecoderScratch, reset};
use super::layer::DecoderLayer;
use super::linear::{Input, add_products};
use crate::decoder::runtime::SequenceChunk;
use crate::error::Result;
use cloister_kernels::{KeyVisibility, attend_pages, float};
use parking_lot::Mutex;

/// Queries of one key head per task of a thread.
const QUERIES_PER_TASK: usize = 96;

/// The queries of one key head for a few tokens of one chunk: a unit of parallel work.
struct HeadTask<'a> {
    chunk: usize,
    kv_head: usize,
    /// The first of the tokens in the chunk.
    first_token: usize,
    queries: Vec<f32>,
    context: Mutex<&'a mut [f32]>,
}

impl Decoder {
    /// Adds the attention output of a layer to the states.
    pub(super) fn add_attention(
        &self,
        index: usize,
        layer: &DecoderLayer,
        states: &mut [f32],
        chunks: &mut [SequenceChunk<'_>],
        scratch: &mut DecoderScratch,
    ) -> Result<()> {
        let hidden_size = self.config.hidden_size;
        let query_width = self.config.query_width();
        let row_width = query_width + 2 * self.config.kv_width();
        let count = states.len() / hidden_size;
        self.normalize(states, &layer.attention_norm, scratch);
        match &layer.qkv_bias {
            Some(bias) => scratch.wide = bias.repeat(count),
            None => reset(&mut scratch.wide, count * row_width),
        }
        let input = Input::new(&scratch.normed, hidden_size, &scratch.quantized);
        add_products(&layer.qkv_proj, &input, &mut scratch.wide, &self.pool)?;
        self.rotate_and_cache((index, layer), &mut scratch.wide, chunks);
        reset(&mut scratch.context, count * query_width);
        self.attend(
            (index, layer.window),
            &scratch.wide,
            chunks,
            &mut scratch.context,
        );
        scratch.quantized.quantize(&scratch.context, query_width);
        let input = Input::new(&scratch.context, query_width, &scratch.quantized);
        self.add_branch(
            &layer.o_proj,
            &input,
            layer.attention_post_norm.as_deref(),
            states,
        )
    }

    /// Rotates queries and keys to their positions, scales the queries, and writes keys and values to
    /// the KV caches.
    fn rotate_and_cache(
        &self,
        (index, layer): (usize, &DecoderLayer),
        qkv: &mut [f32],
        chunks: &mut [SequenceChunk<'_>],
    ) {
        let (query_width, kv_width) = (self.config.query_width(), self.config.kv_width());
        let epsilon = self.config.rms_norm_eps;
        let scale = 1.0 / (self.config.head_dim as f32).sqrt();
        let mut rows = qkv.chunks_exact_mut(query_width + 2 * kv_width);
        for chunk in chunks {
            let first = chunk.cache.length();
            // The range comes first in the zip, so that its end takes no row of the next chunk.
            for (position, row) in (first..first + chunk.tokens.len()).zip(rows.by_ref()) {
                let (queries_and_key, value) = row.split_at_mut(query_width + kv_width);
                let (queries, key) = queries_and_key.split_at_mut(query_width);
                if let Some(norm) = &layer.qk_norm {
                    float::rms_norm_in_place(queries, &norm.query_weight, epsilon);
                    float::rms_norm_in_place(key, &norm.key_weight, epsilon);
                }
                layer.rope.rotate(queries, position);
                layer.rope.rotate(key, position);
                for query in queries {
                    *query *= scale;
                }
                chunk.cache.write(index, position, (key, value));
            }
        }
    }

    /// `[tokens, q + k + v]` to `[tokens, q]`, chunk by chunk.
    fn attend(
        &self,
        (layer, window): (usize, usize),
        qkv: &[f32],
        chunks: &[SequenceChunk<'_>],
        context: &mut [f32],
    ) {
        let head_dim = self.config.head_dim;
        let mut packed = vec![0.0; context.len()];
        let tasks = self.head_tasks(qkv, chunks, &mut packed);
        self.pool.run(tasks.len(), &|index| {
            let task = &tasks[index];
            let chunk = &chunks[task.chunk];
            let pages = chunk.cache.head_pages(layer, task.kv_head);
            let visibility = KeyVisibility {
                first: chunk.cache.length() + task.first_token,
                queries_per_position: self.config.queries_per_kv_head(),
                window,
            };
            let mut out = task.context.lock();
            attend_pages(&task.queries, head_dim, &pages, visibility, &mut out);
        });
        self.unpack_contexts(&tasks, chunks, context);
    }

    /// Divides attention into tasks, each with its queries and its part of `packed`.
    fn head_tasks<'a>(
        &self,
        qkv: &[f32],
        chunks: &[SequenceChunk<'_>],
        mut packed: &'a mut [f32],
    ) -> Vec<HeadTask<'a>> {
        let group_width = self.config.queries_per_kv_head() * self.config.head_dim;
        let row_width = self.config.query_width() + 2 * self.config.kv_width();
        let tokens_per_task = (QUERIES_PER_TASK * self.config.head_dim / group_width).max(1);
        let mut tasks = Vec::new();
        let mut rest = qkv;
        for (index, chunk) in chunks.iter().enumerate() {
            let (own, later) = rest.split_at(chunk.tokens.len() * row_width);
            // The last tokens see the most keys. They go first, so that no thread ends with them.
            for (part, rows) in own.chunks(tokens_per_task * row_width).enumerate().rev() {
                for kv_head in 0..self.config.num_kv_heads {
                    let columns = kv_head * group_width..(kv_head + 1) * group_width;
                    let mut queries = Vec::with_capacity(rows.len() / row_width * group_width);
                    for row in rows.chunks_exact(row_width) {
                        queries.extend_from_slice(&row[columns.clone()]);
                    }
                    let (context, others) = packed.split_at_mut(queries.len());
                    packed = others;
                    tasks.push(HeadTask {
                        chunk: index,
                        kv_head,
                        first_token: part * tokens_per_task,
                        queries,
                        context: Mutex::new(context),
                    });
                }
            }
            rest = later;
        }
        tasks
    }

    /// Copies the results of the tasks to their rows and columns of `context`, `[tokens, q]`.
    fn unpack_contexts(
        &self,
        tasks: &[HeadTask<'_>],
        chunks: &[SequenceChunk<'_>],
        context: &mut [f32],
    ) {
        let query_width = self.config.query_width();
        let group_width = self.config.queries_per_kv_head() * self.config.head_dim;
        let mut starts = Vec::with_capacity(chunks.len());
        let mut end = 0;
        for chunk in chunks {
            starts.push(end);
            end += chunk.tokens.len();
        }
        for task in tasks {
            let first_row = starts[task.chunk] + task.first_token;
            let first_column = task.kv_head * group_width;
            let found = task.context.lock();
            let rows = context.chunks_exact_mut(query_width).skip(first_row);
            for (row, found) in rows.zip(found.chunks_exact(group_width)) {
                row[first_column..first_column + group_width].copy_from_slice(found);
            }
        }
    }
}
