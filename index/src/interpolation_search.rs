//! A binary search in dense sorted ids.

/// The position of `id` among `count` ascending, distinct ids; `id_at` returns the id at a position.
///
/// The differences to the first and the last id limit the range of possible positions. If few ids are
/// missing, the range is small, which avoids cache misses in a long list.
pub(crate) fn position(id: i64, count: usize, id_at: impl Fn(usize) -> i64) -> Option<usize> {
    let last = count.checked_sub(1)?;
    let (lowest, highest) = (id_at(0), id_at(last));
    if !(lowest..=highest).contains(&id) {
        return None;
    }
    let mut to = distance(lowest, id).min(last);
    let mut from = last.saturating_sub(distance(id, highest));
    while from < to {
        let middle = usize::midpoint(from, to);
        if id_at(middle) < id {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    (id_at(from) == id).then_some(from)
}

/// The distance of two ids, `usize::MAX` if it does not fit.
fn distance(a: i64, b: i64) -> usize {
    usize::try_from(a.abs_diff(b)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn present_ids_are_found_and_others_are_not(
            ids in prop::collection::btree_set(-30_i64..60, 0..40),
        ) {
            let ids: Vec<i64> = ids.into_iter().collect();
            for id in -40..70 {
                let expected = ids.iter().position(|known| *known == id);
                prop_assert_eq!(position(id, ids.len(), |index| ids[index]), expected);
            }
        }
    }

    #[test]
    fn distances_do_not_overflow() {
        let ids = [i64::MIN, 0, i64::MAX];
        let found = ids.map(|id| position(id, 3, |index| ids[index]));
        assert_eq!(found, [Some(0), Some(1), Some(2)]);
        assert_eq!(position(7, 0, |_| 0), None);
    }
}
