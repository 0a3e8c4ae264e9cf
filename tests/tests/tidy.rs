//! The rules of the workspace: dependencies, licenses, names, and paths in documentation.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cargo_metadata::{Metadata, MetadataCommand, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// Which crates of the workspace each crate may depend on. Dependencies point down only. Crates of
/// the same layer do not depend on each other.
const DEPENDENCIES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("text", &[]),
    ("policies", &["domain", "text"]),
    ("store", &["domain"]),
    ("audit", &["domain"]),
    ("backup", &[]),
    ("directory", &[]),
    ("kernels", &[]),
    ("index", &["domain", "text", "kernels"]),
    ("inference", &["domain", "kernels"]),
    (
        "ingest",
        &[
            "domain",
            "text",
            "policies",
            "store",
            "audit",
            "index",
            "inference",
        ],
    ),
    (
        "answer",
        &[
            "domain",
            "text",
            "policies",
            "store",
            "audit",
            "index",
            "inference",
        ],
    ),
    (
        "config",
        &[
            "domain",
            "policies",
            "store",
            "index",
            "inference",
            "ingest",
            "answer",
            "directory",
        ],
    ),
    (
        "eval",
        &[
            "domain",
            "text",
            "policies",
            "store",
            "audit",
            "index",
            "inference",
            "ingest",
            "answer",
            "config",
        ],
    ),
    (
        "server",
        &[
            "domain",
            "text",
            "config",
            "policies",
            "store",
            "audit",
            "backup",
            "directory",
            "index",
            "inference",
            "ingest",
            "answer",
        ],
    ),
    // Properties of several crates together.
    ("tests", &["domain", "policies", "store", "index", "ingest"]),
];

/// The libraries that only one crate may use.
const OWNERS: &[(&str, &[&str])] = &[
    (
        "server",
        &[
            "axum",
            "axum-server",
            "rustls",
            "rcgen",
            "ring",
            "webauthn-rs",
            "utoipa",
            "utoipa-axum",
            "axum-extra",
            "clap",
        ],
    ),
    ("backup", &["age"]),
    ("directory", &["ldap3"]),
    ("store", &["sqlx", "libsqlite3-sys"]),
    (
        "inference",
        &[
            "candle-core",
            "candle-nn",
            "candle-transformers",
            "tokenizers",
        ],
    ),
    ("kernels", &["gemm"]),
    ("index", &["tantivy", "hnsw_rs", "anndists"]),
    ("text", &["frostem"]),
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
/// Exceptions: `cloister-audit` and `cloister-eval` have command lines of their own, the tests of the
/// kernels compare with candle's quantization, and the connector to the directory uses TLS, too.
const SHARED: &[(&str, &str)] = &[
    ("audit", "clap"),
    ("eval", "clap"),
    ("kernels", "candle-core"),
    ("directory", "rustls"),
    ("directory", "rcgen"),
];

/// Libraries that could open a connection. OpenSSL is excluded because of its many advisories.
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

const LICENSES: &[&str] = &[
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
];

fn metadata() -> Metadata {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .exec()
        .unwrap()
}

fn crate_name(package: &Package) -> Option<&str> {
    package
        .name
        .as_str()
        .strip_prefix("cloister-")
        .filter(|_| package.source.is_none())
}

#[test]
fn dependencies_point_down() {
    let metadata = metadata();
    let dependencies: BTreeMap<_, _> = DEPENDENCIES.iter().copied().collect();
    for package in metadata.workspace_packages() {
        let from = crate_name(package).unwrap();
        let allowed = dependencies
            .get(from)
            .unwrap_or_else(|| panic!("`{from}` is missing in DEPENDENCIES"));
        for dependency in &package.dependencies {
            let Some(to) = dependency.name.strip_prefix("cloister-") else {
                continue;
            };
            assert!(allowed.contains(&to), "`{from}` may not depend on `{to}`");
        }
    }
}

#[test]
fn each_library_has_one_owner() {
    for package in metadata().workspace_packages() {
        let from = crate_name(package).unwrap();
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let owner = OWNERS
                .iter()
                .find(|(_, libraries)| libraries.contains(&name));
            let Some((owner, _)) = owner else { continue };
            let is_allowed = *owner == from || SHARED.contains(&(from, name));
            assert!(
                is_allowed,
                "only `{owner}` may use {name}, and `{from}` depends on it"
            );
        }
    }
}

