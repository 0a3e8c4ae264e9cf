//! A follow-up question, made to stand alone.
//!
//! `And for contractors?` finds nothing by itself. The program rewrites it from the question before
//! it and from what that was answered with, by three rules that a person can follow, and the
//! rewriting is shown, so that they can say it better. A question that stands alone stays as it is.

mod topic;

use crate::quote::Quote;
use crate::words::content_stems;
use topic::topic;

/// The question before, and what it was answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// The question, standing alone.
    pub question: String,
    /// Titles and headings of what was quoted.
    pub titles: Vec<String>,
    /// What was quoted.
    pub quotes: Vec<String>,
}

impl Earlier {
    /// A question and the quotes that answered it.
    pub fn of(question: &str, quotes: &[Quote]) -> Self {
        let above = |quote: &Quote| {
            let title = std::iter::once(quote.source.title.clone());
            title.chain(quote.headings.clone()).collect::<Vec<_>>()
        };
        Self {
            question: question.to_owned(),
            titles: quotes.iter().flat_map(above).collect(),
            quotes: quotes.iter().map(|quote| quote.text.clone()).collect(),
        }
    }
}

/// Words that stand for something that was named before.
const PRONOUNS: &[&str] = &[
    "it", "they", "them", "he", "she", "him", "this", "these", "those",
];
const POSSESSIVES: &[&str] = &["its", "their", "his", "her"];
/// `How long does it take` speaks of nothing that was named before.
const AFTER_EMPTY_IT: &[&str] = &[
    "take", "takes", "took", "mean", "means", "possible", "matter",
];
/// Words that a question of one kind begins with, and goes on with the rest of the one before.
const ASKING: &[&str] = &[
    "how", "when", "who", "whom", "whose", "what", "which", "where", "why", "by", "for", "to",
    "from", "since", "until", "within", "at", "in", "on", "with", "through", "via", "under",
    "long", "often", "many", "much", "soon", "fast", "quickly", "time", "day", "days", "not",
];
/// What may follow the asking words of a question.
const AUXILIARIES: &[&str] = &[
    "is", "are", "was", "were", "do", "does", "did", "must", "may", "can", "should", "shall",
    "will", "has", "have", "had", "would", "could",
];
const OPENINGS: &[&str] = &[
    "and what about",
    "what about",
    "how about",
    "and",
    "or",
    "but",
    "also",
];

/// The question as it stands alone; none where it does already.
pub fn standing_alone(question: &str, earlier: &Earlier) -> Option<String> {
    let asked = question.trim();
    if earlier.question.trim().is_empty() {
        return None;
    }
    let rest = without_opening(asked);
    let bare = rest.unwrap_or(asked);
    if is_bare_asking(bare) {
        return other_kind(bare, earlier);
    }
    if let Some(rewritten) = with_names(bare, earlier) {
        return Some(rewritten);
    }
    other_thing(rest?, earlier)
}

/// What follows `And`, `What about` and the like, where the question begins so.
fn without_opening(question: &str) -> Option<&str> {
    OPENINGS.iter().find_map(|opening| {
        let start = question.get(..opening.len())?;
        let rest = question.get(opening.len()..)?;
        let opens = start.eq_ignore_ascii_case(opening) && rest.starts_with([' ', ',']);
        opens.then(|| rest.trim_start_matches([' ', ',']))
    })
}

/// Whether a question only says what kind of thing is asked: `By whom?`, `Through which channels?`
fn is_bare_asking(question: &str) -> bool {
    /// Words that say which things are meant, at most: `which emergency channels`.
    const THINGS: usize = 2;
    let words: Vec<String> = tokens(question).map(plain).collect();
    let asks = |word: &String| ASKING.contains(&word.as_str());
    let which = words
        .iter()
        .position(|word| word == "which" || word == "what");
    let (asking, things) = words.split_at(which.map_or(words.len(), |place| place + 1));
    let things_alone = things.len() <= THINGS
        && (asking.len() > 1 || things.is_empty())
        && things.iter().all(|word| !content_stems(word).is_empty());
    !words.is_empty() && asking.iter().all(asks) && things_alone
}

