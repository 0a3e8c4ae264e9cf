//! The thoughts that reasoning models write before their answer. They are never shown as the answer.

/// The markers around the thoughts of the known model families.
const MARKERS: [(&str, &str); 9] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("◁think▷", "◁/think▷"),
    ("<thought>", "</thought>"),
];

/// Whether a token is a marker.
pub(super) fn is_marker(token: &str) -> bool {
    let mut markers = MARKERS.iter();
    markers.any(|(open, close)| token == *open || token == *close)
}

/// Closes the thoughts that a prompt opens for the model, so that the model answers at once.
pub(super) fn close_opened(mut prompt: String) -> String {
    let end = prompt.trim_end();
    let opened = MARKERS.iter().find(|(open, _)| end.ends_with(open));
    if let Some((_, close)) = opened {
        prompt.truncate(end.len());
        prompt.push_str("\n\n");
        prompt.push_str(close);
        prompt.push_str("\n\n");
    }
    prompt
}

/// The text without its thoughts. It is empty while the thoughts, or the marker that opens them, are not
/// complete. `finished` says that no text follows.
pub(super) fn without_thoughts(text: &str, finished: bool) -> &str {
    let start = text.trim_start();
    for (open, close) in MARKERS {
        if let Some(thoughts) = start.strip_prefix(open) {
            let answer = thoughts.split_once(close);
            return answer.map_or("", |(_, answer)| answer.trim_start());
        }
        // The prompt opened the thoughts, and the model closes them itself.
        if let Some(answer) = start.strip_prefix(close) {
            return answer.trim_start();
        }
        let can_be_marker = open.starts_with(start) || close.starts_with(start);
        if can_be_marker && !start.is_empty() && !finished {
            return "";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_not_shown() {
        let cases = [
            ("The dose is 5 mg.", "The dose is 5 mg."),
            ("<think>Let me see.</think>\n\nFive.", "Five."),
            ("\n<think>\n</think>\nFive.", "Five."),
            ("<think>never closed", ""),
            ("</think>\nFive.", "Five."),
            ("[THINK]a[/THINK]b", "b"),
            ("<thinking>a</thinking>b", "b"),
            ("a < b and <think>", "a < b and <think>"),
            ("<thin", ""),
            ("", ""),
        ];
        for (text, shown) in cases {
            assert_eq!(without_thoughts(text, false), shown, "{text}");
        }
        assert_eq!(without_thoughts("<thin", true), "<thin");
        assert_eq!(without_thoughts("<think>", true), "");
    }

    #[test]
    fn a_text_grows_only_at_its_end() {
        let full = "<think>one</think> The answer";
        let mut shown = "";
        for (end, _) in full.char_indices() {
            let next = without_thoughts(full.get(..end).unwrap(), false);
            assert!(next.starts_with(shown), "{next:?} after {shown:?}");
            shown = next;
        }
    }

    #[test]
    fn opened_thoughts_are_closed() {
        let closed = close_opened("<assistant><think>\n".into());
        assert_eq!(closed, "<assistant><think>\n\n</think>\n\n");
        assert_eq!(close_opened("<assistant>\n".into()), "<assistant>\n");
    }
}
