//! A Rust file as the rules look at it: comments and the insides of literals blanked, test code apart.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Tree;

/// One Rust file.
pub struct Source {
    pub path: String,
    /// The text with comments and the insides of string and character literals turned into spaces, line for line.
    pub code: String,
    /// Whether all of it is test code.
    pub test: bool,
    /// The byte ranges of `code` that `#[cfg(test)]` and `#[test]` cover.
    test_ranges: Vec<Range<usize>>,
}

impl Source {
    /// All Rust files of a tree.
    pub fn all(tree: &Tree) -> Vec<Self> {
        let rust = tree.files.iter().filter(|(path, _)| path.ends_with(".rs"));
        let mut sources: Vec<Self> = rust.map(|(path, text)| Self::new(path, text)).collect();
        let test_files: BTreeSet<String> = sources.iter().flat_map(Self::test_modules).collect();
        for source in &mut sources {
            // `#[cfg(test)] mod tests;` makes a test of tests.rs and of all below tests/.
            source.test |= test_files
                .iter()
                .any(|stem| source.path == format!("{stem}.rs") || source.path.starts_with(&format!("{stem}/")));
        }
        sources
    }

    fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let test_ranges = test_ranges(&code);
        let test = ["/tests/", "/benches/", "/examples/", "/fuzz/"]
            .iter()
            .any(|dir| path.contains(dir))
            || ["tests/", "benches/", "fuzz/"].iter().any(|dir| path.starts_with(dir));
        Self {
            path: path.to_owned(),
            code,
            test,
            test_ranges,
        }
    }

    /// The crate's folder, "crates/wire", if it is in one.
    pub fn crate_dir(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("crates/")?;
        let end = rest.find('/')?;
        self.path.get(..end + "crates/".len())
    }

    /// Where `word` stands in code that is not test code: line numbers from 1. Words end where identifiers do.
    pub fn find(&self, word: &str) -> Vec<usize> {
        if self.test {
            return Vec::new();
        }
        self.find_anywhere(word)
            .into_iter()
            .filter(|at| !self.in_test(*at))
            .map(|at| self.line(at))
            .collect()
    }

    /// The same with test code; byte offsets.
    pub fn find_anywhere(&self, word: &str) -> Vec<usize> {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        self.code
            .match_indices(word)
            .filter(|(at, _)| {
                let before = self.code[..*at].chars().next_back().is_some_and(part);
                let after = self.code[at + word.len()..].chars().next().is_some_and(part);
                !(before && word.starts_with(part) || after && word.ends_with(part))
            })
            .map(|(at, _)| at)
            .collect()
    }

    pub fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    fn in_test(&self, at: usize) -> bool {
        self.test_ranges.iter().any(|range| range.contains(&at))
    }

    /// Paths without ".rs" of the modules that are declared in test code but have files of their own.
    fn test_modules(&self) -> Vec<String> {
        let (dir, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let stem = name.trim_end_matches(".rs");
        // a/lib.rs, a/main.rs and a/mod.rs have their modules in a/, a/x.rs has them in a/x/.
        let dir = if matches!(stem, "lib" | "main" | "mod") {
            dir.to_owned()
        } else {
            format!("{dir}/{stem}")
        };
        self.test_ranges
            .iter()
            .filter_map(|range| {
                let item = self.code.get(range.clone())?.trim_end().strip_suffix(';')?;
                let (_, name) = item.rsplit_once("mod ")?;
                Some(format!("{dir}/{}", name.trim()))
            })
            .collect()
    }
}

/// The items behind `#[cfg(test)]` and `#[test]`, attribute included: to the end of the block, or to the semicolon.
fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for mark in ["#[cfg(test)]", "#[test]", "#[cfg(all(test"] {
        for (start, _) in code.match_indices(mark) {
            let mut depth = 0_usize;
            let end = code[start..].char_indices().find_map(|(at, c)| {
                match c {
                    '{' => depth += 1,
                    '}' if depth <= 1 => return Some(at + 1),
                    '}' => depth -= 1,
                    ';' if depth == 0 => return Some(at + 1),
                    _ => {}
                }
                None
            });
            ranges.push(start..end.map_or(code.len(), |end| start + end));
        }
    }
    ranges
}

