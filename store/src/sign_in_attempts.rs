//! Attempts to sign in. One statement counts an attempt before its password is checked, so that
//! parallel attempts cannot pass the count.

use crate::connection::Store;
use crate::error::StoreError;
use cloister_domain::{Timestamp, UserId};
use sqlx::{Sqlite, Transaction};
use std::time::Duration;

/// How long a network that signed a person in is known for that person.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

/// An attempt that lies further in the future was made before the clock was set back.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(5);

/// The account and the network of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptKey {
    /// The account: [`AttemptKey::account_of`] a person, or any other text for an unknown name.
    pub account: String,
    /// The address or network of the client.
    pub network: String,
}

impl AttemptKey {
    /// The account of a person.
    pub fn account_of(user: UserId) -> String {
        format!("user:{user}")
    }

    /// The codes of a person's second factor, from all networks together. Only somebody who knows the
    /// password gets as far as a code, so strangers cannot keep the person out.
    pub fn codes_of(user: UserId) -> Self {
        Self {
            account: format!("codes:{user}"),
            network: "all".into(),
        }
    }
}

/// How long an account waits after failed attempts from one network.
#[derive(Clone, Copy, Debug)]
pub struct AttemptDelays {
    /// The number of attempts in a row without a delay.
    pub free_attempts: u32,
    /// The first delay. Each further attempt doubles it.
    pub first: Duration,
    /// The longest delay.
    pub max: Duration,
    /// Failures are forgotten after this time without an attempt.
    pub forget_after: Duration,
}

impl Store {
    /// Counts an attempt, which is about to be made. Returns `None` if it may be made, or how long
    /// it has to wait. An attempt that has to wait is not counted.
    pub async fn reserve_sign_in_attempt(
        &self,
        key: &AttemptKey,
        delays: &AttemptDelays,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let reserved: Option<i64> = sqlx::query_scalar(
            "INSERT INTO sign_in_attempts (account, network, failures, delay_ms, attempted_at)
             VALUES ($1, $2, 1, CASE WHEN $4 <= 1 THEN $5 ELSE 0 END, $3)
             ON CONFLICT (account, network) DO UPDATE
             SET failures = CASE WHEN attempted_at < $7 THEN 1 ELSE failures + 1 END,
                 delay_ms = CASE WHEN attempted_at < $7 OR failures + 1 < $4 THEN 0
                                 WHEN delay_ms = 0 THEN $5
                                 WHEN delay_ms * 2 > $6 THEN $6
                                 ELSE delay_ms * 2 END,
                 attempted_at = $3
             WHERE attempted_at + delay_ms <= $3 OR attempted_at > $8
             RETURNING failures",
        )
        .bind(&key.account)
        .bind(&key.network)
        .bind(now.as_millis())
        .bind(i64::from(delays.free_attempts))
        .bind(millis(delays.first.min(delays.max)))
        .bind(millis(delays.max))
        .bind(now.minus(delays.forget_after).as_millis())
        .bind(now.plus(CLOCK_TOLERANCE).as_millis())
        .fetch_optional(&self.writer)
        .await?;
        match reserved {
            Some(_) => Ok(None),
            None => Ok(Some(self.sign_in_delay(key, now).await?)),
        }
    }

    /// The time until the next attempt is allowed.
    async fn sign_in_delay(
        &self,
        key: &AttemptKey,
        now: Timestamp,
    ) -> Result<Duration, StoreError> {
        let allowed_from: Option<i64> = sqlx::query_scalar(
            "SELECT attempted_at + delay_ms FROM sign_in_attempts
             WHERE account = $1 AND network = $2",
        )
        .bind(&key.account)
        .bind(&key.network)
        .fetch_optional(&self.readers)
        .await?;
        let allowed_from = allowed_from.map_or(now, Timestamp::from_millis);
        Ok(allowed_from.since(now))
    }

