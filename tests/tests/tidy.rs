//! The house's arrows, and what may not be linked into it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cargo_metadata::{Metadata, MetadataCommand, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What each room may see. Arrows point down only; rooms on one floor do not see each other.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("policies", &["domain"]),
    ("store", &["domain"]),
    ("audit", &["domain"]),
    ("index", &["domain"]),
    ("inference", &["domain"]),
    (
        "ingest",
        &["domain", "policies", "store", "audit", "index", "inference"],
    ),
    (
        "answer",
        &["domain", "policies", "store", "audit", "index", "inference"],
    ),
    (
        "server",
        &[
            "domain",
            "policies",
            "store",
            "audit",
            "index",
            "inference",
            "ingest",
            "answer",
        ],
    ),
    // What is proved of several rooms at once.
    ("tests", &["domain", "policies", "store", "index", "ingest"]),
];

/// Which room alone knows which library.
const OWNERS: &[(&str, &[&str])] = &[
    (
        "server",
        &[
            "axum",
            "axum-server",
            "tower-http",
            "rustls",
            "rcgen",
            "utoipa",
            "clap",
        ],
    ),
    ("store", &["sqlx", "libsqlite3-sys"]),
    (
        "inference",
        &[
            "candle-core",
            "candle-nn",
            "candle-transformers",
            "tokenizers",
            "gemm",
        ],
    ),
    ("index", &["tantivy"]),
    (
        "ingest",
        &[
            "hayro",
            "hayro-interpret",
            "hayro-syntax",
            "lopdf",
            "html5ever",
            "quick-xml",
            "zip",
            "csv",
            "calamine",
            "cfb",
            "mail-parser",
        ],
    ),
    ("policies", &["cedar-policy"]),
];
/// The verifier that an auditor runs alone has a command line of its own.
const SHARED: &[(&str, &str)] = &[("audit", "clap")];

/// Nothing goes out, so nothing that could is linked. OpenSSL is refused for its history.
const BANNED: &[&str] = &[
    "reqwest",
    "ureq",
    "isahc",
    "curl",
    "curl-sys",
    "attohttpc",
    "surf",
    "awc",
    "minreq",
    "openssl",
    "openssl-sys",
    "native-tls",
    "hf-hub",
    "hyper-rustls",
    "hyper-tls",
];

const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "MIT-0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "BSL-1.0",
    "Unlicense",
    "MPL-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "CDLA-Permissive-2.0",
    "bzip2-1.0.6",
    "Unlicense",
];

fn metadata() -> Metadata {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .exec()
        .unwrap()
}

fn room(package: &Package) -> Option<&str> {
    package
        .name
        .as_str()
        .strip_prefix("cloister-")
        .filter(|_| package.source.is_none())
}

#[test]
fn arrows_point_down_only() {
    let metadata = metadata();
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for package in metadata.workspace_packages() {
        let from = room(package).unwrap();
        let allowed = arrows
            .get(from)
            .unwrap_or_else(|| panic!("`{from}` is not in the house"));
        for dependency in &package.dependencies {
            let Some(to) = dependency.name.strip_prefix("cloister-") else {
                continue;
            };
            assert!(allowed.contains(&to), "`{from}` may not see `{to}`");
        }
    }
}

#[test]
fn each_library_is_known_to_one_room() {
    for package in metadata().workspace_packages() {
        let from = room(package).unwrap();
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let owner = OWNERS
                .iter()
                .find(|(_, libraries)| libraries.contains(&name));
            let Some((owner, _)) = owner else { continue };
            let known = *owner == from || SHARED.contains(&(from, name));
            assert!(
                known,
                "only `{owner}` knows {name}, and `{from}` depends on it"
            );
        }
    }
}

/// Everything that is linked into the programs, without what tests and builds use.
fn linked(metadata: &Metadata) -> BTreeSet<PackageId> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut linked = BTreeSet::new();
    let mut todo: Vec<PackageId> = metadata.workspace_members.clone();
    while let Some(id) = todo.pop() {
        if !linked.insert(id.clone()) {
            continue;
        }
        let normal = nodes[&id].deps.iter().filter(|dep| {
            dep.dep_kinds
                .iter()
                .any(|kind| kind.kind == cargo_metadata::DependencyKind::Normal)
        });
        todo.extend(normal.map(|dep| dep.pkg.clone()));
    }
    linked
}

#[test]
fn no_http_client_is_linked() {
    let metadata = metadata();
    let linked = linked(&metadata);
    for package in metadata
        .packages
        .iter()
        .filter(|package| linked.contains(&package.id))
    {
        let name = package.name.as_str();
        assert!(!BANNED.contains(&name), "{name} is banned");
    }
    let resolve = metadata.resolve.as_ref().unwrap();
    for node in resolve
        .nodes
        .iter()
        .filter(|node| linked.contains(&node.id))
    {
        let package = &metadata[&node.id];
        if matches!(package.name.as_str(), "hyper" | "hyper-util") {
            let client = node
                .features
                .iter()
                .find(|feature| feature.starts_with("client"));
            assert!(
                client.is_none(),
                "{} is built with the feature {client:?}",
                package.name
            );
        }
    }
}

#[test]
fn every_licence_is_one_that_we_may_ship() {
    let metadata = metadata();
    let linked = linked(&metadata);
    for package in metadata
        .packages
        .iter()
        .filter(|package| linked.contains(&package.id))
    {
        let licence = package.license.as_deref().unwrap_or("none");
        assert!(is_allowed(licence), "{} is under `{licence}`", package.name);
    }
}

/// Reads an SPDX expression: `A OR B AND C`, `/` for `OR`, parentheses.
fn is_allowed(licence: &str) -> bool {
    let flat = licence.replace('/', " OR ").replace(['(', ')'], " ");
    // Without nesting deeper than one pair, it is enough that each AND-part has one that is allowed.
    let whole = flat.split_whitespace().collect::<Vec<_>>().join(" ");
    whole
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|one| LICENCES.contains(&one.trim())))
}

#[test]
fn every_crate_comes_from_crates_io() {
    for package in &metadata().packages {
        let Some(source) = &package.source else {
            continue;
        };
        assert!(
            source.is_crates_io(),
            "{} comes from {source}",
            package.name
        );
    }
}

/// `Permitted` is what the authorisation function decided; whoever else made one would let
/// themselves in.
#[test]
fn only_policies_decide_what_is_permitted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (room, _) in ARROWS
        .iter()
        .filter(|(room, _)| !matches!(*room, "policies" | "tests"))
    {
        for file in rust_files(&root.join(room).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(
                !text.contains("Permitted::decided"),
                "{} decides",
                file.display()
            );
        }
    }
}

fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                rust_files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}
