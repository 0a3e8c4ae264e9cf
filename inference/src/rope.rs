//! Rotary positions (Su et al. 2021), and the ways to stretch them over a longer context.

/// Which elements of a head turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// Neighbours: the order of GGUF's llama files.
    Neighbours,
    /// One of the first half with one of the second: that of the others.
    Halves,
}

/// How the angles of a long context are made from those of the one that was learnt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stretch {
    /// As they are.
    None,
    /// Every position divided (Chen et al. 2023).
    Linear(f32),
    /// `YaRN` (Peng et al. 2023): slow turns divided, fast ones kept.
    Yarn {
        factor: f32,
        /// The context that was learnt.
        learnt: f32,
        /// Turns over that context above which a pair is kept, and below which it is divided.
        fast: f32,
        slow: f32,
    },
}

/// What the angles follow from.
#[derive(Clone, Debug)]
pub(crate) struct Turning {
    pub head_size: usize,
    /// Elements of a head that turn.
    pub turned: usize,
    pub base: f32,
    pub pairs: Pairs,
    pub stretch: Stretch,
    /// Divides the frequency of each pair (llama 3, phi 3); empty where there are none.
    pub factors: Vec<f32>,
    /// What cosines and sines are multiplied with.
    pub magnitude: f32,
}

/// The angles' cosines and sines for every position of the context.
pub(crate) struct Rope {
    turns: Vec<(f32, f32)>,
    head_size: usize,
    turned: usize,
    pairs: Pairs,
}

impl Turning {
    /// Radians that each pair turns from one position to the next.
    fn frequencies(&self) -> Vec<f64> {
        let frequency = |pair: usize| {
            let exponent = -2.0 * pair as f64 / self.turned as f64;
            let factor = self.factors.get(pair).copied().unwrap_or(1.0);
            let own = f64::from(self.base).powf(exponent) / f64::from(factor);
            match self.stretch {
                Stretch::None => own,
                Stretch::Linear(factor) => own / f64::from(factor),
                Stretch::Yarn { factor, .. } => {
                    let divided = own / f64::from(factor);
                    let kept = self.kept(pair);
                    own * kept + divided * (1.0 - kept)
                }
            }
        };
        (0..self.turned / 2).map(frequency).collect()
    }

    /// How much of a pair's own frequency `YaRN` keeps, from 0 to 1.
    fn kept(&self, pair: usize) -> f64 {
        let Stretch::Yarn {
            learnt, fast, slow, ..
        } = self.stretch
        else {
            return 1.0;
        };
        // The pair that makes so many turns over the context that was learnt.
        let pair_of = |turns: f32| {
            let ratio = f64::from(learnt) / (f64::from(turns) * std::f64::consts::TAU);
            self.turned as f64 * ratio.ln() / (2.0 * f64::from(self.base).ln())
        };
        let last = self.turned as f64 - 1.0;
        let low = pair_of(fast).floor().max(0.0);
        let high = pair_of(slow).ceil().min(last);
        let width = (high - low).max(0.001);
        1.0 - ((pair as f64 - low) / width).clamp(0.0, 1.0)
    }
}

impl Rope {
    pub(crate) fn new(turning: &Turning, context: usize) -> Self {
        let frequencies = turning.frequencies();
        let magnitude = f64::from(turning.magnitude);
        let turns = (0..context)
            .flat_map(|position| {
                frequencies.iter().map(move |frequency| {
                    let (sin, cos) = (position as f64 * frequency).sin_cos();
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "a float of 32 bits is meant"
                    )]
                    ((cos * magnitude) as f32, (sin * magnitude) as f32)
                })
            })
            .collect();
        Self {
            turns,
            head_size: turning.head_size,
            turned: turning.turned,
            pairs: turning.pairs,
        }
    }

    /// Cosines and sines, `[positions, turned / 2]`.
    pub(crate) fn turns(&self) -> &[(f32, f32)] {
        &self.turns
    }

    /// Elements of a head that turn.
    pub(crate) fn turned(&self) -> usize {
        self.turned
    }

    /// Which of them turn together.
    pub(crate) fn pairs(&self) -> Pairs {
        self.pairs
    }

    /// Turns each head of `row` to `position`.
    pub(crate) fn turn(&self, row: &mut [f32], position: usize) {
        let pairs = self.turned / 2;
        let start = (position * pairs).min(self.turns.len());
        let (_, turns) = self.turns.split_at(start);
        for head in row.chunks_exact_mut(self.head_size) {
            match self.pairs {
                Pairs::Neighbours => {
                    let (couples, _) = head.as_chunks_mut::<2>();
                    for ([x, y], turn) in couples.iter_mut().take(pairs).zip(turns) {
                        (*x, *y) = turned(*x, *y, *turn);
                    }
                }
                Pairs::Halves => {
                    let (first, second) = head.split_at_mut(pairs);
                    for ((x, y), turn) in first.iter_mut().zip(second).zip(turns) {
                        (*x, *y) = turned(*x, *y, *turn);
                    }
                }
            }
        }
    }
}

fn turned(x: f32, y: f32, (cos, sin): (f32, f32)) -> (f32, f32) {
    (x * cos - y * sin, x * sin + y * cos)
}