/// The packages linked into the programs, without dependencies of tests and builds.
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
fn every_license_may_be_shipped() {
    let metadata = metadata();
    let linked = linked(&metadata);
    for package in metadata
        .packages
        .iter()
        .filter(|package| linked.contains(&package.id))
    {
        let license = package.license.as_deref().unwrap_or("none");
        assert!(is_allowed(license), "{} is under `{license}`", package.name);
    }
}

/// Reads an SPDX expression: `A OR B AND C`, `/` for `OR`, parentheses.
fn is_allowed(license: &str) -> bool {
    let flat = license.replace('/', " OR ").replace(['(', ')'], " ");
    // Expressions nest only one level deep, so each operand of AND needs one allowed license.
    let expression = flat.split_whitespace().collect::<Vec<_>>().join(" ");
    expression.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|license| LICENSES.contains(&license.trim()))
    })
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

/// `Permitted` is the result of the authorization function. Code that builds one elsewhere would
/// bypass authorization.
#[test]
fn only_policies_decide_what_is_permitted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (name, _) in DEPENDENCIES
        .iter()
        .filter(|(name, _)| !matches!(*name, "policies" | "tests"))
    {
        for file in rust_files(&root.join(name).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(
                !text.contains("Permitted::decided"),
                "{} builds a `Permitted`",
                file.display()
            );
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
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

/// Words that identifiers may not contain, each with what to write instead.
const BANNED_WORDS: &[(&str, &str)] = &[
    ("told", "render, message or is_notified"),
    ("anew", "again or fresh"),
    ("aside", "quarantined or saved"),
    ("whoever", "caller or principal"),
    ("whole", "entire, full or complete"),
    ("slips", "spelling or typos"),
    ("worth", "weight or relevance"),
    ("ceiling", "upper_bound or limit"),
    ("ceilings", "upper_bounds or block_max"),
    ("rarity", "idf"),
    ("attended", "foreground"),
    ("turning", "rotation"),
    ("turned", "rotated"),
    ("desk", "request_source"),
    ("seat", "slot"),
    ("eights", "int8"),
    ("towards", "direction"),
    ("lots", "batches"),
    ("surety", "confidence"),
    ("chooser", "sampler"),
    ("drafting", "speculative"),
    ("trust", "confidence or ca"),
    ("upkeep", "maintenance"),
    ("tend", "maintain"),
    ("salvage", "recovery"),
    ("remark", "notice"),
    ("furniture", "running_headers"),
    ("gathered", "collected or assembled"),
    ("setback", "regression"),
    ("standing", "validity or status"),
    ("reach", "scope or range"),
    ("room", "crate, capacity or space"),
    ("house", "workspace or site"),
    ("spelt", "spelled"),
    ("lexicon", "vocabulary"),
    ("mended", "repaired or fixed"),
    ("masking", "redaction"),
    ("nearness", "proximity or similarity"),
    ("outranked", "superseded or lower_ranked"),
    ("doomed", "pending_deletion"),
    ("leaving", "departing or removed"),
    ("composing", "generating"),
    ("kept", "saved or retained"),
    ("begun", "started"),
    ("news", "updates"),
];

/// Collects the identifiers of a file and the types that it defines.
#[derive(Default)]
struct Names {
    identifiers: BTreeSet<String>,
    types: Vec<String>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, identifier: &'ast syn::Ident) {
        self.identifiers.insert(identifier.to_string());
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.types.push(item.ident.to_string());
        syn::visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.types.push(item.ident.to_string());
        syn::visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.types.push(item.ident.to_string());
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.types.push(item.ident.to_string());
        syn::visit::visit_item_type(self, item);
    }
}

fn names(file: &Path) -> Names {
    let text = std::fs::read_to_string(file).unwrap();
    let mut names = Names::default();
    names.visit_file(&syn::parse_file(&text).unwrap());
    names
}

/// The lower-case words of an identifier in snake case or camel case.
fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for character in identifier.chars() {
        let is_boundary = character == '_' || character.is_uppercase();
        if is_boundary && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if character != '_' {
            words.last_mut().unwrap().extend(character.to_lowercase());
        }
    }
    words
}

