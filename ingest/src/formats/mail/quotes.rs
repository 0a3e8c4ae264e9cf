//! Quoted lines of plain text. A `>` at the begin of a line marks a quotation, or means "more than".

/// The text without the marks of quotations. If it is `flowed` (RFC 3676), each mark is one of a
/// quotation, and a line that begins with the sign itself has a space before it.
pub fn without_marks(text: &str, flowed: bool) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut found: Vec<String> = Vec::with_capacity(lines.len());
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        if depth(line) == 0 {
            let stuffed = flowed && line.starts_with(" >");
            found.push(if stuffed { line.trim_start() } else { line }.to_owned());
            index += 1;
            continue;
        }
        let rest = lines.get(index..).unwrap_or_default();
        let count = rest.iter().take_while(|line| depth(line) > 0).count();
        let group = rest.get(..count).unwrap_or_default();
        let introduced = is_introduced(lines.get(..index).unwrap_or_default());
        push_group(group, flowed || introduced, &mut found);
        index += count.max(1);
    }
    found.join("\n")
}

/// Writes lines that follow each other and begin with the sign.
fn push_group(group: &[&str], is_quoted: bool, found: &mut Vec<String>) {
    let is_quote = is_quoted || group.iter().any(|line| !is_threshold(line));
    for (index, line) in group.iter().enumerate() {
        let own = depth(line);
        if !is_quote {
            found.push((*line).to_owned());
            continue;
        }
        let around = depth_at(index.checked_sub(1), group).max(depth_at(Some(index + 1), group));
        let inner = strip(line, own);
        // A quoted line may itself begin with "more than".
        let keeps_one = own > 1 && starts_with_number(inner) && around < own;
        found.push(if keeps_one {
            format!("> {inner}")
        } else {
            inner.to_owned()
        });
    }
}

/// The quote depth of the line at this index, 0 if there is none.
fn depth_at(other: Option<usize>, group: &[&str]) -> usize {
    other
        .and_then(|at| group.get(at))
        .map_or(0, |line| depth(line))
}

/// The number of marks at the begin of a line.
fn depth(line: &str) -> usize {
    let marks = line
        .chars()
        .take_while(|c| matches!(c, '>' | ' '))
        .filter(|c| *c == '>')
        .count();
    if line.starts_with('>') { marks } else { 0 }
}

fn strip(line: &str, marks: usize) -> &str {
    let mut rest = line;
    for _ in 0..marks {
        rest = rest.trim_start_matches(' ');
        rest = rest.strip_prefix('>').unwrap_or(rest);
    }
    rest.trim_start()
}

/// Whether a line reads as "more than" a number.
fn is_threshold(line: &str) -> bool {
    depth(line) == 1 && starts_with_number(strip(line, 1))
}

fn starts_with_number(text: &str) -> bool {
    let number = text.trim_start_matches(['=', ' ', '+', '-', '−', '€', '$', '£', '.']);
    number.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether the line before a quotation says whose words follow.
fn is_introduced(above: &[&str]) -> bool {
    let mut before = above.iter().rev().filter(|line| !line.trim().is_empty());
    before.next().is_some_and(|line| {
        let line = line.trim().to_lowercase();
        let said = [
            "wrote:",
            "writes:",
            "schrieb:",
            "schrieb",
            "écrit :",
            "écrit:",
            "ha scritto:",
            "escribió:",
            "escreveu:",
            "schreef:",
            "skrev:",
            "kirjoitti:",
            "napisał",
            "said:",
        ];
        said.iter().any(|word| line.ends_with(word))
            || line.starts_with("-----") && line.ends_with("-----")
            || line.starts_with("am ") && line.contains(" schrieb ")
            || line.starts_with("on ") && line.contains(" wrote")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quotations_lose_their_marks() {
        for (text, expected) in [
            (
                "Call if it is\n\n> 6.0 mmol/l\n\nnow",
                "Call if it is\n\n> 6.0 mmol/l\n\nnow",
            ),
            (
                "Limits:\n> 6.0 adults\n>5.5 children",
                "Limits:\n> 6.0 adults\n>5.5 children",
            ),
            ("> Please give\n> 5 mg daily", "Please give\n5 mg daily"),
            ("Ada wrote:\n> 6.0 is high", "Ada wrote:\n6.0 is high"),
            (
                "> Call if\n> > 6.0 mmol/l\n> at night",
                "Call if\n> 6.0 mmol/l\nat night",
            ),
            (">> Old words\n> New words", "Old words\nNew words"),
            ("a > 5 b", "a > 5 b"),
        ] {
            assert_eq!(without_marks(text, false), expected, "{text}");
        }
        assert_eq!(
            without_marks(">6 of old\n >6 mmol", true),
            "6 of old\n>6 mmol"
        );
    }
}
