//! `cargo xtask tidy`: the rules of the tree that no compiler knows. Each kind of rule has a file below `tidy/`.

mod docs;
mod layers;
mod source;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::root;
use source::Source;

/// A file past this is two ideas.
const LONGEST: usize = 600;
/// A file past this is looked at twice.
const LONG: usize = 400;

/// The text files of a tree, by their path from its root.
#[derive(Default)]
struct Tree {
    files: BTreeMap<String, String>,
}

/// What is wrong, and where.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Problem {
    /// "crates/wire/src/lib.rs:12"
    place: String,
    what: String,
}

impl Problem {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }

    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), what)
    }
}

/// Checks this tree and prints what is wrong. Returns whether nothing is.
pub fn main() -> bool {
    let tree = match Tree::read(&root()) {
        Ok(tree) => tree,
        Err(e) => {
            eprintln!("xtask: cannot read the tree: {e}");
            return false;
        }
    };
    for (path, lines) in long_files(&tree, LONG) {
        if lines <= LONGEST {
            println!("note: {path} has {lines} lines");
        }
    }
    let problems = check(&tree);
    for problem in &problems {
        println!("{}: {}", problem.place, problem.what);
    }
    println!("tidy: {} files, {} problems", tree.files.len(), problems.len());
    problems.is_empty()
}

/// All rules.
fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, lines) in long_files(tree, LONGEST) {
        problems.push(Problem::new(
            path,
            format!("{lines} lines; past {LONGEST} a file is two ideas"),
        ));
    }
    let sources = Source::all(tree);
    words::check(&sources, &mut problems);
    layers::check(tree, &sources, &mut problems);
    docs::check(tree, &mut problems);
    problems.sort();
    problems
}

/// Rust files of more than `limit` lines, the longest first.
fn long_files(tree: &Tree, limit: usize) -> Vec<(&str, usize)> {
    let rust = tree.files.iter().filter(|(path, _)| path.ends_with(".rs"));
    let mut long: Vec<(&str, usize)> = rust
        .map(|(path, text)| (path.as_str(), text.lines().count()))
        .filter(|(_, lines)| *lines > limit)
        .collect();
    long.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
    long
}

impl Tree {
    /// Reads every text file below `root` that is ours: no build output, no test data.
    fn read(root: &Path) -> std::io::Result<Self> {
        let mut tree = Self::default();
        tree.read_dir(root, "")?;
        Ok(tree)
    }

    fn read_dir(&mut self, dir: &Path, prefix: &str) -> std::io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let skipped = matches!(path.as_str(), "target" | ".git" | "tests/data" | "benches/data");
                if !skipped {
                    self.read_dir(&entry.path(), &format!("{path}/"))?;
                }
            } else if kind.is_file() {
                // What is not UTF-8 is not text.
                if let Ok(text) = fs::read_to_string(entry.path()) {
                    self.files.insert(path, text);
                }
            }
        }
        Ok(())
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self {
            files: files.iter().map(own).collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_a_problem_and_a_shorter_one_is_not() {
        let tree = |lines: usize| Tree::of(&[("xtask/src/x.rs", &"//\n".repeat(lines))]);
        assert_eq!(check(&tree(LONGEST)), []);
        let problems = check(&tree(LONGEST + 1));
        assert!(problems.iter().any(|p| p.what.contains("601 lines")), "{problems:?}");
    }

    #[test]
    fn a_tree_is_read_without_its_build_output() {
        let dir = std::env::temp_dir().join(format!("handfast-tidy-{}", std::process::id()));
        for path in ["target/x.rs", "crates/a/src/lib.rs", "tests/data/x.json"] {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        let tree = Tree::read(&dir).unwrap();
        assert_eq!(tree.files.keys().collect::<Vec<_>>(), ["crates/a/src/lib.rs"]);
        fs::remove_dir_all(dir).unwrap();
    }

    /// The tree we are part of.
    #[test]
    fn this_tree_is_tidy() {
        let problems = check(&Tree::read(&root()).unwrap());
        assert!(problems.is_empty(), "{problems:#?}");
    }
}
