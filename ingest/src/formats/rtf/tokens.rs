//! The words of rich text (Rich Text Format Specification 1.9.1, "Conventions of an RTF reader").

/// A piece of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `{`
    Open,
    /// `}`
    Close,
    /// `\par`, `\u8211`: a name, and the number after it.
    Word(&'a str, Option<i32>),
    /// `\~`: a backslash and a character that is no letter.
    Symbol(u8),
    /// `\'e4`
    Hex(u8),
    /// A byte of text.
    Byte(u8),
}

/// The longest name and number that are read as such.
const LONGEST_WORD: usize = 32;
const LONGEST_NUMBER: usize = 10;

/// Cuts a file into tokens.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// The tokens of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Passes over bytes that are no text. There may be fewer than the file claims.
    pub fn pass_over(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn take(&mut self, wanted: impl Fn(&u8) -> bool, most: usize) -> &'a str {
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

    fn after_backslash(&mut self) -> Option<Token<'a>> {
        let (&next, rest) = self.rest.split_first()?;
        if next.is_ascii_alphabetic() {
            return Some(self.word());
        }
        self.rest = rest;
        if next != b'\'' {
            return Some(Token::Symbol(next));
        }
        let digits = self.take(u8::is_ascii_hexdigit, 2);
        Some(Token::Hex(u8::from_str_radix(digits, 16).unwrap_or(b'?')))
    }

    fn word(&mut self) -> Token<'a> {
        let name = self.take(u8::is_ascii_alphabetic, LONGEST_WORD);
        let negative = self.rest.starts_with(b"-");
        if negative {
            self.pass_over(1);
        }
        let digits = self.take(u8::is_ascii_digit, LONGEST_NUMBER);
        let number = digits.parse::<i32>().ok();
        if self.rest.starts_with(b" ") {
            self.pass_over(1);
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
                b'\\' => self.after_backslash(),
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
    fn words_end_where_the_specification_says() {
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
