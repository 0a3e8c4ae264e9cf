//! The tokens of rich text (Rich Text Format Specification 1.9.1, "Conventions of an RTF reader").

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `{`
    Open,
    /// `}`
    Close,
    /// `\par`, `\u8211`: a control word and its parameter.
    Word(&'a str, Option<i32>),
    /// `\~`: a control symbol.
    Symbol(u8),
    /// `\'e4`
    Hex(u8),
    /// A byte of text.
    Byte(u8),
}

/// Maximum length of a control word and of its parameter.
const MAX_WORD_LEN: usize = 32;
const MAX_NUMBER_LEN: usize = 10;

/// Divides a file into tokens.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// The tokens of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Skips binary data. The file may contain fewer bytes than it claims.
    pub fn skip_bytes(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn take_bytes(&mut self, wanted: impl Fn(&u8) -> bool, most: usize) -> &'a str {
        let length = self
            .rest
            .iter()
            .take(most)
            .take_while(|b| wanted(b))
            .count();
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        std::str::from_utf8(taken).unwrap_or_default()
    }

    fn read_control(&mut self) -> Option<Token<'a>> {
        let (&next, rest) = self.rest.split_first()?;
        if next.is_ascii_alphabetic() {
            return Some(self.read_control_word());
        }
        self.rest = rest;
        if next != b'\'' {
            return Some(Token::Symbol(next));
        }
        let digits = self.take_bytes(u8::is_ascii_hexdigit, 2);
        Some(Token::Hex(u8::from_str_radix(digits, 16).unwrap_or(b'?')))
    }

    fn read_control_word(&mut self) -> Token<'a> {
        let name = self.take_bytes(u8::is_ascii_alphabetic, MAX_WORD_LEN);
        let negative = self.rest.starts_with(b"-");
        if negative {
            self.skip_bytes(1);
        }
        let digits = self.take_bytes(u8::is_ascii_digit, MAX_NUMBER_LEN);
        let number = digits.parse::<i32>().ok();
        if self.rest.starts_with(b" ") {
            self.skip_bytes(1);
        }
        Token::Word(name, number.map(|n| if negative { -n } else { n }))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            return match byte {
                b'{' => Some(Token::Open),
                b'}' => Some(Token::Close),
                b'\\' => self.read_control(),
                b'\r' | b'\n' | 0 => continue,
                byte => Some(Token::Byte(byte)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_words_end_as_specified() {
        let tokens: Vec<_> = Tokens::new(b"{\\b0 a\\u-3913?\\'e4\\~\\par\n}\\").collect();
        assert_eq!(
            tokens,
            [
                Token::Open,
                Token::Word("b", Some(0)),
                Token::Byte(b'a'),
                Token::Word("u", Some(-3913)),
                Token::Byte(b'?'),
                Token::Hex(0xE4),
                Token::Symbol(b'~'),
                Token::Word("par", None),
                Token::Close,
            ]
        );
    }
}
