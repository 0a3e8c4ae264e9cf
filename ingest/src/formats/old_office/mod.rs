//! Documents and presentations of Office before 2007 (.doc, .ppt): their text and tables. Their
//! formatting is not read, and the administrator is told so.

mod ppt;
mod word;
mod word_text;

pub use ppt::FORMAT as PPT;
pub use word::FORMAT as DOC;
