//! What several formats share: containers (ZIP, OPC, OLE), XML, character encodings, and the
//! builders that turn text without fixed pages into blocks and pages.

pub mod aligned;
pub mod archive;
pub mod block_builder;
pub mod charts;
pub mod dos_code_pages;
pub mod drawings;
pub mod embedded;
pub mod encoding;
pub mod escaped_charsets;
pub mod list_marker;
pub mod math;
pub mod numbers;
pub mod ole;
pub mod opc;
pub mod png;
pub mod scripts;
pub mod sections;
pub mod separated;
pub mod sheets;
pub mod slides;
pub mod sniff;
pub mod symbols;
pub mod table_content;
pub mod table_headers;
pub mod tables;
pub mod whitespace;
pub mod xml;
