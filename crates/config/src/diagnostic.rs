//! What is wrong with a configuration, and where.

use std::fmt;

use ariadne::{Color, Config, IndexType, Label, Report, ReportKind, Source};

/// One mistake or warning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// The configuration's path.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What was found.
    pub message: String,
    /// What was expected; may be empty.
    pub expected: String,
    /// What to do; may be empty.
    pub hint: String,
    /// A warning does not keep the configuration from being used.
    pub warning: bool,
    /// Offset in octets, for `render`.
    pub(crate) offset: usize,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.warning { "warning: " } else { "" };
        write!(f, "{}:{}:{}: {kind}{}", self.file, self.line, self.column, self.message)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// All that was found, in the order of the file, and the file without its secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostics(pub Vec<Diagnostic>, pub(crate) String);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|d| writeln!(f, "{d}"))
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostics {
    /// With the lines of the file, for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let mut out = vec![];
        for d in &self.0 {
            let kind = if d.warning {
                ReportKind::Warning
            } else {
                ReportKind::Error
            };
            let rest = self.1.get(d.offset..).unwrap_or_default();
            // At least one character; none where the file ends.
            let length = token_len(rest).max(rest.chars().next().map_or(0, char::len_utf8));
            let span = (d.file.as_str(), d.offset..d.offset + length);
            let mut label = Label::new(span.clone()).with_color(Color::Red);
            if !d.expected.is_empty() {
                label = label.with_message(format!("expected {}", d.expected));
            }
            let config = Config::default().with_color(colour).with_index_type(IndexType::Byte);
            let mut report = Report::build(kind, span)
                .with_config(config)
                .with_message(&d.message)
                .with_label(label);
            if !d.hint.is_empty() {
                report = report.with_help(&d.hint);
            }
            // Writing to memory does not fail.
            let _ = report
                .finish()
                .write((d.file.as_str(), Source::from(self.1.as_str())), &mut out);
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// How much to underline: a text with its quotes, a table's head, or a word.
fn token_len(rest: &str) -> usize {
    let line = rest.lines().next().unwrap_or(rest);
    let closed = |c: char| line.get(1..).and_then(|l| l.find(c)).map(|end| end + 2);
    let word = line.find(|c: char| c.is_whitespace() || "=,]}#\"'-".contains(c));
    match line.chars().next() {
        Some('"') => closed('"'),
        Some('\'') => closed('\''),
        Some('[') => closed(']'),
        _ => word,
    }
    .unwrap_or(line.trim_end().len())
}
