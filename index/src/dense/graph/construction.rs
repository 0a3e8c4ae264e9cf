//! The construction of a graph by `hnsw_rs`. Its points are row numbers, and its distance reads the codes
//! of the segment, so that no code is copied.

use super::{DEGREE, Graph, links};
use crate::dense::Segment;
use anndists::dist::distances::Distance;
use hnsw_rs::hnsw::Hnsw;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Connections of a point in each upper layer: the paper's M.
const CONNECTIONS: usize = DEGREE / 2;

/// Candidates for the neighbours of a new point: the paper's `efConstruction`.
const CANDIDATES: usize = 200;

/// The maximum of layers.
const LAYERS: usize = 16;

/// Points that are inserted one by one, because concurrent first points do not find each other.
const SEQUENTIAL_POINTS: usize = 64;

/// Points that are inserted between two checks whether the index closes.
const INSERT_BATCH: usize = 512;

/// Walks start at the points of this layer and above: one of 256 points.
const ENTRY_LAYER: usize = 2;

/// The minimum of entries. If a layer and those above it have fewer points, the next lower one is used.
const MIN_ENTRIES: usize = 32;

/// The scheduling priority of the threads that build graphs. Searches have 0, which is higher.
const NICE: i32 = 10;

/// A cosine can be slightly greater than 1 by its codes, and `hnsw_rs` refuses negative distances.
const MAX_COSINE: f32 = 1.05;

/// The result of a construction.
pub(crate) enum BuildOutcome {
    Built(Graph),
    /// The index is closing.
    Interrupted,
    /// Why the construction failed.
    Failed(String),
}

/// The distance of two rows by their int8 codes.
struct CodeDistance<'a> {
    segment: &'a Segment,
}

impl Distance<u32> for CodeDistance<'_> {
    fn eval(&self, a: &[u32], b: &[u32]) -> f32 {
        let [a, b] = [a, b].map(|row| row.first().map_or(0, |row| *row as usize));
        (MAX_COSINE - self.segment.cosine(a, b)).max(0.0)
    }
}

/// Builds the graph of all rows of a segment, on all cores at a low priority.
pub(crate) fn build(segment: &Segment, is_closing: &AtomicBool) -> BuildOutcome {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = ThreadPoolBuilder::new()
        .num_threads(cores)
        .thread_name(|number| format!("graph-{number}"))
        .start_handler(|_| lower_priority())
        .build();
    let pool = match pool {
        Ok(pool) => pool,
        Err(error) => return BuildOutcome::Failed(format!("no threads: {error}")),
    };
    // `hnsw_rs` asserts its own invariants. A failed construction must not end the maintenance.
    let built = catch_unwind(AssertUnwindSafe(|| build_on(&pool, segment, is_closing)));
    built.unwrap_or_else(|_panic| BuildOutcome::Failed("the construction panicked".into()))
}

fn lower_priority() {
    // If this fails, searches during the construction are slower.
    let _ = rustix::process::setpriority_process(None, NICE);
}

fn build_on(pool: &ThreadPool, segment: &Segment, is_closing: &AtomicBool) -> BuildOutcome {
    let order = insertion_order(segment.rows());
    let layers = LAYERS;
    let distance = CodeDistance { segment };
    let hnsw = Hnsw::<u32, _>::new(CONNECTIONS, order.len(), layers, CANDIDATES, distance);
    let points: Vec<(&[u32], usize)> = order
        .iter()
        .map(|row| (std::slice::from_ref(row), *row as usize))
        .collect();
    let (first, rest) = points.split_at(points.len().min(SEQUENTIAL_POINTS));
    for point in first {
        hnsw.insert_slice(*point);
    }
    for batch in rest.chunks(INSERT_BATCH) {
        if is_closing.load(Ordering::Relaxed) {
            return BuildOutcome::Interrupted;
        }
        let batch = batch.to_vec();
        pool.install(|| hnsw.parallel_insert_slice(&batch));
    }
    let lists = base_layer(&hnsw, segment.rows());
    let entries = entries(&hnsw);
    pool.install(|| drop(hnsw));
    let neighbours = pool.install(|| links::select(segment, &lists));
    match Graph::new(neighbours, entries) {
        Some(graph) => BuildOutcome::Built(graph),
        None => BuildOutcome::Failed("it has links to rows that do not exist".into()),
    }
}

/// All rows, so that adjacent passages, which are near each other, are not inserted together: the first
/// points are from all of the segment, and their long links lead everywhere.
fn insertion_order(rows: usize) -> Vec<u32> {
    // The golden ratio spreads every prefix of the order evenly.
    let stride = (0..).map(|offset| rows * 618_034 / 1_000_000 + 1 + offset);
    let stride = stride
        .take(rows.max(1))
        .find(|stride| greatest_common_divisor(*stride, rows) == 1);
    let stride = stride.unwrap_or(1);
    let rows_in_order = (0..rows).map(|place| place * stride % rows);
    rows_in_order
        .filter_map(|row| u32::try_from(row).ok())
        .collect()
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// The neighbours of each row in the lowest layer, the nearest first.
fn base_layer(hnsw: &Hnsw<'_, u32, CodeDistance<'_>>, rows: usize) -> Vec<Vec<u32>> {
    let points = hnsw.get_point_indexation();
    let mut lists = vec![Vec::new(); rows];
    for layer in 0..=usize::from(hnsw.get_max_level_observed()) {
        for point in points.get_layer_iterator(layer) {
            let neighbours = point.get_neighborhood_id();
            let neighbours = neighbours.first().into_iter().flatten();
            let ids = neighbours.filter_map(|neighbour| u32::try_from(neighbour.d_id).ok());
            if let Some(list) = lists.get_mut(point.get_origin_id()) {
                list.extend(ids);
            }
        }
    }
    lists
}

/// The points of the upper layers.
fn entries(hnsw: &Hnsw<'_, u32, CodeDistance<'_>>) -> Vec<usize> {
    let points = hnsw.get_point_indexation();
    let mut entries = Vec::new();
    for layer in (0..=usize::from(hnsw.get_max_level_observed())).rev() {
        if layer < ENTRY_LAYER && entries.len() >= MIN_ENTRIES {
            break;
        }
        entries.extend(
            points
                .get_layer_iterator(layer)
                .map(|point| point.get_origin_id()),
        );
    }
    entries.sort_unstable();
    entries
}
