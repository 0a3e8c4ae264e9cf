//! The prompts of the most used model families, in `tests/golden/chat_templates.toml`.

use super::*;
use crate::decoder::import::Metadata;
use candle_core::quantized::gguf_file::Value as GgufValue;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

#[derive(serde::Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    family: String,
    template: String,
    /// Empty if the file declares none.
    bos: String,
    eos: String,
    adds_bos: bool,
    #[serde(default)]
    special: Vec<String>,
    #[serde(default)]
    ends: Vec<String>,
    prompt: String,
}

/// The tokens of byte-level BPE for single bytes.
fn byte_tokens() -> Vec<String> {
    let is_printable = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..256).filter(|byte| !is_printable(byte)).count();
    let others = (256..256 + u32::try_from(others).unwrap()).filter_map(char::from_u32);
    let printable = (0..256).filter(is_printable).filter_map(char::from_u32);
    printable.chain(others).map(String::from).collect()
}

/// The header of a file with this template, whose vocabulary has single bytes and special tokens.
fn header(case: &Case) -> HashMap<String, GgufValue> {
    const CONTROL: i32 = 3;
    let mut tokens = byte_tokens();
    let mut types = vec![1; tokens.len()];
    for special in case.special.iter().chain([&case.bos, &case.eos]) {
        if !special.is_empty() && !tokens.contains(special) {
            tokens.push(special.clone());
            types.push(CONTROL);
        }
    }
    let id = |token: &str| tokens.iter().position(|own| own == token);
    let ids = [("bos", id(&case.bos)), ("eos", id(&case.eos))];
    let texts =
        |texts: &[String]| GgufValue::Array(texts.iter().cloned().map(GgufValue::String).collect());
    let mut header = HashMap::from([
        ("model".into(), GgufValue::String("gpt2".into())),
        ("tokens".into(), texts(&tokens)),
        ("merges".into(), texts(&[])),
        (
            "token_type".into(),
            GgufValue::Array(types.into_iter().map(GgufValue::I32).collect()),
        ),
        ("add_bos_token".into(), GgufValue::Bool(case.adds_bos)),
    ]);
    for (name, id) in ids {
        if let Some(id) = id {
            let id = GgufValue::U32(u32::try_from(id).unwrap());
            header.insert(format!("{name}_token_id"), id);
        }
    }
    let mut header: HashMap<String, GgufValue> = header
        .into_iter()
        .map(|(key, value): (String, GgufValue)| (format!("tokenizer.ggml.{key}"), value))
        .collect();
    let template = GgufValue::String(case.template.clone());
    header.insert("tokenizer.chat_template".into(), template);
    header
}

fn request() -> GenerateRequest {
    GenerateRequest {
        system: Some("Be short.".into()),
        user: "C?".into(),
        turns: vec![crate::request::ChatTurn {
            user: "A?".into(),
            assistant: "B.".into(),
        }],
        ..GenerateRequest::default()
    }
}

#[test]
fn prompts_and_ends_of_the_most_used_families() {
    let cases: Cases =
        toml::from_str(include_str!("../../../../tests/golden/chat_templates.toml")).unwrap();
    assert!(cases.case.len() >= 20);
    for case in &cases.case {
        let family = &case.family;
        let header = header(case);
        let metadata = Metadata {
            values: &header,
            path: Path::new(family),
        };
        let template = ChatTemplate::read(metadata).unwrap();
        let mut vocabulary = Vocabulary::read(metadata).unwrap();
        vocabulary.add_end_tokens(template.end_tokens(&vocabulary), family);
        let ids = template.prompt_ids(&request(), &vocabulary).unwrap();
        let prompt = vocabulary.tokenizer.decode(&ids, false).unwrap();
        assert_eq!(prompt, case.prompt, "{family}");
        let ends: BTreeSet<&String> = case.ends.iter().chain([&case.eos]).collect();
        let ends = ends.into_iter().filter(|end| !end.is_empty());
        let expected: BTreeSet<u32> = ends
            .map(|end| vocabulary.tokenizer.token_to_id(end).unwrap())
            .collect();
        let found: BTreeSet<u32> = vocabulary.end_tokens.iter().copied().collect();
        assert_eq!(found, expected, "{family}");
    }
}
