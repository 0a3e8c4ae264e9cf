use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Every byte a token, and some longer ones.
fn lexicon() -> Lexicon {
    let mut tokens: Vec<Box<[u8]>> = (0..=255_u8).map(|byte| Box::from([byte])).collect();
    for longer in [
        "true", "tru", "\":", "{\"", "12", "é", " and", ", ", "a\"", "[1",
    ] {
        tokens.push(longer.as_bytes().into());
    }
    tokens.push(Box::from([]));
    Lexicon::new(tokens)
}

/// Writes tokens that `choose` takes among those allowed, until the text ends or `most` are
/// written; whether it ended is the second value.
fn write(
    constraint: &Constraint,
    most: usize,
    mut choose: impl FnMut(&[u32]) -> usize,
) -> (Vec<u8>, bool) {
    let lexicon = lexicon();
    let mut constrained = Constrained::new(constraint).unwrap();
    let mut text = Vec::new();
    for _ in 0..most {
        let allowed = constrained.allowed(&lexicon).unwrap();
        let ids: Vec<u32> = (0..300).filter(|id| allowed.has(*id as usize)).collect();
        let choice = choose(&ids);
        if choice >= ids.len() {
            if allowed.ends {
                return (text, true);
            }
            assert!(!ids.is_empty(), "neither an end nor a way on");
        }
        let id = ids[choice % ids.len()];
        text.extend_from_slice(lexicon.bytes(id));
        constrained.take(lexicon.bytes(id)).unwrap();
    }
    (text, false)
}

/// Whether the constraint lets this text be written, byte by byte, and end.
fn takes(constraint: &Constraint, text: &str) -> bool {
    let lexicon = lexicon();
    let mut constrained = Constrained::new(constraint).unwrap();
    for byte in text.bytes() {
        if !constrained
            .allowed(&lexicon)
            .unwrap()
            .has(usize::from(byte))
        {
            return false;
        }
        constrained.take(&[byte]).unwrap();
    }
    constrained.allowed(&lexicon).unwrap().ends
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
fn json_of_a_schema_is_taken_and_nothing_else() {
    let constraint = Constraint::Json(schema());
    let good = r#"{"found":true,"ids":[1,-20],"kind":"é","note":"aé\n☃","size":-0.25}"#;
    assert!(takes(&constraint, good));
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
        assert!(!takes(&constraint, &bad), "{bad}");
    }
}

#[test]
fn an_array_has_as_many_items_as_it_may() {
    let of = |least: usize, most: usize| {
        Constraint::Json(json!({
            "type": "array", "items": { "const": 1 }, "minItems": least, "maxItems": most,
        }))
    };
    let texts = ["[]", "[1]", "[1,1]", "[1,1,1]"];
    for (least, most) in [(0, 0), (0, 2), (1, 2), (2, 2)] {
        for (count, text) in texts.iter().enumerate() {
            let expected = (least..=most).contains(&count);
            assert_eq!(
                takes(&of(least, most), text),
                expected,
                "{least} {most} {text}"
            );
        }
    }
}

#[test]
fn what_a_schema_asks_and_is_not_known_is_refused_by_name() {
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
        (json!({ "enum": [] }), "nothing"),
    ] {
        let error = Constrained::new(&Constraint::Json(schema))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(name), "{error} does not name {name}");
    }
    assert!(Constrained::new(&Constraint::OneOf(vec![])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is chosen, a text that ended is JSON that the schema accepts.
    #[test]
    fn a_finished_text_keeps_the_schema(choices in prop::collection::vec(0_usize..300, 200)) {
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

    /// Whatever is chosen, a text that ended is made of the sentences.
    #[test]
    fn a_copy_is_whole_sentences(choices in prop::collection::vec(0_usize..4, 80)) {
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
fn one_of_a_list_is_taken_and_no_part_of_it() {
    let constraint = Constraint::OneOf(vec!["p12".into(), "p1".into(), "none".into()]);
    for (text, expected) in [
        ("p12", true),
        ("p1", true),
        ("none", true),
        ("p", false),
        ("p123", false),
    ] {
        assert_eq!(takes(&constraint, text), expected, "{text}");
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
        assert_eq!(takes(&constraint, text), expected, "{text}");
    }
}
