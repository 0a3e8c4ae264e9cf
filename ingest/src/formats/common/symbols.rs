//! Letters of symbol fonts, which mean nothing without the font: boxes, ticks and arrows.

/// Whether a font shows symbols in place of letters.
pub fn is_symbol_font(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("wingdings") || name.contains("webdings") || name.contains("zapfdingbats")
}

/// What a letter of a symbol font shows, if Unicode has it. `code` is its number, with or without the
/// offset of the private area.
pub const fn symbol(code: u32, is_second_font: bool) -> Option<&'static str> {
    // Wingdings 2 has other signs in the same places.
    if is_second_font {
        return match code & 0xFF {
            0x50 | 0x52 => Some("☑"),
            0x51 | 0x53 | 0x54 => Some("☒"),
            0x2A | 0xA3 | 0x30 => Some("☐"),
            _ => None,
        };
    }
    match code & 0xFF {
        0xB7 | 0xA7 | 0x6C | 0x6E | 0xD8 | 0x9F => Some("•"),
        0xFC => Some("✓"),
        0xFB => Some("✗"),
        0x6F | 0x70 | 0x71 | 0x72 | 0xA8 => Some("☐"),
        0xFE | 0x52 => Some("☑"),
        0xFD | 0x78 | 0x53 => Some("☒"),
        0xE0 | 0xF0 => Some("→"),
        _ => None,
    }
}

/// Text in a symbol font as the signs that it shows. Letters without a sign are left out.
pub fn write_symbols(text: &str, font: &str) -> String {
    let is_second = font.trim_end().ends_with('2');
    let signs = text.chars().map(|c| match symbol(u32::from(c), is_second) {
        Some(sign) => sign.to_owned(),
        None if c.is_whitespace() => " ".to_owned(),
        None if u32::from(c) > 0xFF && !('\u{f000}'..='\u{f0ff}').contains(&c) => c.to_string(),
        None => String::new(),
    });
    signs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_symbol_fonts_are_read() {
        assert_eq!(write_symbols("þ", "Wingdings"), "☑");
        assert_eq!(write_symbols("\u{f0a8} o", "Wingdings"), "☐ ☐");
        assert_eq!(write_symbols("R", "Wingdings 2"), "☑");
        assert_eq!(write_symbols("☒", "Wingdings"), "☒");
    }
}
