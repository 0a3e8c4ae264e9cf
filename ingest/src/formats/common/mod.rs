//! What several formats share: containers (ZIP, OPC, OLE), XML, character encodings, and the
//! builders that turn text without fixed pages into blocks and pages.

pub mod archive;
pub mod block_builder;
pub mod encoding;
pub mod list_marker;
pub mod numbers;
pub mod ole;
pub mod opc;
pub mod png;
pub mod sections;
pub mod sheets;
pub mod slides;
pub mod sniff;
pub mod xml;
