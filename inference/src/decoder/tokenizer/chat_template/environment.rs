//! The Jinja environment that Hugging Face's chat templates expect.

use minijinja::{Environment, Error, ErrorKind, Value};

/// The name of the template in its environment.
pub(super) const TEMPLATE: &str = "chat";

/// Compiles a template.
pub(super) fn compile(source: &str) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    // In Python, `none` and what is undefined cannot be iterated over.
    environment.add_test("iterable", |value: Value| {
        !value.is_none() && !value.is_undefined() && value.try_iter().is_ok()
    });
    // The same question must give the same prompt on another day, so there is no date. Most templates
    // ask whether the function exists and have a fixed date otherwise.
    if !source.contains("strftime_now is defined") {
        environment.add_function("strftime_now", |_format: String| "unknown");
    }
    environment.add_template_owned(TEMPLATE, plain_generation_blocks(source))?;
    Ok(environment)
}

/// Replaces `{% generation %}`, which marks what a model is trained on, by a block that Jinja knows.
fn plain_generation_blocks(source: &str) -> String {
    let mut plain = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, block)) = rest.split_once("{%") {
        plain.push_str(before);
        plain.push_str("{%");
        rest = block;
        let Some((statement, after)) = block.split_once("%}") else {
            continue;
        };
        let replacement =
            match statement.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+') {
                "generation" => statement.replace("generation", "if true"),
                "endgeneration" => statement.replace("endgeneration", "endif"),
                _ => continue,
            };
        plain.push_str(&replacement);
        plain.push_str("%}");
        rest = after;
    }
    plain.push_str(rest);
    plain
}
