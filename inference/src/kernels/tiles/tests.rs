use super::*;
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

/// Bytes of any matrix in this format, hostile ones included, with scales that are numbers.
fn any_matrix(format: Format, outputs: usize, inputs: usize, seed: u32) -> Tiles {
    let values = noise(outputs * inputs, seed);
    let mut stored = vec![0; values.len() / BLOCK * 34];
    crate::kernels::quantise_q8_0(&values, &mut stored);
    for (index, byte) in stored.iter_mut().enumerate() {
        // Every byte that is no scale may hold anything, −128 too.
        if index % 34 >= 2 && index % 7 == 0 {
            *byte = if index % 2 == 0 { 0x80 } else { 0x7f };
        }
    }
    Tiles::packed(format, &stored, outputs, inputs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_kernel_gives_the_bits_of_the_scalar_one(
        rows in 1_usize..20, outputs in 1_usize..50, blocks in 1_usize..7, seed: u32,
    ) {
        let inputs = blocks * BLOCK;
        let input = Eights::new(&noise(rows * inputs, seed), inputs);
        same_bits(&any_matrix(Format::Q8_0, outputs, inputs, seed ^ 1), &input);
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
