//! Retrieved passages for tests.

use crate::model::hit::RetrievedPassage;
use cloister_domain::{
    ByteRange, CollectionId, DocumentId, DocumentMetadata, FileHash, Passage, PassageDraft,
    PassageId, PassageRow, PassageSpan, RevisionId, TableCell, TableRow, Timestamp,
};
use cloister_store::RevisionRecord;

/// A passage of one sentence, of the only revision of a document.
pub(crate) fn retrieved(passage: i64, document: i64, text: &str) -> RetrievedPassage {
    let revision = RevisionId(document);
    let (document, collection) = (DocumentId(document), CollectionId(1));
    let draft = PassageDraft {
        text: text.into(),
        spans: vec![],
        headings: vec!["Visiting".into()],
        sentences: vec![ByteRange::new(0, text.len())],
        tokens: 9,
        doubtful: Vec::new(),
        rows: Vec::new(),
        row_of: None,
    };
    RetrievedPassage {
        passage: Passage {
            id: PassageId(passage),
            revision,
            document,
            collection,
            row_of: None,
            draft,
        },
        source: RevisionRecord {
            id: revision,
            document,
            collection,
            collection_name: "wards".into(),
            path: "hours.md".into(),
            hash: FileHash::digest(text.as_bytes()),
            title: "House rules of St Anne".into(),
            format: "markdown".into(),
            language: None,
            dated: None,
            stated_effective: None,
            pages: 1,
            effective_from: Timestamp::from_millis(0),
            superseded_at: None,
            incomplete: false,
            metadata: DocumentMetadata::default(),
        },
        score: 1.0,
        lexical: None,
        dense: Some(0.5),
    }
}

/// A passage of these sentences, each on a line of one page.
pub(crate) fn retrieved_lines(lines: &[&str]) -> RetrievedPassage {
    let text = lines.join("\n");
    let mut hit = retrieved(1, 1, &text);
    let draft = &mut hit.passage.draft;
    draft.spans = vec![PassageSpan {
        page: 1,
        range: ByteRange::new(0, text.len()),
    }];
    draft.sentences.clear();
    let mut start = 0;
    for line in lines {
        draft
            .sentences
            .push(ByteRange::new(start, start + line.len()));
        start += line.len() + 1;
    }
    hit
}

/// A passage that is one table. The first `header` rows name the columns. Empty cells are left out
/// of the cells, as readers do.
pub fn retrieved_table(header: usize, rows: &[&[&str]]) -> RetrievedPassage {
    let lines: Vec<String> = rows.iter().map(|cells| cells.join(" | ")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut hit = retrieved_lines(&lines);
    let draft = &mut hit.passage.draft;
    for (index, (cells, range)) in rows.iter().zip(draft.sentences.clone()).enumerate() {
        let (mut start, mut known) = (range.start, Vec::new());
        for (column, cell) in (0..).zip(*cells) {
            let range = ByteRange::new(start, start + cell.len());
            if !cell.is_empty() {
                known.push(TableCell {
                    range,
                    column,
                    span: 1,
                });
            }
            start = range.end + " | ".len();
        }
        draft.rows.push(PassageRow {
            range,
            row: TableRow {
                starts_table: index == 0,
                is_header: index < header,
                cells: known,
            },
        });
    }
    hit
}
