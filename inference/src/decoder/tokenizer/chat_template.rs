//! The chat template of a GGUF file, in Jinja.

use super::Vocabulary;
use crate::decoder::import::Metadata;
use crate::decoder::thinking;
use crate::error::{InferenceError, Result};
use crate::request::GenerateRequest;
use minijinja::{Environment, Error, ErrorKind, Value, context};

/// The system turn and the user turn of the conversation that a template is tried with.
const PROBE: [(&str, &str); 2] = [("system", "9e1f-system"), ("user", "9e1f-user")];

/// A compiled chat template.
pub(in crate::decoder) struct ChatTemplate {
    environment: Environment<'static>,
    /// Whether the template refuses or ignores a system turn. Its text is then the start of the first user turn.
    folds_system: bool,
}

impl ChatTemplate {
    /// Compiles the template of a file's header.
    pub(in crate::decoder) fn read(metadata: Metadata<'_>) -> Result<Self> {
        let source = metadata.optional_text("tokenizer.chat_template");
        let source = source.ok_or_else(|| {
            let reason = "it has no chat template, so it was not trained to answer. Use the variant \
                          that was: its name often ends in `instruct` or `it`";
            metadata.unsupported(reason.into())
        })?;
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(|_, value, method, arguments| {
            call_python_method(value, method, arguments)
        });
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<Value, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment
            .add_template_owned("chat", source.to_owned())
            .map_err(|error| metadata.unsupported(format!("its chat template: {error}")))?;
        let mut template = Self {
            environment,
            folds_system: false,
        };
        let [_, (_, user)] = PROBE;
        let with_system = template.try_roles(&PROBE);
        template.folds_system =
            !with_system.is_ok_and(|prompt| PROBE.iter().all(|(_, text)| prompt.contains(text)));
        if template.folds_system {
            let alone = template.try_roles(&[("user", user)]);
            let prompt = alone
                .map_err(|error| metadata.unsupported(format!("its chat template: {error}")))?;
            if !prompt.contains(user) {
                let reason = "its chat template leaves out what the user says";
                return Err(metadata.unsupported(reason.into()));
            }
        }
        Ok(template)
    }

    fn try_roles(&self, messages: &[(&str, &str)]) -> Result<String, Error> {
        let messages = messages.iter();
        let messages = messages.map(|(role, text)| context! { role => role, content => text });
        self.render_messages(&messages.collect::<Vec<_>>(), "", "")
    }

    fn render_messages(
        &self,
        messages: &[Value],
        start_text: &str,
        end_text: &str,
    ) -> Result<String, Error> {
        let template = self.environment.get_template("chat")?;
        template.render(context! {
            messages => messages,
            add_generation_prompt => true,
            // Reasoning models answer without a reasoning text.
            enable_thinking => false,
            bos_token => start_text,
            eos_token => end_text,
        })
    }

    /// The prompt of a request, up to where the answer starts. If the template opens the model's thoughts, they are
    /// closed.
    pub(in crate::decoder) fn render(
        &self,
        request: &GenerateRequest,
        vocabulary: &Vocabulary,
    ) -> Result<String> {
        let mut messages = Vec::new();
        let mut folded = String::new();
        match &request.system {
            Some(system) if self.folds_system => folded = format!("{system}\n\n"),
            Some(system) => messages.push(message("system", system, vocabulary)),
            None => {}
        }
        for turn in &request.turns {
            let user = std::mem::take(&mut folded) + &turn.user;
            messages.push(message("user", &user, vocabulary));
            messages.push(message("assistant", &turn.assistant, vocabulary));
        }
        messages.push(message("user", &(folded + &request.user), vocabulary));
        let prompt = self.render_messages(&messages, &vocabulary.start_text, &vocabulary.end_text);
        let prompt = prompt
            .map_err(|error| InferenceError::Compute(format!("its chat template: {error}")))?;
        Ok(thinking::close_opened(prompt))
    }
}

/// A message of the conversation, without special tokens in its text.
fn message(role: &str, text: &str, vocabulary: &Vocabulary) -> Value {
    context! { role => role, content => vocabulary.strip_special_tokens(text) }
}

/// The Python string methods that chat templates call.
fn call_python_method(value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let text = value.as_str().ok_or(ErrorKind::UnknownMethod)?;
    let stripped = arguments.first().and_then(Value::as_str);
    let is_stripped = |c: char| stripped.map_or(c.is_whitespace(), |chars| chars.contains(c));
    Ok(match method {
        "strip" => Value::from(text.trim_matches(is_stripped)),
        "lstrip" => Value::from(text.trim_start_matches(is_stripped)),
        "rstrip" => Value::from(text.trim_end_matches(is_stripped)),
        "startswith" => Value::from(text.starts_with(text_argument(arguments, 0)?)),
        "endswith" => Value::from(text.ends_with(text_argument(arguments, 0)?)),
        "split" => text
            .split(text_argument(arguments, 0)?)
            .map(Value::from)
            .collect(),
        "replace" => {
            let (from, to) = (text_argument(arguments, 0)?, text_argument(arguments, 1)?);
            Value::from(text.replace(from, to))
        }
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        _ => return Err(ErrorKind::UnknownMethod.into()),
    })
}

fn text_argument(arguments: &[Value], index: usize) -> Result<&str, Error> {
    let text = arguments.get(index).and_then(Value::as_str);
    text.ok_or_else(|| ErrorKind::UnknownMethod.into())
}
