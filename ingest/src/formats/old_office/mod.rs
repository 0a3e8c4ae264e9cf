//! Documents and presentations of Office before 2007 (.doc, .ppt): their text and tables. What
//! is not read of their formatting is reported.

mod ppt;
mod word;
mod word_formatting;
mod word_paragraphs;
mod word_text;

pub use ppt::FORMAT as PPT;
pub use word::FORMAT as DOC;
