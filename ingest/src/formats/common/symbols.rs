//! Letters of symbol fonts, which mean nothing without the font: boxes, ticks and arrows, and the
//! Greek letters and signs of the font Symbol, in which `m` is `μ`.

/// A font that shows symbols in place of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolFont {
    /// Wingdings and Webdings.
    Wingdings,
    /// Wingdings 2, which has other signs in the same places.
    SecondWingdings,
    /// Symbol.
    Greek,
    /// Zapf Dingbats.
    Dingbats,
}

impl SymbolFont {
    /// The symbol font of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
        match name.as_str() {
            "symbol" | "symbolmt" | "symbol mt" | "standard symbols ps" => Some(Self::Greek),
            _ if name.contains("zapf") || name.contains("itc dingbats") => Some(Self::Dingbats),
            _ if !name.contains("wingdings") && !name.contains("webdings") => None,
            _ if name.ends_with('2') => Some(Self::SecondWingdings),
            _ => Some(Self::Wingdings),
        }
    }

    /// Text in this font as the signs that it shows. Letters of Wingdings without a sign are left
    /// out. Characters that are no code of the font are themselves.
    pub fn write(self, text: &str) -> String {
        let mut written = String::new();
        for c in text.chars() {
            match self.sign(u32::from(c)).filter(|_| is_code(c)) {
                Some(sign) => written.push(sign),
                None if c.is_whitespace() => written.push(' '),
                None if !is_code(c) || matches!(self, Self::Greek | Self::Dingbats) => {
                    written.push(c);
                }
                None => {}
            }
        }
        written
    }

    /// What a letter shows, if Unicode has it. `code` is its number, with or without the offset of
    /// the private area.
    pub fn sign(self, code: u32) -> Option<char> {
        match self {
            Self::Wingdings => wingding(code & 0xFF),
            Self::SecondWingdings => second_wingding(code & 0xFF),
            Self::Greek => greek(code & 0xFF),
            Self::Dingbats => dingbat(code & 0xFF),
        }
    }
}

/// Whether a character is a code of a symbol font: a byte, or a byte in the private use area.
fn is_code(c: char) -> bool {
    c < '\u{100}' || ('\u{f000}'..='\u{f0ff}').contains(&c)
}

const fn second_wingding(code: u32) -> Option<char> {
    match code {
        0x50 | 0x52 => Some('☑'),
        0x51 | 0x53 | 0x54 => Some('☒'),
        0x2A | 0xA3 | 0x30 => Some('☐'),
        _ => None,
    }
}

const fn wingding(code: u32) -> Option<char> {
    match code {
        0xB7 | 0xA7 | 0x6C | 0x6E | 0xD8 | 0x9F => Some('•'),
        0xFC => Some('✓'),
        0xFB => Some('✗'),
        0x6F | 0x70 | 0x71 | 0x72 | 0xA8 => Some('☐'),
        0xFE | 0x52 => Some('☑'),
        0xFD | 0x78 | 0x53 => Some('☒'),
        0xE0 | 0xF0 => Some('→'),
        _ => None,
    }
}

const fn dingbat(code: u32) -> Option<char> {
    match code {
        0x33 => Some('✓'),
        0x34 => Some('✔'),
        0x35 => Some('✕'),
        0x36 => Some('✖'),
        0x37 => Some('✗'),
        0x38 => Some('✘'),
        0x6C => Some('●'),
        0x6D => Some('❍'),
        0x6E => Some('■'),
        0x6F => Some('❏'),
        0x71 => Some('❑'),
        0x75 => Some('◆'),
        _ => None,
    }
}

/// The signs of the font Symbol from 0x20 to 0x7E, and from 0xA0 to 0xFE (Adobe's encoding).
const GREEK_LOW: &str = " !∀#∃%&∍()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼";
const GREEK_HIGH: &str = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\u{f8ff}〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭";

fn greek(code: u32) -> Option<char> {
    let code = usize::try_from(code).ok()?;
    let (table, first) = if code < 0xA0 {
        (GREEK_LOW, 0x20)
    } else {
        (GREEK_HIGH, 0xA0)
    };
    let sign = table.chars().nth(code.checked_sub(first)?)?;
    (sign != '\u{f8ff}').then_some(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(text: &str, font: &str) -> String {
        SymbolFont::from_name(font)
            .expect("a symbol font")
            .write(text)
    }

    #[test]
    fn boxes_of_symbol_fonts_are_read() {
        assert_eq!(write("þ", "Wingdings"), "☑");
        assert_eq!(write("\u{f0a8} o", "Wingdings"), "☐ ☐");
        assert_eq!(write("R", "Wingdings 2"), "☑");
        assert_eq!(write("☒", "Wingdings"), "☒");
        assert_eq!(write("4", "ZapfDingbats"), "✔");
        assert_eq!(SymbolFont::from_name("Segoe UI Symbol"), None);
    }

    #[test]
    fn letters_of_the_font_symbol_are_greek() {
        assert_eq!(GREEK_LOW.chars().count(), 0x7F - 0x20);
        assert_eq!(GREEK_HIGH.chars().count(), 0xFF - 0xA0);
        assert_eq!(write("5 mg", "Symbol"), "5 μγ");
        assert_eq!(write("\u{f0a3}³", "Symbol"), "≤≥");
    }
}
