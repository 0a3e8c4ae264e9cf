//! The chat template that a GGUF file carries, in Jinja.

use super::metadata::Metadata;
use super::vocabulary::Vocabulary;
use crate::error::{InferenceError, Result};
use crate::generator::GenerateRequest;
use minijinja::{Environment, Error, ErrorKind, Value, context};

/// The file's template, compiled.
pub(super) struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Compiles the template of the file's head.
    pub(super) fn read(head: Metadata<'_>) -> Result<Self> {
        let source = head.optional_text("tokenizer.chat_template");
        let source = source.ok_or_else(|| {
            let reason = "it has no chat template, as models have that were not trained to answer. \
                          Bring the one that was: its name often ends in `instruct` or `it`";
            head.unsupported(reason.into())
        })?;
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(|_, value, method, arguments| {
            python_method(value, method, arguments)
        });
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<Value, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment
            .add_template_owned("chat", source.to_owned())
            .map_err(|error| head.unsupported(format!("its chat template: {error}")))?;
        Ok(Self { environment })
    }

    /// The request as the model was trained to read it, up to where its answer begins.
    pub(super) fn render(
        &self,
        request: &GenerateRequest,
        vocabulary: &Vocabulary,
    ) -> Result<String> {
        let message = |role: &str, text: &str| {
            context! { role => role, content => vocabulary.without_specials(text) }
        };
        let mut messages = Vec::new();
        if let Some(system) = &request.system {
            messages.push(message("system", system));
        }
        for turn in &request.turns {
            messages.push(message("user", &turn.user));
            messages.push(message("assistant", &turn.assistant));
        }
        messages.push(message("user", &request.user));
        let variables = context! {
            messages => messages,
            add_generation_prompt => true,
            // Models that can think aloud answer at once.
            enable_thinking => false,
            bos_token => vocabulary.start_text,
            eos_token => vocabulary.end_text,
        };
        self.environment
            .get_template("chat")
            .and_then(|template| template.render(variables))
            .map_err(|error| InferenceError::Compute(format!("its chat template: {error}")))
    }
}

/// The Python string methods that templates in the wild call.
fn python_method(value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let unknown = || Error::from(ErrorKind::UnknownMethod);
    let text = value.as_str().ok_or_else(unknown)?;
    let argument = |index: usize| arguments.get(index).and_then(Value::as_str);
    let needed = |index: usize| argument(index).ok_or_else(unknown);
    let blank = |c: char| argument(0).map_or(c.is_whitespace(), |chars| chars.contains(c));
    Ok(match method {
        "strip" => Value::from(text.trim_matches(blank)),
        "lstrip" => Value::from(text.trim_start_matches(blank)),
        "rstrip" => Value::from(text.trim_end_matches(blank)),
        "startswith" => Value::from(text.starts_with(needed(0)?)),
        "endswith" => Value::from(text.ends_with(needed(0)?)),
        "split" => text.split(needed(0)?).map(Value::from).collect(),
        "replace" => Value::from(text.replace(needed(0)?, needed(1)?)),
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        _ => return Err(unknown()),
    })
}
