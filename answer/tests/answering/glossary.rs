//! A term that no document has is found by its glossary meanings, which the result names.

use crate::support::{Text, Workspace};
use cloister_answer::{Answerer, AnswererParts, Glossary, SearchQuery};
use cloister_store::DocumentFilter;
use std::sync::Arc;

const GLOSSARY: &str = r#"
[[term]]
names = ["quick ratio"]
meanings = ["inventories", "total current assets", "total current liabilities"]
"#;

#[tokio::test]
async fn a_term_is_found_by_its_meanings() {
    let texts = [
        Text {
            path: "menu.md",
            title: "Kitchen",
            heading: "Lunch",
            sentences: &["How did the quick lunch change for patients?"],
        },
        Text {
            path: "report.md",
            title: "Report",
            heading: "Position",
            sentences: &[
                "Inventories 2,213; total current assets 5,308; total current liabilities 4,476.",
            ],
        },
    ];
    let workspace = Workspace::with(&texts, None).await;
    let query = SearchQuery {
        text: "How did the quick ratio change?".into(),
        limit: 2,
        filter: DocumentFilter::default(),
    };
    let plain = workspace
        .answerer()
        .search(&workspace.library(), &query)
        .await
        .unwrap();
    assert_eq!(plain.passages[0].source.path, "menu.md");
    assert!(plain.expansions.is_empty());

    let glossary = Glossary::parse(GLOSSARY).unwrap();
    let answerer = Answerer::new(AnswererParts {
        glossary: Arc::new(glossary),
        ..workspace.parts.clone()
    });
    let found = answerer.search(&workspace.library(), &query).await.unwrap();
    assert_eq!(found.passages[0].source.path, "report.md");
    assert_eq!(
        found.expansions,
        [
            "inventories",
            "total current assets",
            "total current liabilities"
        ]
    );
    // Sentences are scored by the question without its expansions.
    assert_eq!(found.query_vector, plain.query_vector);
}
