//! What people read: links lead somewhere, and nothing depends on the machine it was written on.

use super::{Problem, Tree};

/// Folders of machines that the project was written on; a clone has none of them.
const FOREIGN: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("../sha", "red/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

pub fn check(tree: &Tree, problems: &mut Vec<Problem>) {
    for (path, text) in &tree.files {
        for (number, line) in text.lines().enumerate() {
            if let Some(folder) = FOREIGN.iter().find(|folder| line.contains(*folder)) {
                problems.push(Problem::at(path, number + 1, format!("`{folder}` is of some machine")));
            }
            if line.starts_with(concat!("<<<<", "<<<")) || line.starts_with(concat!(">>>>", ">>>")) {
                problems.push(Problem::at(path, number + 1, "a merge was left half done"));
            }
        }
        if path.ends_with(".md") {
            links(tree, path, text, problems);
        }
    }
}

/// Every link to a file of the tree finds it, and every `#anchor` its heading.
fn links(tree: &Tree, path: &str, text: &str, problems: &mut Vec<Problem>) {
    for (number, line) in prose(text) {
        for target in targets(line) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                path.to_owned()
            } else {
                join(path, file)
            };
            let folder = format!("{}/", file.trim_end_matches('/'));
            let there = tree.files.contains_key(&file) || tree.files.keys().any(|known| known.starts_with(&folder));
            let heading = anchor.is_empty()
                || !file.ends_with(".md")
                || tree
                    .files
                    .get(&file)
                    .is_some_and(|text| headings(text).any(|h| h == anchor));
            if !there || !heading {
                problems.push(Problem::at(path, number, format!("`{target}` leads nowhere")));
            }
        }
    }
}

/// The lines outside of code blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!code && !fence).then_some((number + 1, line))
    })
}

/// The targets of `[text](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|target| !target.is_empty())
}

/// Anchors as GitHub makes them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    })
}

/// A relative path, seen from a file.
fn join(from: &str, to: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let mut problems = Vec::new();
        check(&Tree::of(files), &mut problems);
        problems.into_iter().map(|p| p.what).collect()
    }

    #[test]
    fn links_lead_somewhere() {
        let more = (
            "docs/more.md",
            "# How it works\n[back](../README.md) [code](../crates/wire)",
        );
        let code = ("crates/wire/src/lib.rs", "");
        let good = "[a](docs/more.md#how-it-works) [b](https://example.com/x) [c](#top)\n# Top\n```\n[d](e)\n```\n";
        assert_eq!(problems(&[("README.md", good), more, code]), [""; 0]);
        for bad in ["[a](docs/less.md)", "[a](docs/more.md#why)", "[a](#bottom)"] {
            assert_eq!(problems(&[("README.md", bad), more, code]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn folders_of_some_machine_are_found() {
        let line = format!("see {}x", FOREIGN[0]);
        assert_eq!(problems(&[("crates/x/src/lib.rs", &line)]).len(), 1);
        assert_eq!(problems(&[("ci.sh", "cd \"$(dirname \"$0\")\"")]), [""; 0]);
    }
}
