//! Translates a subset of JSON Schema (draft 2020-12) to a pattern. Unsupported keywords are refused:
//! ignoring one would break the guarantee that the text satisfies the schema.

use super::pattern::Pattern;
use super::unsupported;
use crate::error::Result;
use serde_json::{Map, Value};

/// The maximum nesting of schemas.
const MAX_DEPTH: usize = 32;

/// The maximum of digits before the decimal point, and after it.
const MAX_DIGITS: usize = 15;

/// Keywords that do not affect validation.
const ANNOTATIONS: [&str; 5] = ["title", "description", "$schema", "default", "examples"];

/// The texts that `schema` accepts, written without spaces.
pub(super) fn to_pattern(schema: &Value) -> Result<Pattern> {
    schema_pattern(schema, 0)
}

fn schema_pattern(schema: &Value, depth: usize) -> Result<Pattern> {
    let Value::Object(schema) = schema else {
        return Err(unsupported("a schema is not an object"));
    };
    if depth > MAX_DEPTH {
        return Err(unsupported("its schemas are nested too deeply"));
    }
    if let Some(value) = schema.get("const") {
        check_keywords(schema, &["const", "type"])?;
        return Ok(literal(value));
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        check_keywords(schema, &["enum", "type"])?;
        return Ok(Pattern::Any(values.iter().map(literal).collect()));
    }
    if let Some(Value::Array(schemas)) = schema.get("anyOf") {
        check_keywords(schema, &["anyOf"])?;
        let parts = schemas
            .iter()
            .map(|schema| schema_pattern(schema, depth + 1));
        return Ok(Pattern::Any(parts.collect::<Result<_>>()?));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => object_pattern(schema, depth),
        Some("array") => array_pattern(schema, depth),
        Some("string") => string_pattern(schema),
        Some("integer") => check_keywords(schema, &["type"]).map(|()| integer_pattern()),
        Some("number") => check_keywords(schema, &["type"]).map(|()| number_pattern()),
        Some("boolean") => check_keywords(schema, &["type"])
            .map(|()| Pattern::Any(vec![Pattern::text("true"), Pattern::text("false")])),
        Some("null") => check_keywords(schema, &["type"]).map(|()| Pattern::text("null")),
        Some(other) => Err(unsupported(format!("the type `{other}` is not supported"))),
        None => Err(unsupported("a schema has no `type`")),
    }
}

/// Refuses keywords that are neither supported here nor annotations.
fn check_keywords(schema: &Map<String, Value>, known: &[&str]) -> Result<()> {
    for key in schema.keys() {
        if !known.contains(&key.as_str()) && !ANNOTATIONS.contains(&key.as_str()) {
            return Err(unsupported(format!("the keyword `{key}` is not supported")));
        }
    }
    Ok(())
}

fn literal(value: &Value) -> Pattern {
    Pattern::text(&value.to_string())
}

fn object_pattern(schema: &Map<String, Value>, depth: usize) -> Result<Pattern> {
    check_keywords(
        schema,
        &["type", "properties", "required", "additionalProperties"],
    )?;
    if schema
        .get("additionalProperties")
        .is_some_and(|more| *more != Value::Bool(false))
    {
        return Err(unsupported("`additionalProperties` can only be `false`"));
    }
    let empty = Map::new();
    let properties = match schema.get("properties") {
        Some(Value::Object(properties)) => properties,
        Some(_) => return Err(unsupported("`properties` is not an object")),
        None => &empty,
    };
    let mut parts = vec![Pattern::text("{")];
    for (index, name) in property_order(schema, properties)?.into_iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        parts.push(Pattern::text(&format!("{comma}{}:", Value::from(name))));
        let property = properties.get(name);
        let property = property.ok_or_else(|| {
            unsupported(format!("`{name}` is required and missing in `properties`"))
        })?;
        parts.push(schema_pattern(property, depth + 1)?);
    }
    parts.push(Pattern::text("}"));
    Ok(Pattern::All(parts))
}

