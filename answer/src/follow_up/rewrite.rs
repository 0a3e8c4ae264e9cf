//! Rewrites a follow-up question by three rules that a person can follow.

use super::PreviousTurn;
use super::tokens::{ASKING_WORDS, AUXILIARIES, normalize, tokens};
use super::topic::{is_plural_pronoun, topic};
use cloister_text::Language;

/// Words that refer to something named before.
const PRONOUNS: &[&str] = &[
    "it", "they", "them", "he", "she", "him", "this", "these", "those",
];

const POSSESSIVES: &[&str] = &["its", "their", "his", "her"];

/// After these words `it` refers to nothing: `How long does it take`.
const AFTER_EXPLETIVE_IT: &[&str] = &[
    "take", "takes", "took", "mean", "means", "possible", "matter",
];

/// How a follow-up may start.
const OPENINGS: &[&str] = &[
    "and what about",
    "what about",
    "how about",
    "and",
    "or",
    "but",
    "also",
];

const PREPOSITIONS: &[&str] = &[
    "for", "in", "at", "on", "by", "from", "to", "with", "after", "before", "during", "under",
];

/// The question rewritten to stand alone. `None` if it does already.
pub fn contextualize(question: &str, previous: &PreviousTurn) -> Option<String> {
    let question = question.trim();
    if previous.question.trim().is_empty() {
        return None;
    }
    let after_opening = without_opening(question);
    let body = after_opening.unwrap_or(question);
    if is_bare_question_word(body) {
        return ask_other_aspect(body, previous);
    }
    // In `And for his mother?` the phrase itself is what the question is about.
    if let Some(phrase) = after_opening.filter(|phrase| starts_with_preposition(phrase))
        && let Some(rewritten) = ask_about_other_topic(phrase, previous)
    {
        return Some(rewritten);
    }
    if let Some(rewritten) = resolve_pronoun(body, previous) {
        return Some(rewritten);
    }
    ask_about_other_topic(after_opening?, previous)
}

/// The question with the topic of the previous one: `How many nights are included, for a hip
/// replacement?` `None` if it names the topic itself.
pub fn carry_over(question: &str, previous: &PreviousTurn) -> Option<String> {
    let topic = topic(previous, None)?;
    let (asked, carried) = (
        Language::ENGLISH.content_stems(question),
        Language::ENGLISH.content_stems(&topic),
    );
    if carried.is_subset(&asked) {
        return None;
    }
    let question = question.trim().trim_end_matches(['?', '.', ' ']);
    Some(format!("{question}, for {topic}?"))
}

fn starts_with_preposition(phrase: &str) -> bool {
    tokens(phrase).next().is_some_and(is_preposition)
}

/// What follows `And`, `What about` and the like, if the question starts so.
fn without_opening(question: &str) -> Option<&str> {
    for opening in OPENINGS {
        let Some((start, rest)) = question.split_at_checked(opening.len()) else {
            continue;
        };
        if start.eq_ignore_ascii_case(opening) && rest.starts_with([' ', ',']) {
            return Some(rest.trim_start_matches([' ', ',']));
        }
    }
    None
}

/// Whether a question only has question words: `By whom?`, `Through which channels?`
fn is_bare_question_word(question: &str) -> bool {
    /// The maximum number of words after `which`: `which emergency channels`.
    const MAX_NOUN_WORDS: usize = 2;
    let words: Vec<String> = tokens(question).map(normalize).collect();
    let which = words
        .iter()
        .position(|word| word == "which" || word == "what");
    let (asking, noun) = words.split_at(which.map_or(words.len(), |position| position + 1));
    !words.is_empty()
        && asking
            .iter()
            .all(|word| ASKING_WORDS.contains(&word.as_str()))
        && noun.len() <= MAX_NOUN_WORDS
        && (asking.len() > 1 || noun.is_empty())
        && noun
            .iter()
            .all(|word| !Language::ENGLISH.content_stems(word).is_empty())
}

/// `By whom?` after `When are access rights reviewed?` becomes `By whom are access rights reviewed?`
fn ask_other_aspect(question: &str, previous: &PreviousTurn) -> Option<String> {
    let words: Vec<&str> = tokens(&previous.question).collect();
    let auxiliary = words
        .iter()
        .position(|token| AUXILIARIES.contains(&normalize(token).as_str()))?;
    let asking = question.trim_end_matches(['?', '.', ' ']);
    let rest = words.get(auxiliary..)?.join(" ");
    Some(format!(
        "{} {}?",
        capitalize(asking),
        rest.trim_end_matches('?')
    ))
}