/// `By whom?` after `When are access rights reviewed?`: `By whom are access rights reviewed?`
fn other_kind(question: &str, earlier: &Earlier) -> Option<String> {
    let before: Vec<&str> = tokens(&earlier.question).collect();
    let said = before
        .iter()
        .position(|token| AUXILIARIES.contains(&plain(token).as_str()))?;
    let asking = question.trim_end_matches(['?', '.', ' ']);
    let rest = before.get(said..)?.join(" ");
    Some(format!(
        "{} {}?",
        capitalised(asking),
        rest.trim_end_matches('?')
    ))
}

/// The question with what its pronouns stand for; none where it has none.
fn with_names(question: &str, earlier: &Earlier) -> Option<String> {
    let all: Vec<&str> = tokens(question).collect();
    let mut rewritten = Vec::new();
    let mut replaced = false;
    for (place, token) in all.iter().enumerate() {
        let at = |place: Option<usize>| place.and_then(|p| all.get(p)).map(|token| plain(token));
        let (before, next) = (at(place.checked_sub(1)), at(place.checked_add(1)));
        match (replaced, refers(token, before.as_deref(), next.as_deref())) {
            (false, Some(form)) => {
                let topic = topic(earlier, number(token))?;
                let tail = token.trim_start_matches(char::is_alphanumeric);
                rewritten.push(match form {
                    Form::Thing => format!("{topic}{tail}"),
                    Form::Kind => format!("{}{tail}", topic.split(' ').next_back()?),
                    Form::Owner => format!("{topic}’s{tail}"),
                });
                replaced = true;
            }
            _ => rewritten.push((*token).to_owned()),
        }
    }
    replaced.then(|| capitalised(&rewritten.join(" ")))
}

/// Whether a pronoun stands for several, where that can be told.
fn number(token: &str) -> Option<bool> {
    match plain(token).as_str() {
        "they" | "them" | "these" | "those" | "ones" => Some(true),
        "it" | "its" | "he" | "she" | "him" | "his" | "her" => Some(false),
        // `Their` may be anybody's, and `this` may be all that was said.
        _ => None,
    }
}

enum Form {
    Thing,
    /// Another of the same kind: `temporary ones`.
    Kind,
    Owner,
}

/// Whether a word stands for something named before. `IT` is a department, and `this policy` names
/// its own thing well enough to be found with the topic beside it.
fn refers(token: &str, before: Option<&str>, next: Option<&str>) -> Option<Form> {
    let word = token.trim_matches(|c: char| !c.is_alphanumeric());
    if word.len() > 1 && word.chars().all(char::is_uppercase) {
        return None;
    }
    let word = word.to_lowercase();
    if word == "it" && next.is_some_and(|next| AFTER_EMPTY_IT.contains(&next)) {
        return None;
    }
    if POSSESSIVES.contains(&word.as_str()) {
        return Some(Form::Owner);
    }
    if word == "ones" && before.is_some_and(|before| !content_stems(before).is_empty()) {
        return Some(Form::Kind);
    }
    let ends = next.is_none_or(|next| AUXILIARIES.contains(&next));
    let that = word == "that" && before.is_some() && ends;
    let determines = matches!(word.as_str(), "this" | "these" | "those") && !ends;
    (that || (PRONOUNS.contains(&word.as_str()) && !determines)).then_some(Form::Thing)
}

