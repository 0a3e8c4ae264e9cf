//! The key-value pairs in the header of a GGUF file
//! (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>).

use crate::error::{InferenceError, Result};
use candle_core::quantized::gguf_file::Value;
use std::collections::HashMap;
use std::path::Path;

/// The pairs, and the path of their file for error messages.
#[derive(Clone, Copy)]
pub(in crate::decoder) struct Metadata<'a> {
    pub values: &'a HashMap<String, Value>,
    pub path: &'a Path,
}

impl<'a> Metadata<'a> {
    pub(in crate::decoder) fn optional_integer(self, key: &str) -> Option<usize> {
        usize::try_from(to_integer(self.values.get(key)?)?).ok()
    }

    pub(in crate::decoder) fn integer(self, key: &str) -> Result<usize> {
        self.optional_integer(key).ok_or_else(|| self.missing(key))
    }

    pub(in crate::decoder) fn float(self, key: &str) -> Result<f32> {
        self.values
            .get(key)
            .and_then(|value| value.to_f32().ok())
            .ok_or_else(|| self.missing(key))
    }

    pub(in crate::decoder) fn flag(self, key: &str) -> Option<bool> {
        self.values.get(key)?.to_bool().ok()
    }

    pub(in crate::decoder) fn optional_text(self, key: &str) -> Option<&'a str> {
        self.values.get(key)?.to_string().ok().map(String::as_str)
    }

    pub(in crate::decoder) fn text(self, key: &str) -> Result<&'a str> {
        self.optional_text(key).ok_or_else(|| self.missing(key))
    }

    pub(in crate::decoder) fn texts(self, key: &str) -> Result<Vec<&'a str>> {
        let values = self
            .values
            .get(key)
            .and_then(|value| value.to_vec().ok())
            .ok_or_else(|| self.missing(key))?;
        values
            .iter()
            .map(|value| value.to_string().map(String::as_str))
            .collect::<candle_core::Result<_>>()
            .map_err(|error| self.damaged(format!("`{key}` has a value that is not text: {error}")))
    }

    /// The values of an array of floats.
    pub(in crate::decoder) fn floats(self, key: &str) -> Result<Vec<f32>> {
        let values = self.values.get(key).and_then(|value| value.to_vec().ok());
        let values = values.ok_or_else(|| self.missing(key))?;
        let floats = values
            .iter()
            .map(Value::to_f32)
            .collect::<candle_core::Result<_>>();
        floats.map_err(|error| {
            self.damaged(format!("`{key}` has a value that is not a float: {error}"))
        })
    }

    /// The length of an array; 0 if there is none.
    pub(in crate::decoder) fn array_length(self, key: &str) -> usize {
        let values = self.values.get(key).and_then(|value| value.to_vec().ok());
        values.map_or(0, Vec::len)
    }

    /// The values of an array of non-negative integers of any width.
    pub(in crate::decoder) fn integers(self, key: &str) -> Vec<u64> {
        let values = self.values.get(key).and_then(|value| value.to_vec().ok());
        let Some(values) = values else {
            return Vec::new();
        };
        let integers = values.iter().map(|value| to_integer(value).unwrap_or(0));
        integers.collect()
    }

    pub(in crate::decoder) fn unsupported(self, reason: String) -> InferenceError {
        InferenceError::Unsupported {
            path: self.path.to_owned(),
            reason,
        }
    }

    pub(in crate::decoder) fn damaged(self, reason: String) -> InferenceError {
        InferenceError::Damaged {
            path: self.path.to_owned(),
            reason,
        }
    }

    fn missing(self, key: &str) -> InferenceError {
        self.damaged(format!("its header has no valid `{key}`"))
    }
}

/// An integer of any width, if it is not negative.
fn to_integer(value: &Value) -> Option<u64> {
    let signed = value.to_i32().map(i64::from).or_else(|_| value.to_i64());
    match signed {
        Ok(number) => u64::try_from(number).ok(),
        Err(_) => value.to_u64().ok(),
    }
}
