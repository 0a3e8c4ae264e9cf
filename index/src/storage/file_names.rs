//! The names of the files of a generation.

use crate::dense;
use cloister_domain::atomic_file;
use std::path::{Path, PathBuf};

/// The file of the graph of a vector file.
pub(super) fn graph_path(dir: &Path, vector_file: &str) -> PathBuf {
    dir.join(graph_name(vector_file))
}

/// The name of the graph of a vector file.
pub(super) fn graph_name(vector_file: &str) -> PathBuf {
    Path::new(vector_file).with_extension(dense::GRAPH_EXTENSION)
}

/// Whether `name` is the file of a graph.
pub(super) fn is_graph_file(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|own| own == dense::GRAPH_EXTENSION)
}

/// Whether `name` is a vector file, complete or not.
pub(super) fn is_vector_file(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|own| own == "vec" || own == atomic_file::TEMPORARY_EXTENSION)
}
