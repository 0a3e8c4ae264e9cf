//! Rotary position embeddings (Su et al. 2021), and their scaling to a longer context.

/// Which elements of a head are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RopeLayout {
    /// Neighbours: the order of llama models in GGUF.
    Interleaved,
    /// Element `i` of the first half and element `i` of the second half (`NeoX`): all other families.
    HalfSplit,
}

/// How the angles of the trained context are scaled to a longer one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RopeScaling {
    None,
    /// Divides every position (Chen et al. 2023).
    Linear(f32),
    /// `YaRN` (Peng et al. 2023): divides low frequencies, keeps high ones.
    Yarn {
        factor: f32,
        /// The context that the model was trained on.
        original_context: f32,
        /// Rotations over the original context above which a frequency is kept.
        beta_fast: f32,
        /// Rotations over the original context below which a frequency is divided.
        beta_slow: f32,
    },
}

/// The parameters of a [`RotaryEmbedding`].
#[derive(Clone, Debug)]
pub(crate) struct RopeParameters {
    pub head_dim: usize,
    /// Elements of a head that are rotated.
    pub rotary_dim: usize,
    pub theta: f32,
    pub layout: RopeLayout,
    pub scaling: RopeScaling,
    /// Divides the frequency of each pair (llama 3, phi 3); empty if there are none.
    pub frequency_factors: Vec<f32>,
    /// Multiplies cosines and sines.
    pub attention_factor: f32,
}

/// The cosines and sines of every position of the context.
pub(crate) struct RotaryEmbedding {
    cos_sin: Vec<(f32, f32)>,
    head_dim: usize,
    rotary_dim: usize,
    layout: RopeLayout,
}

impl RopeParameters {
    /// The angle between two positions for each pair, in radians.
    fn frequencies(&self) -> Vec<f64> {
        (0..self.rotary_dim / 2)
            .map(|pair| self.frequency(pair))
            .collect()
    }

    fn frequency(&self, pair: usize) -> f64 {
        let exponent = -2.0 * pair as f64 / self.rotary_dim as f64;
        let factor = self.frequency_factors.get(pair).copied().unwrap_or(1.0);
        let unscaled = f64::from(self.theta).powf(exponent) / f64::from(factor);
        match self.scaling {
            RopeScaling::None => unscaled,
            RopeScaling::Linear(factor) => unscaled / f64::from(factor),
            RopeScaling::Yarn { factor, .. } => {
                let divided = unscaled / f64::from(factor);
                let unscaled_share = self.yarn_unscaled_share(pair);
                unscaled * unscaled_share + divided * (1.0 - unscaled_share)
            }
        }
    }

    /// The share of a pair's own frequency that `YaRN` keeps, from 0 to 1.
    fn yarn_unscaled_share(&self, pair: usize) -> f64 {
        let RopeScaling::Yarn {
            original_context,
            beta_fast,
            beta_slow,
            ..
        } = self.scaling
        else {
            return 1.0;
        };
        let last = self.rotary_dim as f64 - 1.0;
        let low = self.pair_of_rotations(original_context, beta_fast);
        let high = self.pair_of_rotations(original_context, beta_slow);
        let (low, high) = (low.floor().max(0.0), high.ceil().min(last));
        let width = (high - low).max(0.001);
        1.0 - ((pair as f64 - low) / width).clamp(0.0, 1.0)
    }

    /// The pair that makes this many rotations over the original context.
    fn pair_of_rotations(&self, original_context: f32, rotations: f32) -> f64 {
        let ratio = f64::from(original_context) / (f64::from(rotations) * std::f64::consts::TAU);
        self.rotary_dim as f64 * ratio.ln() / (2.0 * f64::from(self.theta).ln())
    }
}

impl RotaryEmbedding {
    /// Precomputes `context` positions.
    pub(crate) fn new(parameters: &RopeParameters, context: usize) -> Self {
        let frequencies = parameters.frequencies();
        let factor = f64::from(parameters.attention_factor);
        let mut cos_sin = Vec::with_capacity(context * frequencies.len());
        for position in 0..context {
            for frequency in &frequencies {
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "a float of 32 bits is meant"
                )]
                cos_sin.push(((cos * factor) as f32, (sin * factor) as f32));
            }
        }
        Self {
            cos_sin,
            head_dim: parameters.head_dim,
            rotary_dim: parameters.rotary_dim,
            layout: parameters.layout,
        }
    }

    /// Cosines and sines, `[positions, rotary_dim / 2]`.
    pub(crate) fn cos_sin(&self) -> &[(f32, f32)] {
        &self.cos_sin
    }

    /// Elements of a head that are rotated.
    pub(crate) fn rotary_dim(&self) -> usize {
        self.rotary_dim
    }

    /// Which of them are rotated together.
    pub(crate) fn layout(&self) -> RopeLayout {
        self.layout
    }

    /// Rotates each head of `row` to `position`.
    pub(crate) fn rotate(&self, row: &mut [f32], position: usize) {
        let pairs = self.rotary_dim / 2;
        let start = (position * pairs).min(self.cos_sin.len());
        let (_, angles) = self.cos_sin.split_at(start);
        for head in row.chunks_exact_mut(self.head_dim) {
            match self.layout {
                RopeLayout::Interleaved => {
                    let (elements, _) = head.as_chunks_mut::<2>();
                    for ([x, y], angle) in elements.iter_mut().take(pairs).zip(angles) {
                        (*x, *y) = rotate_pair(*x, *y, *angle);
                    }
                }
                RopeLayout::HalfSplit => {
                    let (first, second) = head.split_at_mut(pairs);
                    for ((x, y), angle) in first.iter_mut().zip(second).zip(angles) {
                        (*x, *y) = rotate_pair(*x, *y, *angle);
                    }
                }
            }
        }
    }
}

fn rotate_pair(x: f32, y: f32, (cos, sin): (f32, f32)) -> (f32, f32) {
    (x * cos - y * sin, x * sin + y * cos)
}
