//! Layers on a GPU beside the same on the processor. Where this machine has no GPU, candle's own
//! processor stands for one: the same tensors, other kernels below them.

use super::*;
use candle_core::Device;
use gpu::Gpu;

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

/// The first layers of a model on a GPU, as many as `memory` holds.
fn placed(path: &Path, arithmetic: Arithmetic, memory: u64) -> LlamaGguf {
    let device = gpu::find().map_or(Device::Cpu, |gpu| gpu.device);
    let free = u64::MAX;
    let loading = Loading {
        arithmetic,
        gpu_memory: Some(memory),
        ..Loading::default()
    };
    let manifest = ModelManifest::of_unknown(path).unwrap();
    let dir = path.parent().unwrap();
    LlamaGguf::open_on(dir, manifest, &loading, Some(&Gpu { device, free })).unwrap()
}

fn on_processor(path: &Path, arithmetic: Arithmetic) -> LlamaGguf {
    let loading = Loading {
        arithmetic,
        ..Loading::default()
    };
    let manifest = ModelManifest::of_unknown(path).unwrap();
    LlamaGguf::open_on(path.parent().unwrap(), manifest, &loading, None).unwrap()
}

/// Memory for all layers, and for all but the last.
fn memories(path: &Path, arithmetic: Arithmetic) -> [u64; 2] {
    let loading = Loading {
        arithmetic,
        gpu_memory: Some(1 << 50),
        ..Loading::default()
    };
    let plan = LlamaGguf::plan(path, &loading).unwrap();
    let all = (768 << 20) + plan.gpu_weights + plan.gpu_keys_and_values;
    [all, all - 1]
}

fn family(name: &str) -> PathBuf {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/families");
    PathBuf::from(golden).join(format!("{name}.gguf"))
}

/// The largest difference, by the length of a state.
fn apart(found: &[f32], expected: &[f32], width: usize) -> f32 {
    assert_eq!(found.len(), expected.len());
    let states = found.chunks_exact(width).zip(expected.chunks_exact(width));
    let apart = states.map(|(a, b)| {
        let length = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>().sqrt();
        let difference = length(&mut a.iter().zip(b).map(|(a, b)| a - b));
        difference / length(&mut b.iter().copied())
    });
    apart.fold(0.0, |most, one| {
        if one > most || one.is_nan() {
            one
        } else {
            most
        }
    })
}

fn states(model: &LlamaGguf, tokens: &[u32], cache: &mut Cache) -> Vec<f32> {
    model
        .decoder
        .forward(&mut [Span { tokens, cache }])
        .unwrap()
}

#[test]
fn every_family_has_the_same_states_on_a_gpu() {
    for name in FAMILIES {
        let path = family(name);
        for (arithmetic, most) in [(Arithmetic::Exact, 1e-4), (Arithmetic::Fast, 0.2)] {
            let processor = on_processor(&path, arithmetic);
            let tokens: Vec<u32> = (0..100).map(|i| i * 7 % 90 + 3).collect();
            let expected = states(&processor, &tokens, &mut Cache::new(&processor.pages));
            for memory in memories(&path, arithmetic) {
                let model = placed(&path, arithmetic, memory);
                assert!(model.decoder.gpu.is_some());
                let cache = &mut Cache::new(&model.pages);
                let (first, second) = tokens.split_at(70);
                let mut found = states(&model, first, cache);
                found.extend(states(&model, second, cache));
                let apart = apart(&found, &expected, model.decoder.shape.width);
                assert!(apart < most, "{name} {arithmetic:?} with {memory}: {apart}");
            }
        }
    }
}

#[test]
fn on_a_gpu_sequences_come_and_go_and_share_what_they_have_in_common() {
    let path = family("qwen3");
    let processor = on_processor(&path, Arithmetic::Exact);
    let width = processor.decoder.shape.width;
    let texts: Vec<Vec<u32>> = (0..4_u32)
        .map(|text| {
            (0..90)
                .map(|i| if i < 70 { i % 80 + 5 } else { i % 60 + text })
                .collect()
        })
        .collect();
    let alone = |text: &Vec<u32>| states(&processor, text, &mut Cache::new(&processor.pages));
    let expected: Vec<Vec<f32>> = texts.iter().map(alone).collect();
    for memory in memories(&path, Arithmetic::Exact) {
        let model = placed(&path, Arithmetic::Exact, memory);
        let mut common = Cache::new(&model.pages);
        states(&model, &texts[0][..70], &mut common);
        let mut caches: Vec<Cache> = texts.iter().map(|_| common.clone()).collect();
        let mut done = [70; 4];
        // In each step some take several tokens, some one, and some none.
        for takes in [[1, 3, 1, 0], [5, 1, 1, 1], [2, 0, 2, 9], [12, 16, 16, 10]] {
            let mut spans = Vec::new();
            let mut wanted: Vec<f32> = Vec::new();
            for (index, cache) in caches.iter_mut().enumerate() {
                let taken = done[index]..done[index] + takes[index];
                if takes[index] > 0 {
                    wanted.extend(&expected[index][taken.start * width..taken.end * width]);
                    done[index] = taken.end;
                    let tokens = &texts[index][taken];
                    spans.push(Span { tokens, cache });
                }
            }
            let found = model.decoder.forward(&mut spans).unwrap();
            let apart = apart(&found, &wanted, width);
            assert!(apart < 1e-4, "{takes:?} with {memory}: {apart}");
        }
        assert_eq!(done, [90; 4]);
    }
}

#[test]
fn what_others_left_in_a_gpus_pages_is_not_even_multiplied() {
    let path = family("gemma3");
    let [all, _] = memories(&path, Arithmetic::Exact);
    let model = placed(&path, Arithmetic::Exact, all);
    let tokens: Vec<u32> = (5..80).collect();
    let texts = [&tokens[..9], &tokens[..70], &tokens[..9]];
    let read = || -> Vec<f32> {
        let mut caches = texts.map(|_| Cache::new(&model.pages));
        let caches = caches.iter_mut();
        let span = |(tokens, cache)| Span { tokens, cache };
        let mut spans: Vec<Span<'_>> = texts.into_iter().zip(caches).map(span).collect();
        let mut found = model.decoder.forward(&mut spans).unwrap();
        for span in &mut spans {
            span.tokens = &tokens[70..];
        }
        found.extend(model.decoder.forward(&mut spans).unwrap());
        found
    };
    let expected = read();
    let pages = Cache::new(&model.pages).on_gpu().unwrap();
    pages.fill(f32::NAN).unwrap();
    assert_eq!(read(), expected);
}
