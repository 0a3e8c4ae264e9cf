//! The selection of each row's neighbours from those that `hnsw_rs` found.
//!
//! `hnsw_rs` keeps the nearest links to a point if it has too many. In a collection of many small clusters,
//! these are all of one cluster, and few links lead out of it. So the links of both directions are
//! selected again, by the heuristic of the paper (algorithm 4, with pruned connections): a link is taken
//! only if no selected neighbour is nearer to its end, and free places get the nearest of the others.

use super::DEGREE;
use crate::dense::Segment;
use rayon::prelude::*;

/// A possible neighbour.
#[derive(Clone, Copy)]
struct Link {
    cosine: f32,
    row: u32,
}

/// The selected neighbours of each row, the nearest first. Free places have the row itself.
pub(super) fn select(segment: &Segment, lists: &[Vec<u32>]) -> Vec<[u32; DEGREE]> {
    let candidates = in_both_directions(lists);
    let numbered = candidates.par_iter().zip(0..u32::MAX as usize);
    let selected = numbered.map(|(candidates, row)| select_for(segment, row, candidates));
    let mut selected: Vec<[u32; DEGREE]> = selected.collect();
    link_unreachable(&mut selected);
    selected
}

fn in_both_directions(lists: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut both = lists.to_vec();
    for (row, list) in (0..).zip(lists) {
        for neighbour in list {
            if let Some(reverse) = both.get_mut(*neighbour as usize) {
                reverse.push(row);
            }
        }
    }
    both
}

fn select_for(segment: &Segment, row: usize, candidates: &[u32]) -> [u32; DEGREE] {
    let own = u32::try_from(row).unwrap_or(u32::MAX);
    let mut rows = candidates.to_vec();
    rows.sort_unstable();
    rows.dedup();
    rows.retain(|candidate| *candidate != own);
    let mut links: Vec<Link> = rows
        .iter()
        .map(|other| Link {
            cosine: segment.cosine(row, *other as usize),
            row: *other,
        })
        .collect();
    links.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.row.cmp(&b.row)));
    let mut selected: Vec<Link> = Vec::with_capacity(DEGREE);
    let mut pruned: Vec<Link> = Vec::new();
    for link in links {
        if selected.len() == DEGREE {
            break;
        }
        let is_diverse = selected
            .iter()
            .all(|other| segment.cosine(link.row as usize, other.row as usize) < link.cosine);
        if is_diverse {
            selected.push(link);
        } else {
            pruned.push(link);
        }
    }
    let free = DEGREE - selected.len();
    selected.extend(pruned.into_iter().take(free));
    selected.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.row.cmp(&b.row)));
    let mut neighbours = [own; DEGREE];
    for (place, link) in neighbours.iter_mut().zip(&selected) {
        *place = link.row;
    }
    neighbours
}

/// Gives each row that no other row leads to a link from its nearest neighbour that has a link to spare: one
/// whose end is reached from elsewhere.
fn link_unreachable(neighbours: &mut [[u32; DEGREE]]) {
    let mut incoming = vec![0_u32; neighbours.len()];
    for (row, list) in (0..).zip(neighbours.iter()) {
        for other in list.iter().filter(|other| **other != row) {
            if let Some(count) = incoming.get_mut(*other as usize) {
                *count += 1;
            }
        }
    }
    for row in 0..neighbours.len() {
        if incoming.get(row).is_some_and(|count| *count > 0) {
            continue;
        }
        let list = neighbours.get(row).copied().unwrap_or([0; DEGREE]);
        for neighbour in list {
            if add_incoming(neighbours, &mut incoming, neighbour as usize, row) {
                break;
            }
        }
    }
}

/// Replaces the last link of `from` that is not the only one to its end by one to `to`.
fn add_incoming(
    neighbours: &mut [[u32; DEGREE]],
    incoming: &mut [u32],
    from: usize,
    to: usize,
) -> bool {
    if from == to {
        return false;
    }
    let Some(list) = neighbours.get_mut(from) else {
        return false;
    };
    for place in list.iter_mut().rev() {
        let end = *place as usize;
        let Some(count) = incoming.get_mut(end) else {
            continue;
        };
        let is_free = end == from;
        if is_free || *count > 1 {
            *count -= u32::from(!is_free);
            *place = u32::try_from(to).unwrap_or(*place);
            if let Some(count) = incoming.get_mut(to) {
                *count += 1;
            }
            return true;
        }
    }
    false
}