    /// Resets the failures of an account in a network after a successful attempt.
    pub async fn reset_sign_in_attempts(
        &self,
        key: &AttemptKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        reset_attempts(&mut transaction, key, now).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whether the person of the account signed in from this network before.
    pub async fn is_known_network(
        &self,
        key: &AttemptKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let known: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM sign_in_attempts
             WHERE account = $1 AND network = $2 AND succeeded_at >= $3",
        )
        .bind(&key.account)
        .bind(&key.network)
        .bind(now.minus(KNOWN_FOR).as_millis())
        .fetch_one(&self.readers)
        .await?;
        Ok(known > 0)
    }

    /// Deletes attempts that no longer matter. Call it once in a while.
    pub async fn delete_old_sign_in_attempts(
        &self,
        delays: &AttemptDelays,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM sign_in_attempts
             WHERE attempted_at < $1 AND (succeeded_at IS NULL OR succeeded_at < $2)",
        )
        .bind(now.minus(delays.forget_after).as_millis())
        .bind(now.minus(KNOWN_FOR).as_millis())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

/// Resets the failures of an account in a network after a successful sign-in.
pub async fn reset_attempts(
    transaction: &mut Transaction<'_, Sqlite>,
    key: &AttemptKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sign_in_attempts SET failures = 0, delay_ms = 0, succeeded_at = $3
         WHERE account = $1 AND network = $2",
    )
    .bind(&key.account)
    .bind(&key.network)
    .bind(now.as_millis())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Forgets all attempts of a person, whose password was changed.
pub async fn forget_attempts(
    transaction: &mut Transaction<'_, Sqlite>,
    user: UserId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sign_in_attempts WHERE account = $1")
        .bind(AttemptKey::account_of(user))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAYS: AttemptDelays = AttemptDelays {
        free_attempts: 3,
        first: Duration::from_secs(10),
        max: Duration::from_secs(35),
        forget_after: Duration::from_hours(24),
    };

    fn key(network: &str) -> AttemptKey {
        AttemptKey {
            account: AttemptKey::account_of(UserId(7)),
            network: network.to_owned(),
        }
    }

    async fn open() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn parallel_attempts_cannot_pass_the_count() {
        let (_folder, store) = open().await;
        let now = Timestamp::from_millis(1_000_000);
        let attempts = (0..20).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .reserve_sign_in_attempt(&key("a"), &DELAYS, now)
                    .await
                    .unwrap()
            })
        });
        let mut allowed = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            allowed += u32::from(attempt.await.unwrap().is_none());
        }
        assert_eq!(allowed, DELAYS.free_attempts);
    }

    #[tokio::test]
    async fn delays_double_up_to_a_maximum_and_hold_for_one_network_only() {
        let (_folder, store) = open().await;
        let mut now = Timestamp::from_millis(1_000_000);
        let mut delays = Vec::new();
        while delays.len() < 4 {
            let reserved = store
                .reserve_sign_in_attempt(&key("a"), &DELAYS, now)
                .await
                .unwrap();
            if let Some(delay) = reserved {
                delays.push(delay.as_secs());
                now = now.plus(delay);
            }
        }
        assert_eq!(delays, [10, 20, 35, 35]);
        let elsewhere = store
            .reserve_sign_in_attempt(&key("b"), &DELAYS, now)
            .await
            .unwrap();
        assert_eq!(elsewhere, None, "another network does not wait");
        now = now.plus(Duration::from_hours(25));
        for _ in 0..DELAYS.free_attempts {
            let forgotten = store
                .reserve_sign_in_attempt(&key("a"), &DELAYS, now)
                .await
                .unwrap();
            assert_eq!(forgotten, None, "old failures are forgotten");
        }
    }

    #[tokio::test]
    async fn old_attempts_are_deleted() {
        let (_folder, store) = open().await;
        let now = Timestamp::from_millis(1_000_000);
        store
            .reserve_sign_in_attempt(&key("a"), &DELAYS, now)
            .await
            .unwrap();
        let later = now.plus(Duration::from_hours(25));
        store
            .delete_old_sign_in_attempts(&DELAYS, later)
            .await
            .unwrap();
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sign_in_attempts")
            .fetch_one(&store.readers)
            .await
            .unwrap();
        assert_eq!(left, 0);
    }
}
