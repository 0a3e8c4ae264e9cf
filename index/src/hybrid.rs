//! One search: both arms side by side, the documents that the question points to, and one ranking.

use crate::entry::{SearchOutcome, SearchRequest};
use crate::error::Result;
use crate::fusion::{Blend, Found, fuse};
use crate::keyword::{KeywordsFound, Routes};
use crate::revisions::Readable;
use crate::snapshot::{Snapshot, check_vector};
use roaring::RoaringBitmap;
use std::collections::HashSet;

/// Where documents have fewer passages on average, each passage says what it is about, and neither
/// routes nor neighbours add to it.
const LONG: usize = 4;

/// A document that reaches this share of the best route is searched by itself.
const CLEAR: f32 = 0.8;

/// Finds the best permitted passages in one snapshot.
///
/// A search that is `alone` takes all threads. Where others search, each stays in its own: it does
/// the same work, and nobody's answer waits for somebody else's parts.
pub(crate) fn search(
    snapshot: &Snapshot,
    request: &SearchRequest<'_>,
    alone: bool,
) -> Result<SearchOutcome> {
    let settings = &snapshot.settings;
    check_vector(request.vector, settings.dimensions, 0)?;
    let depth = settings.depth.max(request.limit).max(1);
    let question = snapshot.question(request.vector, alone);
    let readable = snapshot.revisions.readable(request.permitted);
    let (documents, passages) = snapshot.revisions.count(&readable);
    let long = passages >= LONG * documents;
    let depths = (depth, request.limit);
    let words = || by_words(snapshot, request, &readable, depth, long);
    let meaning = || snapshot.nearest(&question, &readable, passages, depths);
    let (words, (meaning, exact)) = if alone {
        rayon::join(words, meaning)
    } else {
        (words(), meaning())
    };
    let (words, routes) = words?;
    let mut near = meaning;
    if let Some(documents) = clear(snapshot, &routes) {
        let readable = snapshot.revisions.readable(&documents);
        let (_, passages) = snapshot.revisions.count(&readable);
        let (more, _) = snapshot.nearest(&question, &readable, passages, depths);
        let known: HashSet<i64> = near.iter().map(|hit| hit.passage).collect();
        near.extend(more.into_iter().filter(|hit| !known.contains(&hit.passage)));
    }
    if let Some(quoting) = &words.quoting {
        near.retain(|hit| quoting.contains(&hit.passage));
    }
    let blend = match request.semantic_weight {
        Some(meaning) => Blend {
            meaning,
            route: 0.0,
            neighbour: 0.0,
        },
        None => Blend {
            meaning: settings.semantic_weight * (1.0 - words.coded),
            route: settings.route_weight,
            neighbour: settings.neighbour_weight,
        },
    };
    let cosines = snapshot.nearness(&question);
    let route = |revision| routes.to(revision);
    let alone = |revision| snapshot.revisions.passages_of(revision) == 1;
    let found = Found {
        words: &words.hits,
        meaning: &near,
    };
    Ok(SearchOutcome {
        hits: fuse(found, &cosines, route, alone, blend, request.limit),
        generation: snapshot.name.clone(),
        exact,
        complete: true,
    })
}

/// What the words found, and how much the question points to each document: nothing of that where
/// most documents are not `long`. Nothing at all where the words were damaged.
fn by_words(
    snapshot: &Snapshot,
    request: &SearchRequest<'_>,
    readable: &Readable,
    depth: usize,
    long: bool,
) -> Result<(KeywordsFound, Routes)> {
    let Some(keywords) = &snapshot.keywords else {
        return Ok(Default::default());
    };
    let text = request.text;
    let words = keywords.search(text, request.also, readable, depth, &snapshot.settings)?;
    let routes = if long {
        keywords.routes(text, readable)?
    } else {
        Routes::default()
    };
    Ok((words, routes))
}

/// The documents that the question clearly points to, where they are few among all.
fn clear(snapshot: &Snapshot, routes: &Routes) -> Option<RoaringBitmap> {
    let documents = routes.reaching(CLEAR);
    let few = documents.len() * 2 <= snapshot.revisions.len() as u64;
    (!documents.is_empty() && few).then_some(documents)
}
