//! The result of a comparison of two generations.

use std::fmt;

/// The significance level of a difference, in standard deviations: 5% on one side.
const SIGNIFICANCE: f32 = 1.64;

/// How many of the same questions two generations answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The number of questions: 0 if the generations have no passage in common.
    pub questions: u32,
    /// Questions whose passage is among the ten best of the current generation.
    pub found_before: u32,
    /// Questions whose passage is among the ten best of the new one.
    pub found_after: u32,
    /// Questions whose passage only the current one finds.
    pub lost: u32,
    /// Where the questions come from.
    pub source: QuestionSource,
}

/// Where the questions of a comparison come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuestionSource {
    /// They are made of the passages.
    #[default]
    Passages,
    /// They are the site's own, with known answers.
    Site,
}

impl fmt::Display for QuestionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passages => "that the passages make",
            Self::Site => "of your own",
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            questions,
            found_before,
            found_after,
            source,
            ..
        } = self;
        write!(
            f,
            "of {questions} questions {source}, the new index finds what answers {found_after} and the one in use {found_before}"
        )
    }
}

impl Comparison {
    /// Whether the new generation is significantly worse (`McNemar`'s test).
    pub fn is_worse(&self) -> bool {
        let won = (self.found_after + self.lost).saturating_sub(self.found_before) as f32;
        let lost = self.lost as f32;
        lost - won > SIGNIFICANCE * (lost + won).sqrt()
    }

    /// Counts a question.
    pub(crate) fn add(&mut self, before: bool, after: bool) {
        self.questions += 1;
        self.found_before += u32::from(before);
        self.found_after += u32::from(after);
        self.lost += u32::from(before && !after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insignificant_differences_are_not_worse() {
        let check = |(lost, won): (u32, u32), expected: bool| {
            let mut comparison = Comparison::default();
            for _ in 0..100 {
                comparison.add(true, true);
            }
            for _ in 0..lost {
                comparison.add(true, false);
            }
            for _ in 0..won {
                comparison.add(false, true);
            }
            assert_eq!(comparison.is_worse(), expected, "{comparison:?}");
        };
        check((0, 0), false);
        check((0, 9), false);
        check((2, 0), false);
        check((3, 0), true);
        check((10, 9), false);
        check((20, 8), true);
    }
}
