//! Selects the next token from the logits.

use crate::constraint::ConstraintState;
use crate::decoder::tokenizer::Vocabulary;
use crate::error::{InferenceError, Result};
use crate::request::{GenerateRequest, Sampling};
use cloister_domain::random::{SplitMix64, unit_interval};
use cloister_kernels::float;

/// The next token of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decoder) enum NextToken {
    Token(u32),
    /// The text is finished.
    End,
}

/// Selects the tokens of one text. The selection depends on the logits, the request and the number of
/// tokens written, and on nothing else.
pub(in crate::decoder) struct Sampler {
    sampling: Sampling,
    constraint: Option<ConstraintState>,
}

impl Sampler {
    pub(in crate::decoder) fn new(request: &GenerateRequest) -> Result<Self> {
        let constraint = request.constraint.as_ref().map(ConstraintState::new);
        Ok(Self {
            sampling: request.sampling,
            constraint: constraint.transpose()?,
        })
    }

    /// Selects token number `index` of the text from the logits of the vocabulary.
    pub(in crate::decoder) fn sample(
        &mut self,
        logits: &[f32],
        index: usize,
        vocabulary: &Vocabulary,
    ) -> Result<NextToken> {
        let Some(constraint) = &mut self.constraint else {
            let token = select(logits, self.sampling, index)?;
            if vocabulary.end_tokens.contains(&token) {
                return Ok(NextToken::End);
            }
            return Ok(NextToken::Token(token));
        };
        let trie = vocabulary.token_trie();
        let allowed = constraint.allowed_tokens(trie)?;
        let mut masked = logits.to_vec();
        for (id, logit) in masked.iter_mut().enumerate() {
            let is_end = u32::try_from(id).is_ok_and(|id| vocabulary.end_tokens.contains(&id));
            let is_allowed = if is_end {
                allowed.may_end
            } else {
                allowed.contains(id)
            };
            if !is_allowed {
                *logit = f32::NEG_INFINITY;
            }
        }
        let token = select(&masked, self.sampling, index)?;
        let possible = masked
            .get(token as usize)
            .is_some_and(|logit| *logit > f32::NEG_INFINITY);
        if !possible && !allowed.may_end {
            let reason = "no token of this model can continue the text";
            return Err(InferenceError::Constraint(reason.into()));
        }
        if !possible || vocabulary.end_tokens.contains(&token) {
            return Ok(NextToken::End);
        }
        constraint.advance(trie.bytes(token))?;
        Ok(NextToken::Token(token))
    }
}

fn select(logits: &[f32], sampling: Sampling, index: usize) -> Result<u32> {
    let token = if sampling.temperature > 0.0 {
        draw(logits, sampling, index)
    } else {
        float::argmax(logits)
    };
    u32::try_from(token).map_err(|error| InferenceError::Compute(error.to_string()))
}

/// Draws a token after top-k, min-p and top-p filtering (Holtzman et al. 2020), in this order.
fn draw(logits: &[f32], sampling: Sampling, index: usize) -> usize {
    let mut tokens: Vec<(usize, f32)> = logits.iter().copied().enumerate().collect();
    if (1..tokens.len()).contains(&sampling.top_k) {
        tokens.select_nth_unstable_by(sampling.top_k - 1, more_likely);
        tokens.truncate(sampling.top_k);
    }
    tokens.sort_unstable_by(more_likely);
    let Some((best, top)) = tokens.first().copied() else {
        return 0;
    };
    let temperature = f64::from(sampling.temperature);
    let mut weights = Vec::new();
    for (_, logit) in &tokens {
        let weight = (f64::from(logit - top) / temperature).exp();
        if weight <= 0.0 || weight < f64::from(sampling.min_p) {
            break;
        }
        weights.push(weight);
    }
    let nucleus = f64::from(sampling.top_p) * weights.iter().sum::<f64>();
    weights.truncate(nucleus_size(&weights, nucleus));
    let mut rest = uniform(sampling.seed, index) * weights.iter().sum::<f64>();
    for ((token, _), weight) in tokens.iter().zip(&weights) {
        rest -= weight;
        if rest < 0.0 {
            return *token;
        }
    }
    best
}

/// The order of tokens: the most likely first, and the lower id first among equals.
fn more_likely(a: &(usize, f32), b: &(usize, f32)) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// How many weights are needed to sum to `nucleus`; at least one.
fn nucleus_size(weights: &[f64], nucleus: f64) -> usize {
    let mut total = 0.0;
    let mut count = 0;
    for weight in weights {
        if total >= nucleus {
            break;
        }
        total += weight;
        count += 1;
    }
    count.max(1)
}

/// A number from 0 up to 1 that depends on the seed and the index only, so that other texts of the
/// batch do not affect it.
fn uniform(seed: u64, index: usize) -> f64 {
    unit_interval(SplitMix64::nth(seed, index as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of four tokens is drawn in 4,000 texts.
    fn shares(sampling: Sampling) -> [f64; 4] {
        let logits = [1.0_f32, 3.0, 2.0, 0.0];
        let mut counts = [0.0; 4];
        for seed in 0..4000 {
            counts[draw(&logits, Sampling { seed, ..sampling }, 7)] += 1.0 / 4000.0;
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
    fn tokens_are_drawn_with_their_probabilities() {
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
    fn unlikely_tokens_are_filtered() {
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
            // The probabilities are e^-1 = 0.37 and e^-2 = 0.14 of the highest.
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
    fn the_random_number_depends_on_seed_and_index_only() {
        assert!((uniform(1, 2) - uniform(1, 2)).abs() < f64::EPSILON);
        let mut seen: Vec<f64> = (0..5)
            .flat_map(|seed| (0..8).map(move |index| uniform(seed, index)))
            .collect();
        seen.sort_by(f64::total_cmp);
        seen.dedup();
        assert_eq!(seen.len(), 40);
        assert!(seen.iter().all(|x| (0.0..1.0).contains(x)));
    }
}
