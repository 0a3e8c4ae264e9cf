use super::*;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use proptest::prelude::*;

/// Numbers that look like a model's, and differ with `seed`.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    (0..count).map(|_| next() * next() * 4.0).collect()
}

fn run(tiles: &Tiles, input: &Eights, instructions: Instructions, start: f32) -> Vec<f32> {
    let mut out = vec![start; input.count() * tiles.outputs()];
    let columns = Columns::of(&mut out, tiles.outputs());
    #[expect(unsafe_code, reason = "the target is made above")]
    // SAFETY: `out` has `count` rows of `outputs` elements, and `instructions` were found.
    unsafe {
        tiles.add_panels_with(instructions, input, 0..tiles.panels(), &columns);
    }
    out
}

fn found() -> Vec<Instructions> {
    let mut found = vec![Instructions::best()];
    #[cfg(target_arch = "x86_64")]
    if crate::kernels::has_256() {
        found.push(Instructions::Avx2);
    }
    found
}

fn same_bits(tiles: &Tiles, input: &Eights) {
    let scalar = run(tiles, input, Instructions::Scalar, 0.25);
    for instructions in found() {
        let vector = run(tiles, input, instructions, 0.25);
        let differs = vector
            .iter()
            .zip(&scalar)
            .position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(differs, None, "{instructions:?} {:?}", tiles.format);
    }
}

const FORMATS: [(Format, GgmlDType); 5] = [
    (Format::Q8_0, GgmlDType::Q8_0),
    (Format::Q4_0, GgmlDType::Q4_0),
    (Format::Q4_1, GgmlDType::Q4_1),
    (Format::Q4K, GgmlDType::Q4K),
    (Format::Q6K, GgmlDType::Q6K),
];

/// A matrix as candle stores it in this format.
fn stored(dtype: GgmlDType, outputs: usize, inputs: usize, seed: u32) -> QTensor {
    let values = noise(outputs * inputs, seed);
    let tensor = Tensor::from_vec(values, (outputs, inputs), &Device::Cpu).unwrap();
    QTensor::quantize(&tensor, dtype).unwrap()
}

/// A matrix that no model has: any bytes at all where they cannot make a scale infinite.
fn any_matrix(format: Format, dtype: GgmlDType, outputs: usize, inputs: usize, seed: u32) -> Tiles {
    let mut bytes = stored(dtype, outputs, inputs, seed)
        .data()
        .unwrap()
        .to_vec();
    let unit = dtype.type_size();
    let scales = match format {
        Format::Q8_0 | Format::Q4_0 => 0..2,
        Format::Q4_1 | Format::Q4K => 0..4,
        Format::Q6K => 208..210,
    };
    for (index, byte) in bytes.iter_mut().enumerate() {
        if !scales.contains(&(index % unit)) && index % 7 == 0 {
            *byte = [0x80, 0x7f, 0xff, 0x00][index % 4];
        }
    }
    Tiles::packed(format, &bytes, outputs, inputs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_kernel_gives_the_bits_of_the_scalar_one(
        rows in 1_usize..20, outputs in 1_usize..50, blocks in 1_usize..4, seed: u32,
    ) {
        for (format, dtype) in FORMATS {
            let inputs = blocks * format.together();
            let input = Eights::new(&noise(rows * inputs, seed), inputs);
            same_bits(&any_matrix(format, dtype, outputs, inputs, seed ^ 1), &input);
        }
    }

    #[test]
    fn a_row_has_the_same_bits_alone_and_among_others(
        rows in 2_usize..20, seed: u32,
    ) {
        let inputs = 96;
        let tiles = Tiles::rounded(&noise(40 * inputs, seed), inputs);
        let values = noise(rows * inputs, !seed);
        let mut together = vec![0.0; rows * 40];
        tiles.add_product(&Eights::new(&values, inputs), &mut together);
        for (row, expected) in values.chunks_exact(inputs).zip(together.chunks_exact(40)) {
            let mut alone = vec![0.0; 40];
            tiles.add_product(&Eights::new(row, inputs), &mut alone);
            prop_assert_eq!(alone.as_slice(), expected);
        }
    }
}

#[test]
fn a_rounded_product_is_near_the_exact_one() {
    let (rows, outputs, inputs) = (9, 33, 384);
    let (left, right) = (noise(rows * inputs, 1), noise(outputs * inputs, 2));
    let mut out = vec![0.0; rows * outputs];
    Tiles::rounded(&right, inputs).add_product(&Eights::new(&left, inputs), &mut out);
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
    let tiles = Tiles::rounded(&noise(16 * 32, 3), 32);
    let mut out = vec![0.0; 32];
    tiles.add_product(&Eights::new(&[0.0; 64], 32), &mut out);
    assert!(out.iter().all(|x| *x == 0.0));
}

#[test]
fn every_format_holds_what_the_file_held() {
    for (format, dtype) in FORMATS {
        let (outputs, inputs) = (37, 512);
        let matrix = stored(dtype, outputs, inputs, 5);
        let tiles = Tiles::packed(format, &matrix.data().unwrap(), outputs, inputs);
        let floats = matrix.dequantize(&Device::Cpu).unwrap();
        let expected: Vec<f32> = floats.flatten_all().unwrap().to_vec1().unwrap();
        let mut row = vec![0.0; inputs];
        for (index, expected) in expected.chunks_exact(inputs).enumerate() {
            tiles.row(index, &mut row);
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
fn every_format_multiplies_what_it_holds() {
    for (format, dtype) in FORMATS {
        let (rows, outputs, inputs) = (3, 37, 512);
        let matrix = stored(dtype, outputs, inputs, 6);
        let tiles = Tiles::packed(format, &matrix.data().unwrap(), outputs, inputs);
        let values = noise(rows * inputs, 7);
        let mut out = vec![0.0; rows * outputs];
        tiles.add_product(&Eights::new(&values, inputs), &mut out);
        let (mut weights, length) = (vec![0.0; inputs], |v: &[f32]| {
            v.iter().map(|x| x * x).sum::<f32>().sqrt()
        });
        for (row, x) in values.chunks_exact(inputs).enumerate() {
            for column in 0..outputs {
                tiles.row(column, &mut weights);
                let exact: f32 = x.iter().zip(&weights).map(|(a, b)| a * b).sum();
                let error = (out[row * outputs + column] - exact).abs();
                assert!(
                    error < 0.01 * length(x) * length(&weights),
                    "{format:?} {error}"
                );
            }
        }
    }
}