/// The question with its first pronoun replaced by the topic. `None` if it has no pronoun.
fn resolve_pronoun(question: &str, previous: &PreviousTurn) -> Option<String> {
    let mut words: Vec<String> = tokens(question).map(str::to_owned).collect();
    for position in 0..words.len() {
        let word_at = |position: Option<usize>| Some(normalize(words.get(position?)?));
        let before = word_at(position.checked_sub(1));
        let next = word_at(position.checked_add(1));
        let token = words.get(position)?;
        let Some(reference) = reference_kind(token, before.as_deref(), next.as_deref()) else {
            continue;
        };
        let topic = topic(previous, is_plural_pronoun(token))?;
        let punctuation = token.trim_start_matches(char::is_alphanumeric);
        let replacement = match reference {
            Reference::Thing => format!("{topic}{punctuation}"),
            Reference::SameKind => format!("{}{punctuation}", topic.split(' ').next_back()?),
            Reference::Owner => format!("{topic}’s{punctuation}"),
        };
        *words.get_mut(position)? = replacement;
        return Some(capitalize(&words.join(" ")));
    }
    None
}

/// How a pronoun refers to the topic.
enum Reference {
    /// `it`
    Thing,
    /// Another of the same kind: `temporary ones`.
    SameKind,
    /// `its`
    Owner,
}

/// How a word refers to something named before, if it does. `IT` is a department, and `this policy`
/// names its own topic.
fn reference_kind(token: &str, before: Option<&str>, next: Option<&str>) -> Option<Reference> {
    let word = token.trim_matches(|c: char| !c.is_alphanumeric());
    if word.len() > 1 && word.chars().all(char::is_uppercase) {
        return None;
    }
    let word = word.to_lowercase();
    if word == "it" && next.is_some_and(|next| AFTER_EXPLETIVE_IT.contains(&next)) {
        return None;
    }
    if POSSESSIVES.contains(&word.as_str()) {
        return Some(Reference::Owner);
    }
    if word == "ones"
        && before.is_some_and(|before| !Language::ENGLISH.content_stems(before).is_empty())
    {
        return Some(Reference::SameKind);
    }
    let ends_phrase = next.is_none_or(|next| AUXILIARIES.contains(&next));
    let is_pronoun_that = word == "that" && before.is_some() && ends_phrase;
    let is_determiner = matches!(word.as_str(), "this" | "these" | "those") && !ends_phrase;
    let is_pronoun = PRONOUNS.contains(&word.as_str()) && !is_determiner;
    (is_pronoun_that || is_pronoun).then_some(Reference::Thing)
}

/// `And backups?` after `How long are audit logs kept?` becomes `How long are backups kept?`
fn ask_about_other_topic(phrase: &str, previous: &PreviousTurn) -> Option<String> {
    let phrase = phrase.trim_end_matches(['?', '.', ' ']);
    let first = tokens(phrase).next()?;
    let is_question = ASKING_WORDS.contains(&normalize(first).as_str()) && !is_preposition(first);
    if is_question || Language::ENGLISH.content_stems(phrase).is_empty() {
        return None;
    }
    let previous_question = previous.question.trim().trim_end_matches(['?', '.']);
    if is_preposition(first) {
        return Some(format!(
            "{} {phrase}?",
            without_same_preposition(previous_question, first)
        ));
    }
    let topic = topic(previous, None)?;
    Some(format!(
        "{}?",
        previous_question.replacen(&topic, phrase, 1)
    ))
}

fn is_preposition(token: &str) -> bool {
    PREPOSITIONS.contains(&normalize(token).as_str())
}