/// Turns comments and the insides of literals into spaces; newlines stay.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (keep, end) = token(text, at);
        for byte in &mut out[keep..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    // Blanking whole characters only, so this is still UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

/// The token at `at`: where blanking starts in it, and where it ends.
fn token(text: &str, at: usize) -> (usize, usize) {
    let rest = &text[at..];
    let to = |pattern: &str, from: usize| rest[from..].find(pattern).map_or(text.len(), |n| at + from + n);
    if rest.starts_with("//") {
        return (at, to("\n", 0));
    }
    if rest.starts_with("/*") {
        return (at, block_comment(rest) + at);
    }
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'));
    let after_word = text[..at]
        .chars()
        .next_back()
        .is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(raw) = raw.filter(|_| !after_word) {
        let hashes = raw.bytes().take_while(|b| *b == b'#').count();
        if raw[hashes..].starts_with('"') {
            let start = rest.len() - raw.len() + hashes + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            return (at + start, (to(&close, start) + close.len()).min(text.len()));
        }
    }
    if let Some(inside) = rest.strip_prefix('"') {
        let end = escaped(inside, b'"');
        // The quote that closes it must not open another.
        return (at + 1, (at + 1 + end + 1).min(text.len()));
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        // 'x' or '\n', but not a lifetime.
        let mut chars = inside.chars();
        let first = chars.next();
        if first == Some('\\') || (first.is_some() && chars.next() == Some('\'')) {
            let end = if first == Some('\\') {
                escaped(inside, b'\'')
            } else {
                first.map_or(0, char::len_utf8)
            };
            return (at + 1, (at + 1 + end + 1).min(text.len()));
        }
    }
    let end = at + rest.chars().next().map_or(1, char::len_utf8);
    (end, end)
}

/// The offset of the quote that ends a literal with escapes.
fn escaped(inside: &str, quote: u8) -> usize {
    let mut skip = false;
    let end = inside.bytes().position(|b| {
        let ends = b == quote && !skip;
        skip = b == b'\\' && !skip;
        ends
    });
    end.unwrap_or(inside.len())
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, word: &str) -> Vec<usize> {
        Source::new("crates/x/src/lib.rs", text).find(word)
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "\
// word
/* word /* word */ word */
let a = \"word \\\" word\"; let b = r#\"word \" word\"#; let c = b\"word\"; let d = '\"'; let e = '\\'';
fn f<'a>(x: &'a str) { word }
";
        assert_eq!(find(text, "word"), [4]);
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(find("unsafe_code\nunsafe {}\nnot_unsafe\n", "unsafe"), [2]);
        assert_eq!(find("x.unwrap()\nx.unwrap_or(1)\n", ".unwrap()"), [1]);
    }

    #[test]
    fn test_code_does_not_count() {
        let text = "fn a() { word }\n#[cfg(test)]\nmod tests {\n fn b() { word; }\n}\nfn c() { word }\n";
        assert_eq!(find(text, "word"), [1, 6]);
        assert_eq!(find("#[cfg(test)]\nuse a::word;\nuse b::word;\n", "word"), [3]);
    }

    #[test]
    fn a_test_module_may_have_a_file() {
        let tree = Tree::of(&[
            ("crates/x/src/lib.rs", "#[cfg(test)]\nmod checks;\nmod code;\n"),
            ("crates/x/src/checks.rs", "word"),
            ("crates/x/src/checks/more.rs", "word"),
            ("crates/x/src/code.rs", "word\n#[cfg(test)] mod deep;"),
            ("crates/x/src/code/deep.rs", "word"),
        ]);
        let found: Vec<String> = Source::all(&tree)
            .iter()
            .filter(|s| !s.find("word").is_empty())
            .map(|s| s.path.clone())
            .collect();
        assert_eq!(found, ["crates/x/src/code.rs"]);
    }
}
