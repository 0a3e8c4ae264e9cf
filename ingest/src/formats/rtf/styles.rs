//! Styles and fonts of rich text: which paragraphs are headings, and the code page of a font.

/// A style.
#[derive(Debug, Default)]
pub struct RtfStyle {
    /// Its name, possibly with a semicolon at the end.
    pub name: String,
    /// The heading level of its outline level.
    pub level: Option<u8>,
}

impl RtfStyle {
    /// The heading level of paragraphs with this style: by its name, else by its outline level.
    pub fn heading(&self) -> Option<u8> {
        let name = self.name.trim().trim_end_matches(';').to_lowercase();
        let numbered = name.strip_prefix("heading ");
        let numbered = numbered.and_then(|n| n.trim().parse::<u8>().ok());
        let named = numbered.filter(|level| (1..=9).contains(level));
        named.or((name == "title").then_some(1)).or(self.level)
    }
}

/// The heading level of an outline level. Outline levels from 9 are body text.
pub fn heading_level(outline_level: i32) -> Option<u8> {
    let level = u8::try_from(outline_level).ok()?;
    (level < 9).then(|| level + 1)
}

/// The Windows code page of a font's character set.
pub const fn charset_code_page(charset: i32) -> Option<u32> {
    Some(match charset {
        77 => 10000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    })
}
