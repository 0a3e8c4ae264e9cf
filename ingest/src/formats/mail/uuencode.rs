//! Files that older programs wrote into the text of a message (uuencode, POSIX).

/// Maximum number of files in a message.
const MAX_FILES: usize = 50;

/// Takes the files out of a text: their names and their bytes.
pub fn take_files(text: &mut String) -> Vec<(String, Vec<u8>)> {
    if !text.contains("begin ") {
        return Vec::new();
    }
    let mut files = Vec::new();
    let mut rest = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let after = lines.clone();
        let name = started_file(line).filter(|_| files.len() < MAX_FILES);
        if let Some(file) = name.and_then(|name| Some((name, decode_lines(&mut lines)?))) {
            files.push(file);
        } else {
            lines = after;
            rest.push_str(line);
        }
    }
    if !files.is_empty() {
        *text = rest;
    }
    files
}

/// The name of the file that begins with this line: `begin 644 doses.csv`.
fn started_file(line: &str) -> Option<String> {
    let (mode, name) = line.trim_end().strip_prefix("begin ")?.split_once(' ')?;
    let is_mode = matches!(mode.len(), 3 | 4) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    (is_mode && !name.trim().is_empty()).then(|| name.trim().to_owned())
}

/// The bytes up to the line `end`; `None` if a line is no line of a file.
fn decode_lines<'t>(lines: &mut impl Iterator<Item = &'t str>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for line in lines {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.trim_end() == "end" {
            return Some(bytes);
        }
        if !line.bytes().all(|byte| (b' '..=b'`').contains(&byte)) {
            return None;
        }
        let mut values = line.bytes().map(|byte| byte.wrapping_sub(b' ') & 63);
        let Some(length) = values.next() else {
            continue;
        };
        let values: Vec<u8> = values.collect();
        let decoded = values.chunks(4).flat_map(decode_group);
        let from = bytes.len();
        bytes.extend(decoded.take(usize::from(length)));
        // Some programs cut blanks at the ends of lines.
        bytes.resize(from + usize::from(length), 0);
    }
    None
}

/// Three bytes of four letters. Letters that are missing are zero.
fn decode_group(group: &[u8]) -> [u8; 3] {
    let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
    let bits = at(0) << 18 | at(1) << 12 | at(2) << 6 | at(3);
    let [_, first, second, third] = bits.to_be_bytes();
    [first, second, third]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_out_and_other_lines_stay() {
        let mut text = "See:\r\nbegin 644 a b.txt\r\n#0V%T\r\n`\r\nend\r\nBye\r\n".to_owned();
        let files = take_files(&mut text);
        assert_eq!(files, [("a b.txt".to_owned(), b"Cat".to_vec())]);
        assert_eq!(text, "See:\r\nBye\r\n");
        let mut prose = "We begin 100 days late.\nbegin 644 x\nno file at all\n".to_owned();
        assert!(take_files(&mut prose).is_empty());
        assert!(prose.contains("no file"));
    }
}
