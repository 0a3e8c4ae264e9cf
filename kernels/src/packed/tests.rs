use super::*;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use proptest::prelude::*;

/// Numbers that look like a model's weights and depend on `seed`.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    (0..count).map(|_| next() * next() * 4.0).collect()
}

fn run(
    weights: &PackedWeights,
    input: &ActivationsQ8,
    instructions: InstructionSet,
    start: f32,
) -> Vec<f32> {
    let mut out = vec![start; input.count() * weights.outputs()];
    let columns = OutputColumns::new(&mut out, weights.outputs());
    #[expect(unsafe_code, reason = "the target is made above")]
    // SAFETY: `out` has `count` rows of `outputs` elements, and `instructions` were detected.
    unsafe {
        weights.add_panels_with(instructions, input, 0..weights.panels(), &columns);
    }
    out
}

fn available() -> Vec<InstructionSet> {
    let mut available = vec![InstructionSet::detect()];
    #[cfg(target_arch = "x86_64")]
    if crate::simd::has_avx2() {
        available.push(InstructionSet::Avx2);
    }
    available
}

fn check_same_bits(weights: &PackedWeights, input: &ActivationsQ8) {
    let scalar = run(weights, input, InstructionSet::Scalar, 0.25);
    for instructions in available() {
        let vector = run(weights, input, instructions, 0.25);
        let differs = vector
            .iter()
            .zip(&scalar)
            .position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(differs, None, "{instructions:?} {:?}", weights.format);
    }
}

const FORMATS: [(BlockFormat, GgmlDType); 5] = [
    (BlockFormat::Q8_0, GgmlDType::Q8_0),
    (BlockFormat::Q4_0, GgmlDType::Q4_0),
    (BlockFormat::Q4_1, GgmlDType::Q4_1),
    (BlockFormat::Q4K, GgmlDType::Q4K),
    (BlockFormat::Q6K, GgmlDType::Q6K),
];

/// A matrix that candle quantised to this format.
fn stored(dtype: GgmlDType, outputs: usize, inputs: usize, seed: u32) -> QTensor {
    let values = noise(outputs * inputs, seed);
    let tensor = Tensor::from_vec(values, (outputs, inputs), &Device::Cpu).unwrap();
    QTensor::quantize(&tensor, dtype).unwrap()
}

/// A matrix that no model has: extreme bytes everywhere except in the float scales.
fn any_matrix(
    format: BlockFormat,
    dtype: GgmlDType,
    outputs: usize,
    inputs: usize,
    seed: u32,
) -> PackedWeights {
    let mut bytes = stored(dtype, outputs, inputs, seed)
        .data()
        .unwrap()
        .to_vec();
    let unit = dtype.type_size();
    let scales = match format {
        BlockFormat::Q8_0 | BlockFormat::Q4_0 => 0..2,
        BlockFormat::Q4_1 | BlockFormat::Q4K => 0..4,
        BlockFormat::Q6K => 208..210,
    };
    for (index, byte) in bytes.iter_mut().enumerate() {
        if !scales.contains(&(index % unit)) && index % 7 == 0 {
            *byte = [0x80, 0x7f, 0xff, 0x00][index % 4];
        }
    }
    PackedWeights::from_gguf(format, &bytes, outputs, inputs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_kernel_gives_the_bits_of_the_scalar_kernel(
        rows in 1_usize..20, outputs in 1_usize..50, blocks in 1_usize..4, seed: u32,
    ) {
        for (format, dtype) in FORMATS {
            let inputs = blocks * format.stored_block_inputs();
            let input = ActivationsQ8::new(&noise(rows * inputs, seed), inputs);
            check_same_bits(&any_matrix(format, dtype, outputs, inputs, seed ^ 1), &input);
        }
    }

    #[test]
    fn a_row_has_the_same_bits_alone_and_in_a_batch(
        rows in 2_usize..20, seed: u32,
    ) {
        let inputs = 96;
        let weights = PackedWeights::quantize_q8_0(&noise(40 * inputs, seed), inputs);
        let values = noise(rows * inputs, !seed);
        let mut together = vec![0.0; rows * 40];
        weights.add_product(&ActivationsQ8::new(&values, inputs), &mut together);
        for (row, expected) in values.chunks_exact(inputs).zip(together.chunks_exact(40)) {
            let mut alone = vec![0.0; 40];
            weights.add_product(&ActivationsQ8::new(row, inputs), &mut alone);
            prop_assert_eq!(alone.as_slice(), expected);
        }
    }
}

#[test]
fn a_quantized_product_is_close_to_the_exact_one() {
    let (rows, outputs, inputs) = (9, 33, 384);
    let (left, right) = (noise(rows * inputs, 1), noise(outputs * inputs, 2));
    let mut out = vec![0.0; rows * outputs];
    PackedWeights::quantize_q8_0(&right, inputs)
        .add_product(&ActivationsQ8::new(&left, inputs), &mut out);
    let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
    for (row, x) in left.chunks_exact(inputs).enumerate() {
        for (column, w) in right.chunks_exact(inputs).enumerate() {
            let exact: f32 = x.iter().zip(w).map(|(a, b)| a * b).sum();
            let error = (out[row * outputs + column] - exact).abs();
            assert!(error < 0.01 * length(x) * length(w), "{error}");
        }
    }
}

#[test]
fn rows_of_zeros_stay_zeros() {
    let weights = PackedWeights::quantize_q8_0(&noise(16 * 32, 3), 32);
    let mut out = vec![0.0; 32];
    weights.add_product(&ActivationsQ8::new(&[0.0; 64], 32), &mut out);
    assert!(out.iter().all(|x| *x == 0.0));
}

#[test]
fn every_format_dequantizes_to_the_stored_values() {
    for (format, dtype) in FORMATS {
        let (outputs, inputs) = (37, 512);
        let matrix = stored(dtype, outputs, inputs, 5);
        let weights = PackedWeights::from_gguf(format, &matrix.data().unwrap(), outputs, inputs);
        let floats = matrix.dequantize(&Device::Cpu).unwrap();
        let expected: Vec<f32> = floats.flatten_all().unwrap().to_vec1().unwrap();
        let mut row = vec![0.0; inputs];
        for (index, expected) in expected.chunks_exact(inputs).enumerate() {
            weights.dequantize_row(index, &mut row);
            for (found, expected) in row.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{format:?} {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn every_format_multiplies_its_dequantized_values() {
    for (format, dtype) in FORMATS {
        let (rows, outputs, inputs) = (3, 37, 512);
        let matrix = stored(dtype, outputs, inputs, 6);
        let weights = PackedWeights::from_gguf(format, &matrix.data().unwrap(), outputs, inputs);
        let values = noise(rows * inputs, 7);
        let mut out = vec![0.0; rows * outputs];
        weights.add_product(&ActivationsQ8::new(&values, inputs), &mut out);
        let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
        let mut output_weights = vec![0.0; inputs];
        for (row, x) in values.chunks_exact(inputs).enumerate() {
            for column in 0..outputs {
                weights.dequantize_row(column, &mut output_weights);
                let exact: f32 = x.iter().zip(&output_weights).map(|(a, b)| a * b).sum();
                let error = (out[row * outputs + column] - exact).abs();
                assert!(
                    error < 0.01 * length(x) * length(&output_weights),
                    "{format:?} {error}"
                );
            }
        }
    }
}
