//! Token buckets by key, in bounded memory.

use lru::LruCache;
use parking_lot::Mutex;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// Keys that a limiter remembers. Beyond this, the key that was not used for longest is forgotten.
const MAX_KEYS: NonZeroUsize = NonZeroUsize::MIN.saturating_add((1 << 16) - 1);

/// Allows each key a burst of requests, and then one request per interval.
///
/// This is the generic cell rate algorithm: for each key only the time is stored at which its bucket
/// is full again.
pub struct RateLimiter<K: Hash + Eq> {
    burst: u32,
    interval: Duration,
    // INVARIANT: at most `MAX_KEYS` keys, whatever clients send.
    full_at: Mutex<LruCache<K, Instant>>,
}

impl<K: Hash + Eq> RateLimiter<K> {
    /// A limiter with a burst of at least one request.
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst: burst.max(1),
            interval,
            full_at: Mutex::new(LruCache::new(MAX_KEYS)),
        }
    }

    /// A limiter of this many requests a minute, with a burst of as many.
    pub fn per_minute(requests: u32) -> Self {
        let requests = requests.max(1);
        Self::new(requests, Duration::from_mins(1) / requests)
    }

    /// Takes a token of `key`. Fails with the time after which there is one again.
    pub fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let tolerance = self.interval * (self.burst - 1);
        let mut full_at = self.full_at.lock();
        let full = full_at.get(&key).map_or(now, |full| (*full).max(now));
        let wait = full.duration_since(now).saturating_sub(tolerance);
        if !wait.is_zero() {
            return Err(wait);
        }
        full_at.put(key, full + self.interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_request_per_interval() {
        let limiter = RateLimiter::new(3, Duration::from_secs(2));
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(limiter.take("a", start), Ok(()));
        }
        assert_eq!(limiter.take("a", start), Err(Duration::from_secs(2)));
        assert_eq!(limiter.take("b", start), Ok(()), "another key");
        let later = start + Duration::from_secs(2);
        assert_eq!(limiter.take("a", later), Ok(()));
        assert!(limiter.take("a", later).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = RateLimiter::new(1, Duration::from_secs(2));
        let now = Instant::now();
        for key in 0..200_000_u32 {
            limiter.take(key, now).unwrap();
        }
        assert_eq!(limiter.full_at.lock().len(), MAX_KEYS.get());
    }
}