/// `Backups` after `How long are audit logs kept?`: what is asked of one thing is asked of another.
fn other_thing(said: &str, earlier: &Earlier) -> Option<String> {
    let said = said.trim_end_matches(['?', '.', ' ']);
    let asks = tokens(said)
        .next()
        .is_some_and(|first| ASKING.contains(&plain(first).as_str()) && !is_preposition(first));
    if asks || content_stems(said).is_empty() {
        return None;
    }
    let before = earlier.question.trim().trim_end_matches(['?', '.']);
    if tokens(said).next().is_some_and(is_preposition) {
        return Some(format!(
            "{} {said}?",
            without_same_preposition(before, said)
        ));
    }
    let topic = topic(earlier, None)?;
    Some(format!("{}?", before.replacen(&topic, said, 1)))
}

fn is_preposition(token: &str) -> bool {
    [
        "for", "in", "at", "on", "by", "from", "to", "with", "after", "before", "during", "under",
    ]
    .contains(&plain(token).as_str())
}

/// `How often are staff trained in Bonn` without `in Bonn`, where `in Hull` follows.
fn without_same_preposition<'a>(before: &'a str, said: &str) -> &'a str {
    let preposition = tokens(said).next().map(plain).unwrap_or_default();
    let at = before.to_lowercase().rfind(&format!(" {preposition} "));
    at.and_then(|at| before.get(..at)).unwrap_or(before)
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

fn plain(token: &str) -> String {
    let bare = token.trim_matches(|c: char| !c.is_alphanumeric());
    bare.to_lowercase()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earlier(question: &str, titles: &[&str], quotes: &[&str]) -> Earlier {
        let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        Earlier {
            question: question.into(),
            titles: own(titles),
            quotes: own(quotes),
        }
    }

    fn check(cases: &[(&str, &Earlier, &str)]) {
        for (asked, earlier, expected) in cases {
            assert_eq!(
                standing_alone(asked, earlier).as_deref(),
                Some(*expected),
                "{asked}"
            );
        }
    }

    #[test]
    fn a_follow_up_is_made_to_stand_alone() {
        let logs = earlier(
            "How long are audit logs kept?",
            &["Auditing Policy", "Retention"],
            &["Audit logs are retained for six years."],
        );
        let reviews = earlier(
            "Who reviews audit logs?",
            &["Audit logs"],
            &["The security officer reviews audit logs every week."],
        );
        let rights = earlier(
            "When are access rights reviewed?",
            &["Access Policy"],
            &["Access rights are reviewed every quarter."],
        );
        let breach = earlier(
            "When must a breach be reported to the authority?",
            &["Breach Policy"],
            &["The authority is told within 72 hours."],
        );
        let trained = earlier("How often are staff trained in Bonn?", &["Training"], &[]);
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
                "And in Hull?",
                &trained,
                "How often are staff trained in Hull?",
            ),
        ];
        check(&cases);
    }

    #[test]
    fn the_whole_of_a_thing_is_named_and_others_of_its_kind() {
        let idle = earlier(
            "How long until an idle VPN connection is cut?",
            &["VPN"],
            &["The VPN is closed after 15 minutes without traffic."],
        );
        let audit = earlier(
            "Who has to approve a request for an audit before it starts?",
            &["Audit requests"],
            &["The security officer approves every request."],
        );
        let reports = earlier(
            "How long are scan reports on vulnerabilities kept?",
            &["Scanning"],
            &["Scan reports are kept for six years."],
        );
        let plan = earlier(
            "What two kinds of exercises test the contingency plan?",
            &["Contingency plan"],
            &["The contingency plan is tested by table top and technical exercises."],
        );
        let accounts = earlier(
            "When are unused accounts deleted?",
            &["Accounts"],
            &["Unused accounts are deleted after a month."],
        );
        let told = earlier(
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
                &told,
                "Through which channels do we have to tell a customer of a breach?",
            ),
        ];
        check(&cases);
    }

    #[test]
    fn a_question_that_stands_alone_stays_as_it_is() {
        let logs = earlier("How long are audit logs kept?", &["Audit logs"], &[]);
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
            assert_eq!(standing_alone(asked, &logs), None, "{asked}");
        }
        assert_eq!(
            standing_alone("Who reviews them?", &Earlier::default()),
            None
        );
    }
}
