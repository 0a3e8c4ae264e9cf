//! Which token comes next, from the scores of all.

use super::vocabulary::Vocabulary;
use crate::constraint::Constrained;
use crate::error::{InferenceError, Result};
use crate::generator::{GenerateRequest, Sampling};
use crate::kernels;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Token(u32),
    /// The text is finished.
    End,
}

/// Chooses the tokens of one text. What it chooses depends on the scores, the request and how
/// many tokens were written, and on nothing else.
pub(super) struct Chooser {
    sampling: Sampling,
    constrained: Option<Constrained>,
}

impl Chooser {
    pub(super) fn of(request: &GenerateRequest) -> Result<Self> {
        let constrained = request.constraint.as_ref().map(Constrained::new);
        Ok(Self {
            sampling: request.sampling,
            constrained: constrained.transpose()?,
        })
    }

    /// The token of number `place` in the text, from the scores of the whole vocabulary.
    pub(super) fn choose(
        &mut self,
        logits: &[f32],
        place: usize,
        vocabulary: &Vocabulary,
    ) -> Result<Choice> {
        let Some(constrained) = &mut self.constrained else {
            let token = pick(logits, self.sampling, place)?;
            let ends = vocabulary.ends.contains(&token);
            return Ok(if ends {
                Choice::End
            } else {
                Choice::Token(token)
            });
        };
        let lexicon = vocabulary.lexicon();
        let allowed = constrained.allowed(lexicon)?;
        let mut masked = logits.to_vec();
        for (id, logit) in masked.iter_mut().enumerate() {
            let end = u32::try_from(id).is_ok_and(|id| vocabulary.ends.contains(&id));
            if !(allowed.has(id) && !end || allowed.ends && end) {
                *logit = f32::NEG_INFINITY;
            }
        }
        let token = pick(&masked, self.sampling, place)?;
        let possible = masked
            .get(token as usize)
            .is_some_and(|x| *x > f32::NEG_INFINITY);
        if !possible && !allowed.ends {
            let reason = "no token of this model goes on with the text";
            return Err(InferenceError::Constraint(reason.into()));
        }
        if !possible || vocabulary.ends.contains(&token) {
            return Ok(Choice::End);
        }
        constrained.take(lexicon.bytes(token))?;
        Ok(Choice::Token(token))
    }
}

fn pick(logits: &[f32], sampling: Sampling, place: usize) -> Result<u32> {
    let token = if sampling.temperature > 0.0 {
        drawn(logits, sampling, place)
    } else {
        kernels::argmax(logits)
    };
    u32::try_from(token).map_err(|error| InferenceError::Compute(error.to_string()))
}

/// Draws a token: top-k, min-p and top-p (Holtzman et al. 2020), in this order.
fn drawn(logits: &[f32], sampling: Sampling, place: usize) -> usize {
    let temperature = f64::from(sampling.temperature);
    let mut tokens: Vec<(usize, f32)> = logits.iter().copied().enumerate().collect();
    let likelier = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if (1..tokens.len()).contains(&sampling.top_k) {
        tokens.select_nth_unstable_by(sampling.top_k - 1, likelier);
        tokens.truncate(sampling.top_k);
    }
    tokens.sort_unstable_by(likelier);
    let Some((best, top)) = tokens.first().copied() else {
        return 0;
    };
    let weight = |logit: f32| (f64::from(logit - top) / temperature).exp();
    let weights = tokens.iter().map(|(_, logit)| weight(*logit));
    let weights =
        weights.take_while(|weight| *weight > 0.0 && *weight >= f64::from(sampling.min_p));
    let mut weights: Vec<f64> = weights.collect();
    let nucleus = f64::from(sampling.top_p) * weights.iter().sum::<f64>();
    let mut total = 0.0;
    let within = weights.iter().take_while(|weight| {
        let before = total;
        total += **weight;
        before < nucleus
    });
    let within = within.count().max(1);
    weights.truncate(within);
    let mut rest = chance(sampling.seed, place) * weights.iter().sum::<f64>();
    for ((token, _), weight) in tokens.iter().zip(&weights) {
        rest -= weight;
        if rest < 0.0 {
            return *token;
        }
    }
    best
}

/// A number from 0 up to 1 that follows from the seed and the place (splitmix64, Steele et al.
/// 2014), so that it does not matter who else draws.
fn chance(seed: u64, place: usize) -> f64 {
    let mut z = seed.wrapping_add((place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of four tokens is drawn in 4,000 texts.
    fn shares(sampling: Sampling) -> [f64; 4] {
        let logits = [1.0_f32, 3.0, 2.0, 0.0];
        let mut counts = [0.0; 4];
        for seed in 0..4000 {
            counts[drawn(&logits, Sampling { seed, ..sampling }, 7)] += 1.0 / 4000.0;
        }
        counts
    }

    fn at(temperature: f32) -> Sampling {
        Sampling {
            temperature,
            ..Sampling::default()
        }
    }

    #[test]
    fn tokens_are_drawn_as_often_as_they_are_likely() {
        for temperature in [0.5, 1.0, 2.0] {
            let weights = [1.0_f64, 3.0, 2.0, 0.0].map(|x| (x / f64::from(temperature)).exp());
            let total: f64 = weights.iter().sum();
            for (share, weight) in shares(at(temperature)).into_iter().zip(weights) {
                assert!(
                    (share - weight / total).abs() < 0.03,
                    "{share} {}",
                    weight / total
                );
            }
        }
    }

    #[test]
    fn the_unlikely_are_left_out() {
        let one = Sampling::default();
        for (sampling, left) in [
            (
                Sampling {
                    top_k: 2,
                    ..at(1.0)
                },
                [false, true, true, false],
            ),
            (
                Sampling {
                    top_k: 1,
                    ..at(1.0)
                },
                [false, true, false, false],
            ),
            // e^-1 is 0.37 and e^-2 is 0.14 of the likeliest.
            (
                Sampling {
                    min_p: 0.2,
                    ..at(1.0)
                },
                [false, true, true, false],
            ),
            (
                Sampling {
                    top_p: 0.9,
                    ..at(1.0)
                },
                [true, true, true, false],
            ),
            (
                Sampling {
                    top_p: 0.0,
                    ..at(1.0)
                },
                [false, true, false, false],
            ),
            (
                Sampling {
                    temperature: 1.0,
                    ..one
                },
                [true; 4],
            ),
        ] {
            let drawn = shares(sampling).map(|share| share > 0.0);
            assert_eq!(drawn, left, "{sampling:?}");
        }
    }

    #[test]
    fn chance_depends_on_seed_and_place_alone() {
        assert!((chance(1, 2) - chance(1, 2)).abs() < f64::EPSILON);
        let mut seen: Vec<f64> = (0..5)
            .flat_map(|seed| (0..8).map(move |place| chance(seed, place)))
            .collect();
        seen.sort_by(f64::total_cmp);
        seen.dedup();
        assert_eq!(seen.len(), 40);
        assert!(seen.iter().all(|x| (0.0..1.0).contains(x)));
    }
}
