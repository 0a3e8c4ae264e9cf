//! The result of reading one file.

use cloister_domain::{DocumentInfo, Page};

/// The content of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Extraction {
    /// What the file says about itself, and warnings for the administrator.
    pub info: DocumentInfo,
    /// Its pages, in order. Lost pages are included without text, so that the last page's number
    /// equals the number of pages.
    pub pages: Vec<Page>,
    /// The files that are contained in it. Their names are unique and name no folders.
    pub attachments: Vec<Attachment>,
}

/// A file that is contained in another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}
