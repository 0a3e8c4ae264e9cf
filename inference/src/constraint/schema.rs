//! From a JSON schema (draft 2020-12, a part of it) to a pattern. What is not known is refused:
//! a keyword that is passed over would be a promise that is not kept.

use super::pattern::Pattern;
use super::refused;
use crate::error::Result;
use serde_json::{Map, Value};

/// Schemas inside schemas at most.
const DEEPEST: usize = 32;

/// Digits of a number before the point at most, and after it.
const MOST_DIGITS: usize = 15;

/// Keywords that change nothing about what is accepted.
const REMARKS: [&str; 5] = ["title", "description", "$schema", "default", "examples"];

/// The texts that `schema` accepts, written without spaces.
pub(super) fn pattern(schema: &Value) -> Result<Pattern> {
    of(schema, 0)
}

fn of(schema: &Value, depth: usize) -> Result<Pattern> {
    let Value::Object(schema) = schema else {
        return Err(refused("a schema is not an object"));
    };
    if depth > DEEPEST {
        return Err(refused("its schemas lie too deep in each other"));
    }
    if let Some(value) = schema.get("const") {
        only(schema, &["const", "type"])?;
        return Ok(literal(value));
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        only(schema, &["enum", "type"])?;
        return Ok(Pattern::Any(values.iter().map(literal).collect()));
    }
    if let Some(Value::Array(schemas)) = schema.get("anyOf") {
        only(schema, &["anyOf"])?;
        let parts = schemas.iter().map(|schema| of(schema, depth + 1));
        return Ok(Pattern::Any(parts.collect::<Result<_>>()?));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => object(schema, depth),
        Some("array") => array(schema, depth),
        Some("string") => string(schema),
        Some("integer") => only(schema, &["type"]).map(|()| integer()),
        Some("number") => only(schema, &["type"]).map(|()| number()),
        Some("boolean") => only(schema, &["type"])
            .map(|()| Pattern::Any(vec![Pattern::text("true"), Pattern::text("false")])),
        Some("null") => only(schema, &["type"]).map(|()| Pattern::text("null")),
        Some(other) => Err(refused(format!("the type `{other}` is not known"))),
        None => Err(refused("a schema names no `type`")),
    }
}

/// Refuses keywords that are neither known here nor remarks.
fn only(schema: &Map<String, Value>, known: &[&str]) -> Result<()> {
    let stranger =
        |key: &&String| !known.contains(&key.as_str()) && !REMARKS.contains(&key.as_str());
    match schema.keys().find(stranger) {
        Some(key) => Err(refused(format!("the keyword `{key}` is not known here"))),
        None => Ok(()),
    }
}

fn literal(value: &Value) -> Pattern {
    Pattern::text(&value.to_string())
}

fn object(schema: &Map<String, Value>, depth: usize) -> Result<Pattern> {
    only(
        schema,
        &["type", "properties", "required", "additionalProperties"],
    )?;
    if schema
        .get("additionalProperties")
        .is_some_and(|more| *more != Value::Bool(false))
    {
        return Err(refused("`additionalProperties` can only be `false`"));
    }
    let empty = Map::new();
    let properties = match schema.get("properties") {
        Some(Value::Object(properties)) => properties,
        Some(_) => return Err(refused("`properties` is not an object")),
        None => &empty,
    };
    let mut parts = vec![Pattern::text("{")];
    for (index, name) in order(schema, properties)?.into_iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        parts.push(Pattern::text(&format!("{comma}{}:", Value::from(name))));
        let property = properties.get(name);
        let missing = || refused(format!("`{name}` is required and not described"));
        parts.push(of(property.ok_or_else(missing)?, depth + 1)?);
    }
    parts.push(Pattern::text("}"));
    Ok(Pattern::All(parts))
}

/// The names as `required` has them, then the others.
fn order<'a>(
    schema: &'a Map<String, Value>,
    properties: &'a Map<String, Value>,
) -> Result<Vec<&'a str>> {
    let mut names = Vec::new();
    if let Some(required) = schema.get("required") {
        for name in required.as_array().into_iter().flatten() {
            let name = name
                .as_str()
                .ok_or_else(|| refused("`required` holds more than names"))?;
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

fn array(schema: &Map<String, Value>, depth: usize) -> Result<Pattern> {
    only(schema, &["type", "items", "minItems", "maxItems"])?;
    let items = schema
        .get("items")
        .ok_or_else(|| refused("an array says no `items`"))?;
    let (least, most) = (count(schema, "minItems")?, count(schema, "maxItems")?);
    let item = of(items, depth + 1)?;
    let more = Pattern::All(vec![Pattern::text(","), item.clone()]);
    let least = least.unwrap_or(0);
    let most = most.map(|most| most.max(least));
    let filled = Pattern::All(vec![
        item,
        more.times(
            least.saturating_sub(1),
            most.map(|most| most.saturating_sub(1)),
        ),
    ]);
    let inside = match (least, most) {
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

fn string(schema: &Map<String, Value>) -> Result<Pattern> {
    only(schema, &["type", "minLength", "maxLength"])?;
    let least = count(schema, "minLength")?.unwrap_or(0);
    let most = count(schema, "maxLength")?;
    let hexadecimal = Pattern::Any(vec![Pattern::Byte(b'0', b'9'), Pattern::Byte(b'a', b'f')]);
    // Only the two-letter escapes and those of the control characters: others would name a
    // character that can stand for itself, or half of one.
    let control = Pattern::All(vec![
        Pattern::text("u00"),
        Pattern::Byte(b'0', b'1'),
        hexadecimal,
    ]);
    let escape = Pattern::Any(vec![Pattern::byte_of(b"\"\\/bfnrt"), control]);
    let character = Pattern::Any(vec![
        Pattern::Byte(0x20, 0x21),
        Pattern::Byte(0x23, 0x5b),
        Pattern::Byte(0x5d, 0x7e),
        Pattern::beyond_ascii(),
        Pattern::All(vec![Pattern::text("\\"), escape]),
    ]);
    let quote = || Pattern::text("\"");
    Ok(Pattern::All(vec![
        quote(),
        character.times(least, most),
        quote(),
    ]))
}

fn digits(least: usize) -> Pattern {
    Pattern::Byte(b'0', b'9').times(least, Some(MOST_DIGITS))
}

fn integer() -> Pattern {
    let first = Pattern::Byte(b'1', b'9');
    let positive = Pattern::All(vec![
        first,
        Pattern::Byte(b'0', b'9').times(0, Some(MOST_DIGITS - 1)),
    ]);
    let signed = Pattern::All(vec![Pattern::text("-").optional(), positive]);
    Pattern::Any(vec![Pattern::text("0"), signed])
}

fn number() -> Pattern {
    let fraction = Pattern::All(vec![Pattern::text("."), digits(1)]);
    let small = Pattern::All(vec![Pattern::text("-0."), digits(1)]);
    let usual = Pattern::All(vec![integer(), fraction.optional()]);
    Pattern::Any(vec![usual, small])
}

fn count(schema: &Map<String, Value>, key: &str) -> Result<Option<usize>> {
    match schema.get(key) {
        None => Ok(None),
        Some(value) => {
            let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
            let wrong = || refused(format!("`{key}` is not a whole number"));
            count.map(Some).ok_or_else(wrong)
        }
    }
}
