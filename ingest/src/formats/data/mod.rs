//! Files that programs exchange: records in JSON and XML, calendars, cards, electronic books, and
//! archives of other files.

mod archive_file;
mod cards;
mod epub;
mod json;
mod records;
mod sheet_xml;
mod xml_file;

pub use archive_file::FORMAT as ZIP;
pub use cards::FORMAT as CARDS;
pub use epub::FORMAT as EPUB;
pub use json::FORMAT as JSON;
pub use xml_file::FORMAT as XML;
