//! The layers of ARCHITECTURE.md: dependencies between crates point down, and the crates below the daemon need no
//! operating system.

use super::source::Source;
use super::{Problem, Tree};

/// A crate may depend on those with a smaller number.
const RANKS: &[(&str, u8)] = &[
    ("handfast-modp", 0),
    ("handfast-wire", 1),
    ("handfast-crypto", 1),
    ("handfast-esp", 2),
    ("handfast-auth", 3),
    ("handfast-store", 3),
    ("handfast-plane", 3),
    ("handfast-engine", 4),
    ("handfast-config", 5),
    ("handfast", 6),
    ("handfast-sim", 6),
];

/// For tests only: nothing that is published needs them.
const UNPUBLISHED: &[&str] = &["handfast-sim", "handfast-tests", "handfast-benches", "xtask"];

/// What brings sockets, threads, files, clocks or randomness.
const WORLD: &[&str] = &[
    "tokio",
    "futures",
    "mio",
    "socket2",
    "quinn-udp",
    "tun-rs",
    "rtnetlink",
    "nix",
    "libc",
    "getrandom",
    "rand",
    "clap",
    "tracing-subscriber",
    "tempfile",
];

/// An empty crate is a promise.
const SMALLEST: usize = 20;

/// What the rules need of a Cargo.toml.
#[derive(Default)]
struct Manifest {
    name: String,
    /// With the line.
    dependencies: Vec<(String, usize)>,
}

pub fn check(tree: &Tree, sources: &[Source], problems: &mut Vec<Problem>) {
    let manifests = tree
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("crates/") && path.ends_with("/Cargo.toml"));
    for (path, text) in manifests {
        dependencies(path, &Manifest::parse(text), problems);
        contents(path.trim_end_matches("/Cargo.toml"), sources, tree, problems);
    }
    if let Some(root) = tree.files.get("Cargo.toml") {
        path_and_version(root, problems);
    }
}

fn dependencies(path: &str, manifest: &Manifest, problems: &mut Vec<Problem>) {
    let rank = |name: &str| RANKS.iter().find(|(known, _)| *known == name).map(|(_, rank)| *rank);
    let Some(own) = rank(&manifest.name) else {
        let what = format!(
            "the crate `{}` has no place in the layers of xtask/src/tidy/layers.rs",
            manifest.name
        );
        problems.push(Problem::new(path, what));
        return;
    };
    for (name, line) in &manifest.dependencies {
        let what = if UNPUBLISHED.contains(&name.as_str()) {
            format!("`{name}` is for tests; only [dev-dependencies] may name it")
        } else if let Some(other) = rank(name) {
            if other < own {
                continue;
            }
            format!("`{}` depends on `{name}`, which is not below it", manifest.name)
        } else if manifest.name != "handfast" && WORLD.contains(&name.as_str()) {
            format!("`{name}` below the daemon")
        } else {
            continue;
        };
        problems.push(Problem::at(path, *line, what));
    }
}

/// Every crate has code, and forbids `unsafe` where it has no file for it.
fn contents(dir: &str, sources: &[Source], tree: &Tree, problems: &mut Vec<Problem>) {
    let own = format!("{dir}/src/");
    let lines: usize = sources
        .iter()
        .filter(|source| source.path.starts_with(&own))
        .map(|source| source.code.lines().filter(|line| !line.trim().is_empty()).count())
        .sum();
    if lines < SMALLEST {
        problems.push(Problem::new(dir, format!("{lines} lines of code: the crate is empty")));
    }
    let lib = format!("{dir}/src/lib.rs");
    // A crate with a file for it denies it everywhere else, which that file takes back.
    let has_unsafe = super::words::UNSAFE.iter().any(|file| file.starts_with(&own));
    let attribute = if has_unsafe {
        "#![deny(unsafe_code)]"
    } else {
        "#![forbid(unsafe_code)]"
    };
    if tree.files.get(&lib).is_some_and(|text| !text.contains(attribute)) {
        problems.push(Problem::new(lib, format!("no `{attribute}`")));
    }
}

/// Crates that are published name each other by version too.
fn path_and_version(root: &str, problems: &mut Vec<Problem>) {
    for (number, line) in root.lines().enumerate() {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim();
        let published = name.starts_with("handfast") && !UNPUBLISHED.contains(&name);
        if published && value.contains("path") && !value.contains("version") {
            problems.push(Problem::at(
                "Cargo.toml",
                number + 1,
                format!("`{name}` by path, but without a version"),
            ));
        }
    }
}

