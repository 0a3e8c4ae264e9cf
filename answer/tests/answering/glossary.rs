//! A term that no document writes is found by what it stands for, and the person is told so.

use crate::support::{House, Text};
use cloister_answer::SearchTask;
use cloister_answer::glossary::Glossary;
use cloister_store::DocumentFilter;

const GLOSSARY: &str = r#"
[[term]]
names = ["quick ratio"]
stands_for = ["inventories", "total current assets", "total current liabilities"]
"#;

#[tokio::test]
async fn a_term_leads_to_the_lines_that_it_is_read_from() {
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
    let house = House::with(&texts, None).await;
    let task = SearchTask {
        text: "How did the quick ratio change?".into(),
        limit: 2,
        filter: DocumentFilter::default(),
    };
    let plain = house
        .answerer
        .search(&house.library(), &task)
        .await
        .unwrap();
    assert_eq!(plain.passages[0].source.path, "menu.md");
    assert!(plain.meanings.is_empty());

    let glossary = Glossary::parse(GLOSSARY).unwrap();
    let answerer = house.answerer.clone().with_glossary(glossary);
    let found = answerer.search(&house.library(), &task).await.unwrap();
    assert_eq!(found.passages[0].source.path, "report.md");
    assert_eq!(
        found.meanings,
        [
            "inventories",
            "total current assets",
            "total current liabilities"
        ]
    );
    // Sentences are still chosen by the question as it was asked.
    assert_eq!(found.vector, plain.vector);
}
