//! What is read of small rich texts.

use super::*;

fn check(text: &str, expected: &str) {
    let mut reader = RtfReader::default();
    assert!(reader.parse(text.as_bytes()).is_ok());
    let pages = reader.builder().finish().finish();
    let found: Vec<_> = pages.iter().map(|f| f.page.content.text.as_str()).collect();
    assert_eq!(found.join("\n"), expected, "{text}");
}

#[test]
fn characters_are_read_in_every_notation() {
    check(
        r"{\rtf1\ansi\ansicpg1252 M\'fcnze \{a\}\~b\par}",
        "Münze {a} b",
    );
    check(r"{\rtf1\uc1 a\u8211-3 \u-3913?b}", "a–3 \u{f0b7}b");
    check(r"{\rtf1{\uc2 \u228\'c3\'a4}\u228 a}", "ää");
    check(r"{\rtf1\u55357?\u56898?}", "🙂");
    check(
        r"{\rtf1{\fonttbl{\f0\fcharset204 Arial;}}\f0 \'c4\'e0\par\plain \'c4}",
        "Да\nÄ",
    );
    check(r"{\rtf1{\upr{a}{\*\ud{\u228 a}}}b}", "äb");
    check(r"{\rtf1 a\bin5 }}}}}b}", "ab");
    check(r"{\rtf1 a\bin99999999 b}", "a");
}

#[test]
fn hidden_deleted_and_program_text_is_left_out() {
    check(
        r"{\rtf1{\info{\title T}{\author A}}{\header H}a{\v b}\deleted c\deleted0  d{\*\x e}{\pict 00ff}{\field{\*\fldinst X}{\fldrslt f}}\par}",
        "a df\nH",
    );
}

#[test]
fn values_boxes_and_joined_cells_keep_their_meaning() {
    check(
        r"{\rtf1 10{\super 9}/l CO{\sub 2} {\strike 5 mg} 7 mg\par}",
        "10⁹/l CO₂ [struck out: 5 mg] 7 mg",
    );
    check(
        r"{\rtf1 {\field{\*\fldinst { FORMCHECKBOX {\*\formfield{\fftype1\ffres1\ffdefres0}}}}{\fldrslt}}yes {\field{\*\fldinst FORMCHECKBOX {\*\formfield{\fftype1\ffres25\ffdefres0}}}{\fldrslt}}no\par}",
        "☒ yes ☐ no",
    );
    check(
        r"{\rtf1 {\field{\*\fldinst EQ \\f(1;2)}{\fldrslt}} tablet\par}",
        "½ tablet",
    );
    check(
        r"{\rtf1{\header Form 7, valid to May\par}{\footer\chpgn\par}Text\par}",
        "Text\nForm 7, valid to May",
    );
    check(
        r"{\rtf1\trowd\clvmgf\cellx1000\cellx2000\pard\intbl Adults\cell 5 mg\cell\row\trowd\clvmrg\cellx1000\cellx2000\pard\intbl\cell 9 mg\cell\row\pard End\par}",
        "Adults | 5 mg\nAdults | 9 mg\nEnd",
    );
    check(
        r"{\rtf1\trowd\cellx2000\cellx3000\pard\intbl Wide\cell C\cell\row\trowd\cellx1000\cellx2000\cellx3000\pard\intbl a\cell b\cell c\cell\row\pard}",
        "Wide |  | C\na | b | c",
    );
}

#[test]
fn headings_lists_tables_and_notes_are_distinguished() {
    check(
        r"{\rtf1{\stylesheet{\s1 heading 1;}{\*\cs2 Strong;}{\s3\outlinelevel1 Own;}}
        \pard\s1 One\par\pard{\listtext 1.\tab}Wash{\footnote Well.}\par{\pntext\'b7\tab}Dry\par
        \trowd\pard\intbl Day\cell Hours\cell\row\trowd\intbl Monday\cell 9\par to 5\cell\row\pard
        \s3 Two\par\pard End\par}",
        "One\n1. Wash [1]\n[1] Well.\n• Dry\nDay | Hours\nMonday | 9 to 5\nTwo\nEnd",
    );
}

#[test]
fn an_outline_level_above_eight_is_body_text() {
    check(
        r"{\rtf1\outlinelevel255 a\par\outlinelevel-1 b\par}",
        "a\nb",
    );
}

#[test]
fn endless_groups_are_refused() {
    let mut reader = RtfReader::default();
    assert!(reader.parse("{".repeat(100_000).as_bytes()).is_err());
}
