//! Conversion of numbers. SQLite has signed integers only.

/// Converts a count or size that the database returned. It is never negative.
pub(crate) fn to_count(value: i64) -> u64 {
    debug_assert!(value >= 0, "a count is negative: {value}");
    u64::try_from(value).unwrap_or(0)
}