/// `How often are staff trained in Bonn` without `in Bonn`, if the preposition is `in`.
fn without_same_preposition<'a>(question: &'a str, preposition: &str) -> &'a str {
    let preposition = normalize(preposition);
    let start = question.to_lowercase().rfind(&format!(" {preposition} "));
    start
        .and_then(|start| question.get(..start))
        .unwrap_or(question)
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow_up::PreviousTurn;

    fn turn(question: &str, titles: &[&str], quotes: &[&str]) -> PreviousTurn {
        let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        PreviousTurn {
            question: question.into(),
            titles: own(titles),
            quotes: own(quotes),
        }
    }

    fn check(cases: &[(&str, &PreviousTurn, &str)]) {
        for (asked, turn, expected) in cases {
            assert_eq!(
                contextualize(asked, turn).as_deref(),
                Some(*expected),
                "{asked}"
            );
        }
    }

    #[test]
    fn a_follow_up_is_rewritten() {
        let logs = turn(
            "How long are audit logs kept?",
            &["Auditing Policy", "Retention"],
            &["Audit logs are retained for six years."],
        );
        let reviews = turn(
            "Who reviews audit logs?",
            &["Audit logs"],
            &["The security officer reviews audit logs every week."],
        );
        let rights = turn(
            "When are access rights reviewed?",
            &["Access Policy"],
            &["Access rights are reviewed every quarter."],
        );
        let breach = turn(
            "When must a breach be reported to the authority?",
            &["Breach Policy"],
            &["The authority is told within 72 hours."],
        );
        let dose = turn("What is the dose for a boy?", &["Doses"], &["Boy | 5 mg"]);
        let trained = turn("How often are staff trained in Bonn?", &["Training"], &[]);
        let cases = [
            ("Who reviews them?", &logs, "Who reviews audit logs?"),
            (
                "Where are they stored?",
                &logs,
                "Where are audit logs stored?",
            ),
            ("And backups?", &logs, "How long are backups kept?"),
            (
                "What about the database dumps?",
                &logs,
                "How long are the database dumps kept?",
            ),
            ("And backups?", &reviews, "Who reviews backups?"),
            ("By whom?", &rights, "By whom are access rights reviewed?"),
            (
                "and how often?",
                &rights,
                "How often are access rights reviewed?",
            ),
            ("Who must report it?", &breach, "Who must report a breach?"),
            (
                "What is its definition?",
                &breach,
                "What is a breach’s definition?",
            ),
            (
                "And for his mother?",
                &dose,
                "What is the dose for his mother?",
            ),
            (
                "And in Hull?",
                &trained,
                "How often are staff trained in Hull?",
            ),
        ];
        check(&cases);
    }

    #[test]
    fn a_topic_is_named_in_full() {
        let idle = turn(
            "How long until an idle VPN connection is cut?",
            &["VPN"],
            &["The VPN is closed after 15 minutes without traffic."],
        );
        let audit = turn(
            "Who has to approve a request for an audit before it starts?",
            &["Audit requests"],
            &["The security officer approves every request."],
        );
        let reports = turn(
            "How long are scan reports on vulnerabilities kept?",
            &["Scanning"],
            &["Scan reports are kept for six years."],
        );
        let plan = turn(
            "What two kinds of exercises test the contingency plan?",
            &["Contingency plan"],
            &["The contingency plan is tested by table top and technical exercises."],
        );
        let accounts = turn(
            "When are unused accounts deleted?",
            &["Accounts"],
            &["Unused accounts are deleted after a month."],
        );
        let answered = turn(
            "How fast do we have to tell a customer of a breach?",
            &["Breach Policy"],
            &["Customers are told within five days."],
        );
        let cases = [
            (
                "Which second factor does it need?",
                &idle,
                "Which second factor does an idle VPN connection need?",
            ),
            (
                "What must it contain?",
                &audit,
                "What must a request for an audit contain?",
            ),
            (
                "Who goes through them?",
                &reports,
                "Who goes through scan reports on vulnerabilities?",
            ),
            (
                "How often is it tested?",
                &plan,
                "How often is the contingency plan tested?",
            ),
            (
                "How often are temporary ones looked at?",
                &accounts,
                "How often are temporary accounts looked at?",
            ),
            (
                "Through which channels?",
                &answered,
                "Through which channels do we have to tell a customer of a breach?",
            ),
        ];
        check(&cases);
    }

    #[test]
    fn the_topic_is_carried_over_unless_the_question_names_it() {
        let hip = turn(
            "What does the anaesthetist cost for a hip replacement?",
            &["Prices"],
            &["Hip replacement | 10,900 | 1,150"],
        );
        let carried = |question: &str| carry_over(question, &hip);
        assert_eq!(
            carried("How many nights are included?").as_deref(),
            Some("How many nights are included, for a hip replacement?")
        );
        assert_eq!(carried("Who does a hip replacement?"), None);
    }

    #[test]
    fn a_standalone_question_is_not_rewritten() {
        let logs = turn("How long are audit logs kept?", &["Audit logs"], &[]);
        let cases = [
            "Who is the privacy officer?",
            "How long does it take to restore a backup?",
            "Who in IT approves a change?",
            "Which rooms that hold patients are locked?",
            "How are those accounts closed?",
            "What backups?",
            "Which ones?",
            "And how are accounts closed when somebody leaves?",
            "",
        ];
        for asked in cases {
            assert_eq!(contextualize(asked, &logs), None, "{asked}");
        }
        assert_eq!(
            contextualize("Who reviews them?", &PreviousTurn::default()),
            None
        );
    }
}
