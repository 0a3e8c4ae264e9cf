//! JSON and JSON Lines: records with their names. Numbers are read as they are written.

use super::records::{RecordValue, write_value};
use crate::formats::common::encoding::{decode, is_text};
use crate::formats::common::sections::Sections;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use crate::wire::{Info, Refusal};

/// Maximum nesting depth.
const MAX_DEPTH: usize = 200;
/// Maximum number of values.
const MAX_VALUES: usize = 4_000_000;

/// JSON and JSON Lines.
pub const FORMAT: Format = Format {
    name: "json",
    label: "JSON",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
    let named = matches!(
        source.extension().as_str(),
        "json" | "jsonl" | "ndjson" | "geojson" | "webmanifest" | "fhir"
    );
    if !named || !is_text(source) {
        return false;
    }
    parse(&decode(&source.bytes)).is_ok()
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let value = parse(&decode(&source.bytes))?;
    let mut sections = Sections::default();
    write_value(&mut sections, "", &value, 1);
    let info = Info {
        format: FORMAT.name.to_owned(),
        ..Info::default()
    };
    sections.send(info, sink)
}

/// Parses one value, or several values that follow each other.
fn parse(text: &str) -> Result<RecordValue, Failure> {
    let mut parser = JsonParser {
        rest: text.trim_start_matches('\u{feff}'),
        values: 0,
    };
    let mut found = Vec::new();
    loop {
        parser.rest = parser.rest.trim_start();
        if parser.rest.is_empty() {
            break;
        }
        found.push(parser.value(0)?);
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            found.push(last);
            Ok(RecordValue::List(found))
        }
        (None, _) => Err(Refusal::Empty.into()),
    }
}

struct JsonParser<'t> {
    rest: &'t str,
    values: usize,
}

impl JsonParser<'_> {
    fn broken() -> Failure {
        Failure::damaged("it is not well-formed JSON")
    }

    /// Takes this sign if it comes next.
    fn takes(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        let after = self.rest.strip_prefix(sign);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn value(&mut self, depth: usize) -> Result<RecordValue, Failure> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return Err(Refusal::Inflates.into());
        }
        if self.takes('{') {
            self.record(depth)
        } else if self.takes('[') {
            self.list(depth)
        } else if self.rest.starts_with('"') {
            self.string().map(RecordValue::Text)
        } else {
            self.word()
        }
    }

    fn record(&mut self, depth: usize) -> Result<RecordValue, Failure> {
        let mut fields = Vec::new();
        if self.takes('}') {
            return Ok(RecordValue::Record(fields));
        }
        loop {
            self.rest = self.rest.trim_start();
            let name = self.string()?;
            if !self.takes(':') {
                return Err(Self::broken());
            }
            fields.push((name, self.value(depth + 1)?));
            if self.takes('}') {
                return Ok(RecordValue::Record(fields));
            }
            if !self.takes(',') {
                return Err(Self::broken());
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<RecordValue, Failure> {
        let mut items = Vec::new();
        if self.takes(']') {
            return Ok(RecordValue::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.takes(']') {
                return Ok(RecordValue::List(items));
            }
            if !self.takes(',') {
                return Err(Self::broken());
            }
        }
    }

    /// A number or a truth value, as it is written. `null` is empty.
    fn word(&mut self) -> Result<RecordValue, Failure> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        match word {
            "null" => Ok(RecordValue::Text(String::new())),
            "true" | "false" => Ok(RecordValue::Text(word.to_owned())),
            _ if is_number && word.parse::<f64>().is_ok() => Ok(RecordValue::Text(word.to_owned())),
            _ => Err(Self::broken()),
        }
    }

    fn string(&mut self) -> Result<String, Failure> {
        let inner = self.rest.strip_prefix('"').ok_or_else(Self::broken)?;
        let mut escaped = false;
        let end = inner.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let end = end.ok_or_else(Self::broken)?;
        let (text, rest) = inner.split_at(end);
        self.rest = rest.strip_prefix('"').unwrap_or(rest);
        if !text.contains('\\') {
            return Ok(text.to_owned());
        }
        let quoted = format!("\"{text}\"");
        serde_json::from_str(&quoted).map_err(|_broken| Self::broken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_are_written() {
        let value = parse(r#"{"dose": 1.10, "unit": "mg \u00b5", "last": null}"#).expect("JSON");
        assert_eq!(value.on_one_line(), "Dose: 1.10; Unit: mg µ");
        let lines = parse("{\"a\": 1}\n{\"a\": 2}\n").expect("JSON Lines");
        assert!(matches!(lines, RecordValue::List(items) if items.len() == 2));
        assert!(parse("{\"a\": }").is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
