//! What the folders of well-known embedders do not state: their prefixes, and sometimes their pooling.

use crate::manifest::{Pooling, Prefixes};

/// An embedder, by a part of its name in lower case.
struct KnownEmbedder {
    name: &'static str,
    pooling: Pooling,
    question: &'static str,
    passage: &'static str,
}

const REPRESENT: &str = "Represent this sentence for searching relevant passages: ";

/// The prefixes are those of the models' descriptions. Those of bge-v1.5 are
/// optional and left out, because they make next to no difference.
const KNOWN: [KnownEmbedder; 9] = [
    known("e5-", Pooling::Mean, "query: ", "passage: "),
    known(
        "nomic-embed",
        Pooling::Mean,
        "search_query: ",
        "search_document: ",
    ),
    known("arctic-embed", Pooling::Cls, REPRESENT, ""),
    known("mxbai-embed", Pooling::Cls, REPRESENT, ""),
    known("bge-", Pooling::Cls, "", ""),
    known("gte-", Pooling::Mean, "", ""),
    known("jina-embeddings-v2", Pooling::Mean, "", ""),
    known("all-minilm", Pooling::Mean, "", ""),
    known("all-mpnet", Pooling::Mean, "", ""),
];

const fn known(
    name: &'static str,
    pooling: Pooling,
    question: &'static str,
    passage: &'static str,
) -> KnownEmbedder {
    KnownEmbedder {
        name,
        pooling,
        question,
        passage,
    }
}

/// The pooling and prefixes of a well-known embedder.
pub(super) fn lookup(name: &str) -> Option<(Pooling, Prefixes)> {
    let name = name.to_lowercase();
    let known = KNOWN.iter().find(|known| name.contains(known.name))?;
    let prefixes = Prefixes {
        question: known.question.to_owned(),
        passage: known.passage.to_owned(),
    };
    Some((known.pooling, prefixes))
}

/// Whether the prefixes of an embedder of this name are known. They may be empty.
pub fn is_known_embedder(name: &str) -> bool {
    lookup(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names() {
        let (pooling, prefixes) = lookup("multilingual-E5-small").unwrap();
        assert_eq!(pooling, Pooling::Mean);
        assert_eq!(prefixes.passage, "passage: ");
        assert_eq!(lookup("bge-small-en-v1.5").unwrap().0, Pooling::Cls);
        assert!(lookup("my-own-model").is_none());
    }
}