#[test]
fn identifiers_use_standard_terms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let banned: BTreeMap<_, _> = BANNED_WORDS.iter().copied().collect();
    let mut found = Vec::new();
    for (name, _) in DEPENDENCIES {
        for file in rust_files(&root.join(name)) {
            for identifier in names(&file).identifiers {
                for word in words(&identifier) {
                    let Some(replacement) = banned.get(word.as_str()) else {
                        continue;
                    };
                    let file = file.strip_prefix(root).unwrap().display();
                    found.push(format!(
                        "{file}: `{identifier}` contains `{word}`; write {replacement}"
                    ));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_type_name_is_defined_once_in_a_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for (name, _) in DEPENDENCIES {
        let mut defined: BTreeMap<String, PathBuf> = BTreeMap::new();
        let source = root.join(name).join("src");
        if !source.exists() {
            continue;
        }
        for file in rust_files(&source) {
            for type_name in names(&file).types {
                if let Some(first) = defined.insert(type_name.clone(), file.clone()) {
                    found.push(format!("`{type_name}`: {first:?} and {file:?}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Files that a site writes. Documentation names them.
const SITE_FILES: &[&str] = &["document.toml", "active.toml"];

/// Endings of names that are paths if they are code in documentation.
const ENDINGS: &[&str] = &[
    "rs", "toml", "md", "svelte", "ts", "js", "py", "sh", "json", "sql",
];

/// The files below a folder, by their paths from `root`. Build outputs are left out.
fn repository_files(root: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || matches!(&*name, "target" | "node_modules" | "models") {
            continue;
        }
        if path.is_dir() {
            files.extend(repository_files(root, &path));
        } else {
            files.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
    files
}

/// The targets of the links, and the code outside of blocks that looks like a path.
fn named_paths(text: &str, is_folder: impl Fn(&str) -> bool) -> Vec<&str> {
    let links = text.split("](").skip(1);
    let links = links.filter_map(|link| link.split([')', '#']).next());
    let links = links.filter(|link| !link.is_empty() && !link.contains(':'));
    let prose = text.split("```").step_by(2);
    let code = prose.flat_map(|part| part.split('`').skip(1).step_by(2));
    let paths = code.filter(|code| {
        let is_plain = code
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
        let ending = code.rsplit_once('.').map_or("", |(_, ending)| ending);
        let first = code.split_once('/').map(|(first, _)| first);
        is_plain && (ENDINGS.contains(&ending) || first.is_some_and(&is_folder))
    });
    links.chain(paths).collect()
}

/// Whether a segment of the path is a word in capitals, for which a name is written.
fn has_placeholder(path: &str) -> bool {
    path.split(['/', '.', '-'])
        .any(|part| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase()))
}

#[test]
fn paths_in_documentation_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = repository_files(root, root);
    let folders: BTreeSet<&Path> = files
        .iter()
        .flat_map(|file| file.ancestors().skip(1))
        .collect();
    let exists = |path: &Path| {
        let mut known = files
            .iter()
            .map(PathBuf::as_path)
            .chain(folders.iter().copied());
        root.join(path).exists() || known.any(|known| known.ends_with(path))
    };
    let mut found = Vec::new();
    // Notes of a day and the history of changes name what was there at the time.
    let documents = files.iter().filter(|file| {
        file.extension().is_some_and(|ending| ending == "md")
            && !file.starts_with("docs/lab")
            && !file.ends_with("CHANGELOG.md")
    });
    for document in documents {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let folder = root.join(document.parent().unwrap());
        for path in named_paths(&text, |first| {
            !first.is_empty() && folders.contains(Path::new(first))
        }) {
            let is_there = exists(Path::new(path)) || folder.join(path).exists();
            if !is_there && !SITE_FILES.contains(&path) && !has_placeholder(path) {
                found.push(format!("{}: `{path}`", document.display()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "these paths do not exist:\n{}",
        found.join("\n")
    );
}
