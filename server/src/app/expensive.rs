//! Turns for work that takes long, so that one person cannot keep the others waiting.

use super::Caller;
use crate::limits::{TurnLimits, Turns};
use cloister_domain::UserId;
use std::time::Duration;

/// Everything that is done at the console shares the turns of this id, which no person has.
const CONSOLE: UserId = UserId(0);

/// Kinds of work that take long, each with turns of its own.
pub struct ExpensiveWork {
    /// Drawing a page in a child process, which takes memory and a core.
    pub drawing: Turns,
    /// Searching without a question.
    pub searching: Turns,
    /// Embedding texts of other programs.
    pub embedding: Turns,
    /// Making example questions.
    pub making_examples: Turns,
    /// Rating an answer, which looks it up in the audit log.
    pub rating: Turns,
    /// Replaying an answer.
    pub replaying: Turns,
    /// Reading the audit log: listing and verifying.
    pub reviewing: Turns,
}

impl Default for ExpensiveWork {
    fn default() -> Self {
        let turns = |per_person, outstanding, total| {
            Turns::new(TurnLimits {
                per_person,
                outstanding,
                total,
                patience: Duration::from_secs(15),
            })
        };
        Self {
            drawing: turns(2, 8, 4),
            searching: turns(4, 16, 16),
            embedding: turns(1, 4, 2),
            making_examples: turns(1, 2, 1),
            rating: turns(1, 4, 4),
            replaying: turns(1, 2, 2),
            reviewing: turns(1, 4, 2),
        }
    }
}

impl Caller {
    /// Whose turns the caller takes.
    pub(super) fn turn_owner(&self) -> UserId {
        self.actor.user.unwrap_or(CONSOLE)
    }
}