impl Manifest {
    /// Reads the little of TOML that manifests have: tables, and keys of one line.
    fn parse(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut table = String::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(header) = line.strip_prefix('[') {
                table = header.trim_end_matches(']').to_owned();
                if let Some(name) = table.strip_prefix("dependencies.") {
                    manifest.dependencies.push((name.to_owned(), number + 1));
                }
            } else if let Some((key, value)) = line.split_once('=') {
                let key = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
                if table == "package" && key == "name" {
                    manifest.name = value.trim().trim_matches('"').to_owned();
                } else if table == "dependencies" || (table.starts_with("target.") && table.ends_with(".dependencies"))
                {
                    manifest.dependencies.push((key.to_owned(), number + 1));
                }
            }
        }
        manifest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(files: &[(&str, &str)]) -> Vec<Problem> {
        let tree = Tree::of(files);
        let mut problems = Vec::new();
        check(&tree, &Source::all(&tree), &mut problems);
        problems
    }

    fn manifest(name: &str, dependencies: &str) -> Vec<Problem> {
        let toml = format!("[package]\nname = \"{name}\"\n\n[dependencies]\n{dependencies}\n");
        let lib = format!("#![forbid(unsafe_code)]\n{}", "fn f() {}\n".repeat(SMALLEST));
        problems(&[("crates/x/Cargo.toml", &toml), ("crates/x/src/lib.rs", &lib)])
    }

    #[test]
    fn dependencies_point_down() {
        assert_eq!(manifest("handfast-esp", "handfast-crypto.workspace = true"), []);
        assert_eq!(manifest("handfast-crypto", "handfast-esp.workspace = true").len(), 1);
        assert_eq!(
            manifest("handfast-auth", "handfast-store = { workspace = true }").len(),
            1
        );
        assert_eq!(manifest("handfast-wire", "handfast.workspace = true").len(), 1);
        assert_eq!(manifest("handfast-new", "").len(), 1);
        let problem = &manifest(
            "handfast-wire",
            "nom.workspace = true\nhandfast-engine.workspace = true",
        )[0];
        assert_eq!(problem.place, "crates/x/Cargo.toml:6");
    }

    #[test]
    fn the_world_is_the_daemons() {
        assert_eq!(manifest("handfast-engine", "tokio.workspace = true").len(), 1);
        assert_eq!(
            manifest("handfast-engine", "\n[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"").len(),
            1
        );
        assert_eq!(
            manifest("handfast-engine", "\n[dependencies.tokio]\nversion = \"1\"").len(),
            1
        );
        assert_eq!(manifest("handfast-engine", "\n[dev-dependencies]\ntokio = \"1\""), []);
        assert_eq!(manifest("handfast", "tokio.workspace = true"), []);
        assert_eq!(manifest("handfast", "handfast-sim.workspace = true").len(), 1);
    }

    #[test]
    fn an_empty_crate_and_one_that_allows_unsafe_are_found() {
        let toml = "[package]\nname = \"handfast-wire\"\n";
        let lib = "#![forbid(unsafe_code)]\n//! words\n// more words\n";
        assert_eq!(
            problems(&[("crates/x/Cargo.toml", toml), ("crates/x/src/lib.rs", lib)]).len(),
            1
        );
        let lib = "fn f() {}\n".repeat(SMALLEST);
        assert_eq!(
            problems(&[("crates/x/Cargo.toml", toml), ("crates/x/src/lib.rs", &lib)]).len(),
            1
        );
        let toml = "[package]\nname = \"handfast-auth\"\n";
        let auth = |attribute: &str| {
            let lib = format!("{attribute}\n{lib}");
            problems(&[("crates/auth/Cargo.toml", toml), ("crates/auth/src/lib.rs", &lib)]).len()
        };
        assert_eq!((auth("#![deny(unsafe_code)]"), auth("#![allow(unsafe_code)]")), (0, 1));
    }

    #[test]
    fn published_crates_name_each_other_by_version() {
        let line = "handfast-wire = { path = \"crates/wire\" }\nhandfast-sim = { path = \"crates/sim\" }\n";
        assert_eq!(problems(&[("Cargo.toml", line)]).len(), 1);
        let line = "handfast-wire = { version = \"0.1.0\", path = \"crates/wire\" }\n";
        assert_eq!(problems(&[("Cargo.toml", line)]), []);
    }
}
