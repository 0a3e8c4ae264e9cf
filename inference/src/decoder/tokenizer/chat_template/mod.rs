//! The chat template of a GGUF file, in Jinja.

mod environment;
#[cfg(test)]
mod tests;

use self::environment::{TEMPLATE, compile};
use super::Vocabulary;
use crate::decoder::import::Metadata;
use crate::decoder::thinking;
use crate::error::{InferenceError, Result};
use crate::request::GenerateRequest;
use minijinja::{Environment, Error, Value, context};
use std::collections::BTreeSet;

/// The system turn and the user turn of the conversation that a template is tried with.
const PROBE: [(&str, &str); 2] = [("system", "9e1f-system"), ("user", "9e1f-user")];

/// A conversation after which the tokens that end an answer are looked for.
const ANSWERED: [(&str, &str); 3] = [
    ("user", "9e1f-user"),
    ("assistant", "9e1f-answer"),
    ("user", "9e1f-next"),
];

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
        let environment = compile(source)
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
        self.render_messages(&roles(messages), true, "", "")
    }

    fn render_messages(
        &self,
        messages: &[Value],
        add_generation_prompt: bool,
        start_text: &str,
        end_text: &str,
    ) -> Result<String, Error> {
        let template = self.environment.get_template(TEMPLATE)?;
        template.render(context! {
            messages => messages,
            add_generation_prompt => add_generation_prompt,
            // Templates compare them with `none`.
            tools => (),
            documents => (),
            // Reasoning models answer without a reasoning text. Families have different names for it.
            enable_thinking => false,
            thinking => false,
            bos_token => start_text,
            eos_token => end_text,
        })
    }

    /// The special tokens that follow an answer in a conversation. A model that writes one of them has
    /// ended its answer, even if its file declares another end.
    pub(in crate::decoder) fn end_tokens(&self, vocabulary: &Vocabulary) -> BTreeSet<u32> {
        let [_, (_, answer), _] = ANSWERED;
        let mut found = BTreeSet::new();
        for (turns, add_generation_prompt) in [(2, false), (3, true)] {
            let messages = roles(&ANSWERED[..turns]);
            let (start, end) = (&vocabulary.start_text, &vocabulary.end_text);
            let rendered = self.render_messages(&messages, add_generation_prompt, start, end);
            let rendered = rendered.unwrap_or_default();
            if let Some((_, after)) = rendered.split_once(answer) {
                found.extend(vocabulary.special_token_at_start(after.trim_start()));
            }
        }
        found
    }

    /// The token ids of a request's prompt.
    pub(in crate::decoder) fn prompt_ids(
        &self,
        request: &GenerateRequest,
        vocabulary: &Vocabulary,
    ) -> Result<Vec<u32>> {
        let ids = vocabulary.encode_prompt(&self.render(request, vocabulary)?)?;
        if ids.is_empty() {
            let reason = "its chat template gives an empty prompt for this request";
            return Err(InferenceError::Compute(reason.into()));
        }
        Ok(ids)
    }

    /// The prompt of a request, up to where the answer starts. If the template opens the model's thoughts, they are
    /// closed.
    fn render(&self, request: &GenerateRequest, vocabulary: &Vocabulary) -> Result<String> {
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
        let prompt = self.render_messages(
            &messages,
            true,
            &vocabulary.start_text,
            &vocabulary.end_text,
        );
        let prompt = prompt
            .map_err(|error| InferenceError::Compute(format!("its chat template: {error}")))?;
        Ok(thinking::close_opened(prompt))
    }
}

/// A message of the conversation, without special tokens in its text.
fn message(role: &str, text: &str, vocabulary: &Vocabulary) -> Value {
    context! { role => role, content => vocabulary.strip_special_tokens(text) }
}

/// Messages with these roles and texts.
fn roles(messages: &[(&str, &str)]) -> Vec<Value> {
    let messages = messages.iter();
    messages
        .map(|(role, text)| context! { role => role, content => text })
        .collect()
}