/// The property names: those of `required` in its order, then the others by name.
fn property_order<'a>(
    schema: &'a Map<String, Value>,
    properties: &'a Map<String, Value>,
) -> Result<Vec<&'a str>> {
    let mut names = Vec::new();
    if let Some(required) = schema.get("required") {
        for name in required.as_array().into_iter().flatten() {
            let name = name
                .as_str()
                .ok_or_else(|| unsupported("`required` has a value that is not a name"))?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let mut others: Vec<&str> = properties.keys().map(String::as_str).collect();
    others.retain(|name| !names.contains(name));
    others.sort_unstable();
    names.extend(others);
    Ok(names)
}

fn array_pattern(schema: &Map<String, Value>, depth: usize) -> Result<Pattern> {
    check_keywords(schema, &["type", "items", "minItems", "maxItems"])?;
    let items = schema
        .get("items")
        .ok_or_else(|| unsupported("an array has no `items`"))?;
    let item = schema_pattern(items, depth + 1)?;
    let more = Pattern::All(vec![Pattern::text(","), item.clone()]);
    let min = parse_count(schema, "minItems")?.unwrap_or(0);
    let max = parse_count(schema, "maxItems")?.map(|max| max.max(min));
    let filled = Pattern::All(vec![
        item,
        more.repeat(min.saturating_sub(1), max.map(|max| max.saturating_sub(1))),
    ]);
    let inside = match (min, max) {
        (_, Some(0)) => Pattern::text(""),
        (0, _) => filled.optional(),
        _ => filled,
    };
    Ok(Pattern::All(vec![
        Pattern::text("["),
        inside,
        Pattern::text("]"),
    ]))
}

fn string_pattern(schema: &Map<String, Value>) -> Result<Pattern> {
    check_keywords(schema, &["type", "minLength", "maxLength"])?;
    let min = parse_count(schema, "minLength")?.unwrap_or(0);
    let max = parse_count(schema, "maxLength")?;
    let hexadecimal = Pattern::Any(vec![Pattern::Byte(b'0', b'9'), Pattern::Byte(b'a', b'f')]);
    // Only the two-letter escapes and those of control characters: other escapes name a character that
    // needs none, or half of a character.
    let control = Pattern::All(vec![
        Pattern::text("u00"),
        Pattern::Byte(b'0', b'1'),
        hexadecimal,
    ]);
    let escape = Pattern::Any(vec![Pattern::any_byte(b"\"\\/bfnrt"), control]);
    let character = Pattern::Any(vec![
        Pattern::Byte(0x20, 0x21),
        Pattern::Byte(0x23, 0x5b),
        Pattern::Byte(0x5d, 0x7e),
        Pattern::non_ascii(),
        Pattern::All(vec![Pattern::text("\\"), escape]),
    ]);
    Ok(Pattern::All(vec![
        Pattern::text("\""),
        character.repeat(min, max),
        Pattern::text("\""),
    ]))
}

fn digits(min: usize) -> Pattern {
    Pattern::Byte(b'0', b'9').repeat(min, Some(MAX_DIGITS))
}

fn integer_pattern() -> Pattern {
    let first = Pattern::Byte(b'1', b'9');
    let positive = Pattern::All(vec![
        first,
        Pattern::Byte(b'0', b'9').repeat(0, Some(MAX_DIGITS - 1)),
    ]);
    let signed = Pattern::All(vec![Pattern::text("-").optional(), positive]);
    Pattern::Any(vec![Pattern::text("0"), signed])
}

fn number_pattern() -> Pattern {
    let fraction = Pattern::All(vec![Pattern::text("."), digits(1)]);
    let small = Pattern::All(vec![Pattern::text("-0."), digits(1)]);
    let usual = Pattern::All(vec![integer_pattern(), fraction.optional()]);
    Pattern::Any(vec![usual, small])
}

fn parse_count(schema: &Map<String, Value>, key: &str) -> Result<Option<usize>> {
    let Some(value) = schema.get(key) else {
        return Ok(None);
    };
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or_else(|| unsupported(format!("`{key}` is not an integer")))?;
    Ok(Some(count))
}
