//! Where an id stands among ids that ascend.

/// The place of `id` among `count` ids that ascend, no two the same; `at` tells the one at a place.
///
/// No more ids lie between two than their difference, so both ends tell where it can stand. Where
/// few ids are missing those are few places, which matters in a list too long for a cache.
pub(crate) fn place_of(id: i64, count: usize, at: impl Fn(usize) -> i64) -> Option<usize> {
    let last = count.checked_sub(1)?;
    let (lowest, highest) = (at(0), at(last));
    if !(lowest..=highest).contains(&id) {
        return None;
    }
    let between = |a: i64, b: i64| usize::try_from(a.abs_diff(b)).unwrap_or(usize::MAX);
    let mut to = between(lowest, id).min(last);
    let mut from = last.saturating_sub(between(id, highest));
    while from < to {
        let middle = usize::midpoint(from, to);
        if at(middle) < id {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    (at(from) == id).then_some(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_found_where_it_stands_and_nowhere_else(
            ids in prop::collection::btree_set(-30_i64..60, 0..40),
        ) {
            let ids: Vec<i64> = ids.into_iter().collect();
            for id in -40..70 {
                let expected = ids.iter().position(|known| *known == id);
                prop_assert_eq!(place_of(id, ids.len(), |place| ids[place]), expected);
            }
        }
    }

    #[test]
    fn the_ends_of_all_numbers_are_no_further_than_others() {
        let ids = [i64::MIN, 0, i64::MAX];
        let found = ids.map(|id| place_of(id, 3, |place| ids[place]));
        assert_eq!(found, [Some(0), Some(1), Some(2)]);
        assert_eq!(place_of(7, 0, |_| 0), None);
    }
}
