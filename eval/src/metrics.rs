//! Ranking metrics with confidence intervals.

use serde::Serialize;
use std::collections::HashMap;

/// Bootstrap samples of a confidence interval.
const BOOTSTRAP_SAMPLES: usize = 1000;

/// The metrics of the ranking of one question, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RankingMetrics {
    /// Normalised discounted cumulative gain at 10.
    pub ndcg_10: f64,
    /// Reciprocal rank of the first relevant result within 10.
    pub mrr_10: f64,
    /// The share of the relevant results within 10.
    pub recall_10: f64,
    /// The share of the relevant results within 100.
    pub recall_100: f64,
}

impl RankingMetrics {
    /// Computes the metrics of a ranking, best first. `relevance` has the grade of each relevant
    /// result.
    pub fn compute<S: AsRef<str>>(ranking: &[S], relevance: &HashMap<String, f64>) -> Self {
        let gains: Vec<f64> = ranking
            .iter()
            .map(|id| relevance.get(id.as_ref()).map_or(0.0, |grade| gain(*grade)))
            .collect();
        let mut ideal_gains: Vec<f64> = relevance.values().map(|grade| gain(*grade)).collect();
        ideal_gains.sort_by(|a, b| b.total_cmp(a));
        let ideal = discounted_gain(&ideal_gains);
        let relevant = ideal_gains.iter().filter(|gain| **gain > 0.0).count();
        let relevant = relevant.max(1) as f64;
        let first = gains.iter().take(10).position(|gain| *gain > 0.0);
        Self {
            ndcg_10: if ideal > 0.0 {
                discounted_gain(&gains) / ideal
            } else {
                0.0
            },
            mrr_10: first.map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0)),
            recall_10: count_relevant(&gains, 10) / relevant,
            recall_100: count_relevant(&gains, 100) / relevant,
        }
    }
}

fn gain(grade: f64) -> f64 {
    grade.exp2() - 1.0
}

/// Discounted cumulative gain at 10.
fn discounted_gain(gains: &[f64]) -> f64 {
    (0..)
        .zip(gains.iter().take(10))
        .map(|(rank, gain)| gain / (f64::from(rank) + 2.0).log2())
        .sum()
}

fn count_relevant(gains: &[f64], depth: usize) -> f64 {
    gains.iter().take(depth).filter(|gain| **gain > 0.0).count() as f64
}

/// A mean with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl Mean {
    /// Computes the mean and a bootstrap interval. The same values give the same interval.
    pub fn bootstrap(values: &[f64]) -> Self {
        let mut random = Xorshift::default();
        let mut means: Vec<f64> = (0..BOOTSTRAP_SAMPLES)
            .map(|_| {
                let sample = (0..values.len()).map(|_| random.choose(values));
                average(sample, values.len())
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let value = average(values.iter().copied(), values.len());
        let [low, high] = [25, 975].map(|per_mille| {
            let position = BOOTSTRAP_SAMPLES * per_mille / 1000;
            means.get(position).copied().unwrap_or(value)
        });
        Self { value, low, high }
    }
}

impl std::fmt::Display for Mean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.4} [{:.3}, {:.3}]", self.value, self.low, self.high)
    }
}

/// A xorshift generator with a fixed seed. Published intervals depend on its sequence.
struct Xorshift(u64);

impl Default for Xorshift {
    fn default() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }
}

impl Xorshift {
    fn choose(&mut self, values: &[f64]) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let index = usize::try_from(self.0 >> 33).unwrap_or(0) % values.len().max(1);
        values.get(index).copied().unwrap_or_default()
    }
}

fn average(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    values.sum::<f64>() / count.max(1) as f64
}

/// The value below which this share of the values lies. `share` is from 0 to 1.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index between 0 and `last`"
    )]
    let position = (last * share).round() as usize;
    sorted.get(position).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_equal_the_textbook_values() {
        let relevance = HashMap::from([("a".to_owned(), 1.0), ("b".to_owned(), 1.0)]);
        let all = RankingMetrics::compute(&["a", "b", "c"], &relevance);
        assert!((all.ndcg_10 - 1.0).abs() < 1e-9 && (all.recall_10 - 1.0).abs() < 1e-9);
        let second = RankingMetrics::compute(&["c", "a"], &relevance);
        // 1 / log2(3), over 1 + 1 / log2(3).
        assert!((second.ndcg_10 - 0.386_853).abs() < 1e-5, "{second:?}");
        assert!((second.mrr_10 - 0.5).abs() < 1e-9 && (second.recall_100 - 0.5).abs() < 1e-9);
        let none = RankingMetrics::compute::<&str>(&[], &relevance);
        assert_eq!(none, RankingMetrics::default());
    }

    #[test]
    fn an_interval_contains_its_mean_and_narrows_with_more_values() {
        let few = Mean::bootstrap(&[0.0, 1.0, 0.0, 1.0]);
        let many: Vec<f64> = (0..400).map(|n| f64::from(n % 2)).collect();
        let many = Mean::bootstrap(&many);
        assert!(few.low <= few.value && few.value <= few.high);
        assert!(many.high - many.low < few.high - few.low);
    }
}
