//! The usual measures of a ranking, with their uncertainty.

use serde::Serialize;
use std::collections::HashMap;

/// Samples that an interval is drawn from.
const RESAMPLES: usize = 1000;

/// What one question's ranking is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Worth {
    /// Normalised discounted cumulative gain of the first ten.
    pub ndcg_10: f64,
    /// One over the rank of the first right one, within ten.
    pub mrr_10: f64,
    /// The share of the right ones within ten.
    pub recall_10: f64,
    /// The same within a hundred.
    pub recall_100: f64,
}

/// The worth of a ranking, best first, given how relevant each right one is.
pub fn worth<S: AsRef<str>>(ranking: &[S], relevant: &HashMap<String, f64>) -> Worth {
    let gain = |id: &S| relevant.get(id.as_ref()).map_or(0.0, |g| g.exp2() - 1.0);
    let discount = |rank: usize| (rank as f64 + 2.0).log2();
    let reached: f64 = (0..)
        .zip(ranking.iter().take(10))
        .map(|(r, id)| gain(id) / discount(r))
        .sum();
    let mut best: Vec<f64> = relevant.values().map(|g| g.exp2() - 1.0).collect();
    best.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = (0..)
        .zip(best.iter().take(10))
        .map(|(r, gain)| gain / discount(r))
        .sum();
    let right = best.iter().filter(|gain| **gain > 0.0).count().max(1) as f64;
    let found = |depth: usize| {
        ranking
            .iter()
            .take(depth)
            .filter(|id| gain(id) > 0.0)
            .count() as f64
    };
    let first = ranking.iter().take(10).position(|id| gain(id) > 0.0);
    Worth {
        ndcg_10: if ideal > 0.0 { reached / ideal } else { 0.0 },
        mrr_10: first.map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0)),
        recall_10: found(10) / right,
        recall_100: found(100) / right,
    }
}

/// A mean, and between which values it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The average.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Mean {
    /// By drawing the questions again and again. The same values give the same interval.
    pub fn of(values: &[f64]) -> Self {
        let mean = average(values.iter().copied(), values.len());
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let index = usize::try_from(state >> 33).unwrap_or(0) % values.len().max(1);
            values.get(index).copied().unwrap_or_default()
        };
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|_| average((0..values.len()).map(|_| draw()), values.len()))
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |share: usize| means.get(RESAMPLES * share / 1000).copied().unwrap_or(mean);
        Self {
            value: mean,
            low: at(25),
            high: at(975),
        }
    }
}

impl std::fmt::Display for Mean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.4} [{:.3}, {:.3}]", self.value, self.low, self.high)
    }
}

fn average(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    values.sum::<f64>() / count.max(1) as f64
}

/// The value below which this share of the values lies.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    sorted
        .get((last * share).round() as usize)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_worth_what_the_textbooks_say() {
        let relevant = HashMap::from([("a".to_owned(), 1.0), ("b".to_owned(), 1.0)]);
        let all = worth(&["a", "b", "c"], &relevant);
        assert!((all.ndcg_10 - 1.0).abs() < 1e-9 && (all.recall_10 - 1.0).abs() < 1e-9);
        let second = worth(&["c", "a"], &relevant);
        // 1 / log2(3), over 1 + 1 / log2(3).
        assert!((second.ndcg_10 - 0.386_853).abs() < 1e-5, "{second:?}");
        assert!((second.mrr_10 - 0.5).abs() < 1e-9 && (second.recall_100 - 0.5).abs() < 1e-9);
        assert_eq!(worth::<&str>(&[], &relevant), Worth::default());
    }

    #[test]
    fn an_interval_holds_its_mean_and_narrows_with_more_values() {
        let few = Mean::of(&[0.0, 1.0, 0.0, 1.0]);
        let many: Vec<f64> = (0..400).map(|n| f64::from(n % 2)).collect();
        let many = Mean::of(&many);
        assert!(few.low <= few.value && few.value <= few.high);
        assert!(many.high - many.low < few.high - few.low);
    }
}
