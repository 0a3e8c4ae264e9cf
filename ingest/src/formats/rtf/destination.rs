//! Destinations of rich text: control words that decide what the text of a group is used for.

/// What the following text is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// The text of the document.
    #[default]
    Body,
    /// The text is ignored.
    Ignored,
    /// The font table.
    Fonts,
    /// The style sheet.
    Styles,
    /// The document's title.
    Title,
    /// The day of its last change.
    Day,
    /// The marker of a list item.
    Marker,
    /// The code of a field.
    Instruction,
    /// The data of a field of a form.
    FormField,
    /// A choice of a field of a form.
    FormEntry,
}

impl Destination {
    /// The destination that a control word starts. `None` if it starts none. An unknown destination
    /// that is marked as `optional` is ignored.
    pub fn from_control_word(name: &str, optional: bool) -> Option<Self> {
        Some(match name {
            "fonttbl" => Self::Fonts,
            "stylesheet" => Self::Styles,
            "title" => Self::Title,
            "revtim" => Self::Day,
            "ud" | "shpinst" | "shptxt" | "fldrslt" | "result" | "info" => Self::Body,
            "listtext" | "pntext" => Self::Marker,
            "fldinst" => Self::Instruction,
            "formfield" => Self::FormField,
            "ffl" => Self::FormEntry,
            "colortbl" | "pict" | "upr" | "sp" | "author" | "operator" | "subject" | "keywords"
            | "doccomm" | "company" | "manager" | "category" | "comment" | "creatim"
            | "printim" | "buptim" | "atnid" | "atnauthor" | "nonshppict" | "xe" | "tc"
            | "bkmkstart" | "bkmkend" | "template" | "vern" | "nofpages" | "listtable"
            | "listoverridetable" | "filetbl" | "revtbl" | "rsidtbl" | "themedata" | "do" => {
                Self::Ignored
            }
            _ if optional => Self::Ignored,
            _ => return None,
        })
    }
}
