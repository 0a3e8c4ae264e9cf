//! Compares the layers on a GPU with those on the CPU. On machines without a GPU, candle's CPU device
//! stands for one: the same tensors, other kernels.

use super::*;
use crate::decoder::gpu::{self, Gpu};
use candle_core::Device;

const FAMILIES: [&str; 10] = [
    "llama",
    "llama3",
    "llama-linear",
    "mistral",
    "qwen2",
    "qwen2-yarn",
    "qwen3",
    "phi3",
    "phi3-longrope",
    "gemma3",
];

/// A model with as many layers on a GPU as fit into `memory`.
fn open_on_gpu(path: &Path, precision: Precision, memory: u64) -> GgufGenerator {
    let device = gpu::find_gpu().map_or(Device::Cpu, |gpu| gpu.device);
    let free = u64::MAX;
    let options = LoadOptions {
        precision,
        gpu_memory: Some(memory),
        ..LoadOptions::default()
    };
    let manifest = ModelManifest::for_gguf_file(path).unwrap();
    let dir = path.parent().unwrap();
    GgufGenerator::open_on(dir, manifest, &options, Some(&Gpu { device, free })).unwrap()
}

fn open_on_cpu(path: &Path, precision: Precision) -> GgufGenerator {
    let options = LoadOptions {
        precision,
        ..LoadOptions::default()
    };
    let manifest = ModelManifest::for_gguf_file(path).unwrap();
    GgufGenerator::open_on(path.parent().unwrap(), manifest, &options, None).unwrap()
}

/// The GPU memory for all layers, and for all but the last.
fn memories(path: &Path, precision: Precision) -> [u64; 2] {
    let options = LoadOptions {
        precision,
        gpu_memory: Some(1 << 50),
        ..LoadOptions::default()
    };
    let plan = GgufGenerator::plan(path, &options).unwrap();
    let all = (768 << 20) + plan.gpu_weights + plan.gpu_kv_cache;
    [all, all - 1]
}

fn family(name: &str) -> PathBuf {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/families");
    PathBuf::from(golden).join(format!("{name}.gguf"))
}

/// The largest difference of two states, relative to the length of the expected one.
fn max_difference(found: &[f32], expected: &[f32], width: usize) -> f32 {
    assert_eq!(found.len(), expected.len());
    let states = found.chunks_exact(width).zip(expected.chunks_exact(width));
    let differences = states.map(|(a, b)| {
        let length = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>().sqrt();
        let difference = length(&mut a.iter().zip(b).map(|(a, b)| a - b));
        difference / length(&mut b.iter().copied())
    });
    differences.fold(
        0.0,
        |max, one| {
            if one > max || one.is_nan() { one } else { max }
        },
    )
}

fn states(model: &GgufGenerator, tokens: &[u32], cache: &mut KvCache) -> Vec<f32> {
    model
        .decoder
        .forward(&mut [SequenceChunk { tokens, cache }])
        .unwrap()
}

#[test]
fn every_family_has_the_same_states_on_a_gpu() {
    for name in FAMILIES {
        let path = family(name);
        for (precision, tolerance) in [(Precision::F32, 1e-4), (Precision::Int8, 0.2)] {
            let cpu = open_on_cpu(&path, precision);
            let tokens: Vec<u32> = (0..100).map(|i| i * 7 % 90 + 3).collect();
            let expected = states(&cpu, &tokens, &mut KvCache::new(&cpu.kv_pages));
            for memory in memories(&path, precision) {
                let model = open_on_gpu(&path, precision, memory);
                assert!(model.decoder.gpu.is_some());
                let cache = &mut KvCache::new(&model.kv_pages);
                let (first, second) = tokens.split_at(70);
                let mut found = states(&model, first, cache);
                found.extend(states(&model, second, cache));
                let difference =
                    max_difference(&found, &expected, model.decoder.config.hidden_size);
                assert!(
                    difference < tolerance,
                    "{name} {precision:?} with {memory}: {difference}"
                );
            }
        }
    }
}

#[test]
fn sequences_on_a_gpu_join_leave_and_share_pages() {
    let path = family("qwen3");
    let cpu = open_on_cpu(&path, Precision::F32);
    let width = cpu.decoder.config.hidden_size;
    let texts: Vec<Vec<u32>> = (0..4_u32)
        .map(|text| {
            (0..90)
                .map(|i| if i < 70 { i % 80 + 5 } else { i % 60 + text })
                .collect()
        })
        .collect();
    let alone = |text: &Vec<u32>| states(&cpu, text, &mut KvCache::new(&cpu.kv_pages));
    let expected: Vec<Vec<f32>> = texts.iter().map(alone).collect();
    for memory in memories(&path, Precision::F32) {
        let model = open_on_gpu(&path, Precision::F32, memory);
        let mut common = KvCache::new(&model.kv_pages);
        states(&model, &texts[0][..70], &mut common);
        let mut caches: Vec<KvCache> = texts.iter().map(|_| common.clone()).collect();
        let mut done = [70; 4];
        // In each step some take several tokens, some one, and some none.
        for takes in [[1, 3, 1, 0], [5, 1, 1, 1], [2, 0, 2, 9], [12, 16, 16, 10]] {
            let mut chunks = Vec::new();
            let mut wanted: Vec<f32> = Vec::new();
            for (index, cache) in caches.iter_mut().enumerate() {
                let taken = done[index]..done[index] + takes[index];
                if takes[index] > 0 {
                    wanted.extend(&expected[index][taken.start * width..taken.end * width]);
                    done[index] = taken.end;
                    let tokens = &texts[index][taken];
                    chunks.push(SequenceChunk { tokens, cache });
                }
            }
            let found = model.decoder.forward(&mut chunks).unwrap();
            let difference = max_difference(&found, &wanted, width);
            assert!(difference < 1e-4, "{takes:?} with {memory}: {difference}");
        }
        assert_eq!(done, [90; 4]);
    }
}

#[test]
fn old_values_in_gpu_pages_do_not_affect_other_sequences() {
    let path = family("gemma3");
    let [all, _] = memories(&path, Precision::F32);
    let model = open_on_gpu(&path, Precision::F32, all);
    let tokens: Vec<u32> = (5..80).collect();
    let texts = [&tokens[..9], &tokens[..70], &tokens[..9]];
    let read = || -> Vec<f32> {
        let mut caches = texts.map(|_| KvCache::new(&model.kv_pages));
        let caches = caches.iter_mut();
        let chunk = |(tokens, cache)| SequenceChunk { tokens, cache };
        let mut chunks: Vec<SequenceChunk<'_>> = texts.into_iter().zip(caches).map(chunk).collect();
        let mut found = model.decoder.forward(&mut chunks).unwrap();
        for chunk in &mut chunks {
            chunk.tokens = &tokens[70..];
        }
        found.extend(model.decoder.forward(&mut chunks).unwrap());
        found
    };
    let expected = read();
    let pages = KvCache::new(&model.kv_pages).gpu_pages().unwrap();
    pages.fill(f32::NAN).unwrap();
    assert_eq!(read(), expected);
}
