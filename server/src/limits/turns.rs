//! How much of one kind of work is in progress: for each person, and in all.

use cloister_domain::UserId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The limits of one kind of work.
#[derive(Clone, Copy, Debug)]
pub struct TurnLimits {
    /// Requests of one person that are in progress at once.
    pub per_person: usize,
    /// Requests of one person that are in progress or wait for a turn.
    pub outstanding: usize,
    /// Requests of all people that are in progress at once.
    pub total: usize,
    /// The longest wait for a turn.
    pub patience: Duration,
}

/// Why a request got no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnsRefused {
    /// The person has too many outstanding requests.
    ByPerson,
    /// Other people's requests took too long.
    ByAll,
}

/// Gives turns for one kind of work.
pub struct Turns {
    limits: TurnLimits,
    total: Arc<Semaphore>,
    people: Arc<Mutex<HashMap<UserId, PersonTurns>>>,
}

/// The requests of one person. It is removed when there are none.
struct PersonTurns {
    outstanding: usize,
    running: Arc<Semaphore>,
}

/// A turn. The next request gets it when it is dropped.
pub struct Turn {
    _total: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _outstanding: OutstandingRequest,
}

struct OutstandingRequest {
    person: UserId,
    people: Arc<Mutex<HashMap<UserId, PersonTurns>>>,
}

impl Drop for OutstandingRequest {
    fn drop(&mut self) {
        let mut people = self.people.lock();
        if let Some(turns) = people.get_mut(&self.person) {
            turns.outstanding = turns.outstanding.saturating_sub(1);
            if turns.outstanding == 0 {
                people.remove(&self.person);
            }
        }
    }
}

impl Turns {
    /// Turns with these limits.
    pub fn new(limits: TurnLimits) -> Self {
        Self {
            total: Arc::new(Semaphore::new(limits.total)),
            people: Arc::default(),
            limits,
        }
    }

    /// Waits for a turn of this person.
    pub async fn take(&self, person: UserId) -> Result<Turn, TurnsRefused> {
        let (outstanding, running) = self.register(person)?;
        let acquired = tokio::time::timeout(self.limits.patience, async {
            let own = running.acquire_owned().await.ok()?;
            let total = Arc::clone(&self.total).acquire_owned().await.ok()?;
            Some((own, total))
        });
        let Ok(Some((own, total))) = acquired.await else {
            return Err(TurnsRefused::ByAll);
        };
        Ok(Turn {
            _total: total,
            _own: own,
            _outstanding: outstanding,
        })
    }

    fn register(
        &self,
        person: UserId,
    ) -> Result<(OutstandingRequest, Arc<Semaphore>), TurnsRefused> {
        let mut people = self.people.lock();
        let turns = people.entry(person).or_insert_with(|| PersonTurns {
            outstanding: 0,
            running: Arc::new(Semaphore::new(self.limits.per_person)),
        });
        if turns.outstanding >= self.limits.outstanding {
            return Err(TurnsRefused::ByPerson);
        }
        turns.outstanding += 1;
        let outstanding = OutstandingRequest {
            person,
            people: Arc::clone(&self.people),
        };
        Ok((outstanding, Arc::clone(&turns.running)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TurnLimits = TurnLimits {
        per_person: 1,
        outstanding: 2,
        total: 2,
        patience: Duration::from_millis(20),
    };
    const ADA: UserId = UserId(1);
    const SAM: UserId = UserId(2);
    const EVE: UserId = UserId(3);

    #[tokio::test]
    async fn a_person_cannot_take_the_turns_of_others() {
        let turns = Turns::new(LIMITS);
        let first = turns.take(ADA).await.unwrap();
        let second = tokio::join!(turns.take(ADA), turns.take(ADA));
        assert_eq!(second.0.err(), Some(TurnsRefused::ByAll));
        assert_eq!(second.1.err(), Some(TurnsRefused::ByPerson));
        let other = turns.take(SAM).await.unwrap();
        assert_eq!(turns.take(EVE).await.err(), Some(TurnsRefused::ByAll));
        drop(first);
        assert!(turns.take(EVE).await.is_ok());
        drop(other);
        assert!(turns.take(ADA).await.is_ok());
        assert!(turns.people.lock().is_empty(), "nobody is remembered");
    }
}
