//! Rotary positions (Su et al. 2021), in the interleaved order that GGUF's llama files use.

/// The angles' cosines and sines for every position of the context.
pub(super) struct Rope {
    turns: Vec<(f32, f32)>,
    head_size: usize,
    turned: usize,
}

impl Rope {
    /// `turned` of a head's elements turn, with frequencies falling from 1 by powers of `base`;
    /// `factors`, one for each pair, slow them down (llama 3's long context).
    pub(super) fn new(
        head_size: usize,
        turned: usize,
        base: f32,
        factors: Option<&[f32]>,
        context: usize,
    ) -> Self {
        let pairs = turned / 2;
        let frequency = |pair: usize| {
            let exponent = -2.0 * pair as f64 / turned as f64;
            let factor = factors.and_then(|f| f.get(pair)).copied().unwrap_or(1.0);
            f64::from(base).powf(exponent) / f64::from(factor)
        };
        let frequencies: Vec<f64> = (0..pairs).map(frequency).collect();
        let turns = (0..context)
            .flat_map(|position| {
                frequencies.iter().map(move |frequency| {
                    let (sin, cos) = (position as f64 * frequency).sin_cos();
                    #[expect(clippy::cast_possible_truncation, reason = "within -1 and 1")]
                    (cos as f32, sin as f32)
                })
            })
            .collect();
        Self {
            turns,
            head_size,
            turned,
        }
    }

    /// Turns each head of `row` to `position`.
    pub(super) fn turn(&self, row: &mut [f32], position: usize) {
        let pairs = self.turned / 2;
        let start = (position * pairs).min(self.turns.len());
        let (_, turns) = self.turns.split_at(start);
        for head in row.chunks_exact_mut(self.head_size) {
            let (couples, _) = head.as_chunks_mut::<2>();
            for ([x, y], (cos, sin)) in couples.iter_mut().take(pairs).zip(turns) {
                (*x, *y) = (*x * cos - *y * sin, *x * sin + *y * cos);
            }
        }
    }
}
