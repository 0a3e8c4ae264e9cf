//! The key-value pairs at the head of a GGUF file
//! (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>).

use crate::error::{InferenceError, Result};
use candle_core::quantized::gguf_file::Value;
use std::collections::HashMap;
use std::path::Path;

/// The pairs, and the file they are from, for the messages.
#[derive(Clone, Copy)]
pub(super) struct Metadata<'a> {
    pub values: &'a HashMap<String, Value>,
    pub path: &'a Path,
}

impl<'a> Metadata<'a> {
    pub(super) fn optional_integer(self, key: &str) -> Option<usize> {
        usize::try_from(whole(self.values.get(key)?)?).ok()
    }

    pub(super) fn integer(self, key: &str) -> Result<usize> {
        self.optional_integer(key).ok_or_else(|| self.lacks(key))
    }

    pub(super) fn float(self, key: &str) -> Result<f32> {
        self.values
            .get(key)
            .and_then(|value| value.to_f32().ok())
            .ok_or_else(|| self.lacks(key))
    }

    pub(super) fn flag(self, key: &str) -> Option<bool> {
        self.values.get(key)?.to_bool().ok()
    }

    pub(super) fn optional_text(self, key: &str) -> Option<&'a str> {
        self.values.get(key)?.to_string().ok().map(String::as_str)
    }

    pub(super) fn text(self, key: &str) -> Result<&'a str> {
        self.optional_text(key).ok_or_else(|| self.lacks(key))
    }

    pub(super) fn texts(self, key: &str) -> Result<Vec<&'a str>> {
        let values = self
            .values
            .get(key)
            .and_then(|value| value.to_vec().ok())
            .ok_or_else(|| self.lacks(key))?;
        values
            .iter()
            .map(|value| value.to_string().map(String::as_str))
            .collect::<candle_core::Result<_>>()
            .map_err(|error| {
                self.damaged(format!("`{key}` holds something else than text: {error}"))
            })
    }

    /// The numbers of an array of floats.
    pub(super) fn floats(self, key: &str) -> Result<Vec<f32>> {
        let values = self.values.get(key).and_then(|value| value.to_vec().ok());
        let values = values.ok_or_else(|| self.lacks(key))?;
        let floats = values
            .iter()
            .map(Value::to_f32)
            .collect::<candle_core::Result<_>>();
        floats.map_err(|error| self.damaged(format!("`{key}` holds something else: {error}")))
    }

    /// Elements of an array; 0 where there is none.
    pub(super) fn length(self, key: &str) -> usize {
        let values = self.values.get(key).and_then(|value| value.to_vec().ok());
        values.map_or(0, Vec::len)
    }

    /// The numbers of an array of small integers, whatever their width.
    pub(super) fn integers(self, key: &str) -> Vec<u64> {
        let values = self.values.get(key).and_then(|value| value.to_vec().ok());
        let number = |value| whole(value).unwrap_or(0);
        values.map_or_else(Vec::new, |values| values.iter().map(number).collect())
    }

    pub(super) fn unsupported(self, reason: String) -> InferenceError {
        InferenceError::Unsupported {
            path: self.path.to_owned(),
            reason,
        }
    }

    pub(super) fn damaged(self, reason: String) -> InferenceError {
        InferenceError::Damaged {
            path: self.path.to_owned(),
            reason,
        }
    }

    fn lacks(self, key: &str) -> InferenceError {
        self.damaged(format!("its head has no usable `{key}`"))
    }
}

/// A whole number of any width and sign that fits.
fn whole(value: &Value) -> Option<u64> {
    let signed = value.to_i32().map(i64::from).or_else(|_| value.to_i64());
    match signed {
        Ok(number) => u64::try_from(number).ok(),
        Err(_) => value.to_u64().ok(),
    }
}
