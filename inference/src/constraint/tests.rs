//! Which texts a constraint accepts.

use super::*;
use proptest::prelude::*;
use serde_json::json;

/// A vocabulary of all single bytes and some longer tokens.
fn token_trie() -> TokenTrie {
    let mut tokens: Vec<Box<[u8]>> = (0..=255_u8).map(|byte| Box::from([byte])).collect();
    for longer in [
        "true", "tru", "\":", "{\"", "12", "é", " and", ", ", "a\"", "[1",
    ] {
        tokens.push(longer.as_bytes().into());
    }
    tokens.push(Box::from([]));
    TokenTrie::new(tokens)
}

/// Writes tokens that `select` takes from the allowed ones, until the text ends or has `max` tokens. The
/// second value says whether it ended.
fn write(
    constraint: &Constraint,
    max: usize,
    mut select: impl FnMut(&[u32]) -> usize,
) -> (Vec<u8>, bool) {
    let trie = token_trie();
    let mut state = ConstraintState::new(constraint).unwrap();
    let mut text = Vec::new();
    for _ in 0..max {
        let allowed = state.allowed_tokens(&trie).unwrap();
        let ids: Vec<u32> = (0..300)
            .filter(|id| allowed.contains(*id as usize))
            .collect();
        let choice = select(&ids);
        if choice >= ids.len() {
            if allowed.may_end {
                return (text, true);
            }
            assert!(!ids.is_empty(), "the text can neither end nor continue");
        }
        let id = ids[choice % ids.len()];
        text.extend_from_slice(trie.bytes(id));
        state.advance(trie.bytes(id)).unwrap();
    }
    (text, false)
}

/// Whether the constraint accepts this text, byte by byte, and its end.
fn accepts(constraint: &Constraint, text: &str) -> bool {
    let trie = token_trie();
    let mut state = ConstraintState::new(constraint).unwrap();
    for byte in text.bytes() {
        let allowed = state.allowed_tokens(&trie).unwrap();
        if !allowed.contains(usize::from(byte)) {
            return false;
        }
        state.advance(&[byte]).unwrap();
    }
    state.allowed_tokens(&trie).unwrap().may_end
}

fn schema() -> serde_json::Value {
    json!({
        "type": "object",
        "required": ["found", "ids"],
        "properties": {
            "ids": { "type": "array", "items": { "type": "integer" }, "maxItems": 3 },
            "found": { "type": "boolean" },
            "note": { "type": "string", "maxLength": 4 },
            "kind": { "enum": ["a", "é", 7, null] },
            "size": { "anyOf": [{ "type": "number" }, { "type": "null" }] },
        },
        "additionalProperties": false,
    })
}

#[test]
fn only_json_of_the_schema_is_accepted() {
    let constraint = Constraint::Json(schema());
    let good = r#"{"found":true,"ids":[1,-20],"kind":"é","note":"aé\n☃","size":-0.25}"#;
    assert!(accepts(&constraint, good));
    for (right, wrong) in [
        ("true", "True"),
        ("[1,-20]", "[1,-20,3,4]"),
        ("-20", "-0"),
        ("-20", "020"),
        ("\"é\"", "\"b\""),
        ("aé\\n☃", "aé\\n☃x"),
        ("aé\\n☃", "a\"b"),
        ("-0.25", "-.25"),
        ("-0.25}", "-0.25"),
        (",\"kind\"", ",\"king\""),
        (":true", ": true"),
    ] {
        let bad = good.replacen(right, wrong, 1);
        assert!(!accepts(&constraint, &bad), "{bad}");
    }
}

#[test]
fn an_array_has_an_allowed_number_of_items() {
    let texts = ["[]", "[1]", "[1,1]", "[1,1,1]"];
    for (min, max) in [(0, 0), (0, 2), (1, 2), (2, 2)] {
        let constraint = Constraint::Json(json!({
            "type": "array", "items": { "const": 1 }, "minItems": min, "maxItems": max,
        }));
        for (count, text) in texts.iter().enumerate() {
            let expected = (min..=max).contains(&count);
            assert_eq!(accepts(&constraint, text), expected, "{min} {max} {text}");
        }
    }
}

#[test]
fn an_unsupported_keyword_is_refused_by_name() {
    for (schema, name) in [
        (json!({ "type": "string", "pattern": "a+" }), "pattern"),
        (json!({ "type": "integer", "minimum": 3 }), "minimum"),
        (json!({ "type": "date" }), "date"),
        (json!({ "$ref": "#/x" }), "type"),
        (json!({ "type": "object", "required": ["x"] }), "x"),
        (
            json!({ "type": "string", "maxLength": 1_u64 << 60 }),
            "large",
        ),
        (json!({ "type": "array", "items": true }), "object"),
        (json!({ "enum": [] }), "no text"),
    ] {
        let error = ConstraintState::new(&Constraint::Json(schema))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(name), "{error} does not name {name}");
    }
    assert!(ConstraintState::new(&Constraint::OneOf(vec![])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A finished text is JSON that the schema accepts, whichever tokens were selected.
    #[test]
    fn a_finished_text_satisfies_the_schema(choices in prop::collection::vec(0_usize..300, 200)) {
        let mut choices = choices.into_iter();
        let constraint = Constraint::Json(schema());
        let (text, ended) = write(&constraint, 200, |_| choices.next().unwrap());
        if ended {
            let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
            prop_assert!(value["found"].is_boolean());
            prop_assert!(value["ids"].as_array().unwrap().iter().all(serde_json::Value::is_i64));
            prop_assert!(value["note"].as_str().unwrap().chars().count() <= 4);
            prop_assert_eq!(value.as_object().unwrap().len(), 5);
        }
    }

    /// A finished text consists of the sentences, whichever tokens were selected.
    #[test]
    fn a_copy_consists_of_complete_sentences(choices in prop::collection::vec(0_usize..4, 80)) {
        let sentences = ["Wash and dry.".to_owned(), "Wash 12 é.".into(), "True, true.".into()];
        let mut choices = choices.into_iter();
        let constraint = Constraint::Copy(sentences.to_vec());
        let (text, ended) = write(&constraint, 80, |_| choices.next().unwrap());
        let mut rest = std::str::from_utf8(&text).ok();
        while let Some(text) = rest.take_if(|_| ended) {
            let after = sentences.iter().find_map(|sentence| text.strip_prefix(sentence.as_str()));
            let after = after.expect("a sentence begins here");
            rest = after.strip_prefix(' ');
            prop_assert!(rest.is_some() || after.is_empty());
        }
    }
}

#[test]
fn only_complete_texts_of_a_list_are_accepted() {
    let constraint = Constraint::OneOf(vec!["p12".into(), "p1".into(), "none".into()]);
    for (text, expected) in [
        ("p12", true),
        ("p1", true),
        ("none", true),
        ("p", false),
        ("p123", false),
    ] {
        assert_eq!(accepts(&constraint, text), expected, "{text}");
    }
}

#[test]
fn only_ids_of_the_list_are_cited() {
    let constraint = Constraint::Citing(vec!["1".into(), "12".into(), "3".into()]);
    for (text, expected) in [
        ("Within 72 h [1]. 5 < 6 é [12, 3][1]", true),
        ("Not answered.", true),
        ("", true),
        ("So [2].", false),
        ("So [13].", false),
        ("So [1,3].", false),
        ("So [1, ].", false),
        ("So [].", false),
        ("So [[1]].", false),
        ("So [1", false),
        ("So 1].", false),
    ] {
        assert_eq!(accepts(&constraint, text), expected, "{text}");
    }
}
