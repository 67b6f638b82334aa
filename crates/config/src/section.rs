//! Walking through TOML tables: every key is asked for by name and type, and what nobody asked for is a mistake.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use handfast_auth::certificate::Time;
use handfast_crypto::secret::Secret;
use handfast_engine::place::Place;
use toml::de::{DeTable, DeValue};

use crate::FileReader;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::mask::mask;
use crate::nearest::nearest;

const KNOWN: &str = "a key of docs/configuration.md";

/// The file at hand and what was found wrong with it.
pub(crate) struct Reader<'t> {
    pub file: &'t str,
    text: &'t str,
    pub files: &'t dyn FileReader,
    found: Vec<Diagnostic>,
    /// Where the file itself has a secret.
    pub secret_at: Option<usize>,
    /// Files and directories with certificates and keys that were read, or could not be.
    pub watched: Vec<PathBuf>,
}

impl<'t> Reader<'t> {
    pub fn new(file: &'t str, text: &'t str, files: &'t dyn FileReader) -> Self {
        Self {
            file,
            text,
            files,
            found: vec![],
            secret_at: None,
            watched: vec![],
        }
    }

    /// Where an octet of a text is, whose value starts at `at`; the value where that cannot be told (it has escapes).
    pub fn inside(&self, at: usize, value: &str, offset: usize) -> usize {
        let plain = self.text.get(at + 1..).is_some_and(|rest| rest.starts_with(value));
        if plain { at + 1 + offset } else { at }
    }

    pub fn error(&mut self, at: usize, message: String, expected: &str, hint: &str) {
        self.add(at, message, expected, hint, false);
    }

    pub fn warning(&mut self, at: usize, message: String, hint: &str) {
        self.add(at, message, "", hint, true);
    }

    /// The first mistake of each line; more of them only follow from it.
    pub fn not_toml(&mut self, errors: &[toml::de::Error]) {
        let mut last = None;
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            let line = self.position(at).0;
            if last.replace(line) != Some(line) {
                let message = error.message().replace('\n', ", ");
                let (message, expected) = match message.split_once(", expected ") {
                    Some((message, "nothing")) => (message, "a text in quotes, a number, true or false"),
                    Some(both) => both,
                    None => (message.as_str(), "key = \"value\" lines and [tables]"),
                };
                self.error(at, format!("not TOML: {message}"), expected, "");
            }
        }
    }

    fn add(&mut self, at: usize, message: String, expected: &str, hint: &str, warning: bool) {
        let (line, column) = self.position(at);
        let (expected, hint) = (expected.to_string(), hint.to_string());
        let file = self.file.to_string();
        self.found.push(Diagnostic {
            file,
            line,
            column,
            message,
            expected,
            hint,
            warning,
            offset: at,
        });
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// How many mistakes and warnings there are so far.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// How many mistakes there are so far.
    pub fn errors(&self) -> usize {
        self.found.iter().filter(|d| !d.warning).count()
    }

    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// The time of day.
    pub fn now(&self) -> Time {
        self.files.now()
    }

    pub fn into_diagnostics(mut self) -> Diagnostics {
        self.found.sort_by_key(|d| d.offset);
        Diagnostics(self.found, mask(self.text))
    }

    /// A file with a secret must be its owner's alone.
    pub fn check_mode(&mut self) {
        if let Some(at) = self.secret_at {
            let path = PathBuf::from(self.file);
            self.check_mode_of(at, &path);
        }
    }

    pub fn check_mode_of(&mut self, at: usize, path: &Path) -> bool {
        match self.files.mode(path) {
            Ok(mode) if mode & 0o077 != 0 => {
                let message = format!(
                    "{} holds a secret and others can read it (mode {:03o})",
                    path.display(),
                    mode & 0o777
                );
                self.error(at, message, "mode 600", &format!("chmod 600 {}", path.display()));
                false
            }
            Ok(_) => true,
            Err(why) => {
                self.error(at, format!("{}: {why}", path.display()), "a file that can be read", "");
                false
            }
        }
    }

    /// The secret in a file of its own, without the line's end.
    pub fn secret_file(&mut self, at: usize, named: &str) -> Option<Secret> {
        let path = self.beside(named);
        if !self.check_mode_of(at, &path) {
            return None;
        }
        match self.files.read(&path) {
            Ok(octets) => {
                let octets = Secret::new(octets);
                let whole = octets.as_bytes();
                let end = whole.iter().rposition(|o| !b"\r\n".contains(o)).map_or(0, |n| n + 1);
                Some(Secret::from(&whole[..end]))
            }
            Err(why) => {
                self.error(at, format!("{}: {why}", path.display()), "a file that can be read", "");
                None
            }
        }
    }
}

/// A table of which keys are taken one by one.
pub(crate) struct Section<'a, 'i> {
    table: &'a DeTable<'i>,
    /// Where it begins.
    pub at: usize,
    asked: Vec<&'static str>,
}

impl<'a, 'i> Section<'a, 'i> {
    pub fn new(table: &'a DeTable<'i>, at: usize) -> Self {
        Self {
            table,
            at,
            asked: vec![],
        }
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// A value with its place.
    fn value(&mut self, key: &'static str) -> Option<(&'a DeValue<'i>, usize)> {
        self.asked.push(key);
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some((value.get_ref(), value.span().start))
    }

    /// Where it is and where its keys are, for refusals. `head` is where its name is.
    pub fn place(&self, reader: &Reader<'_>, head: usize) -> Place {
        let line = |at| reader.position(at).0;
        let keys = self
            .table
            .iter()
            .map(|(name, _)| (&**name.get_ref(), line(name.span().start)));
        Place::in_file(reader.file, line(head), keys)
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref() == key)
    }

    /// Where the value of a key is; without one, where the table is.
    pub fn at_of(&self, key: &str) -> usize {
        let mut all = self.table.iter();
        all.find(|(name, _)| name.get_ref() == key)
            .map_or(self.at, |(_, value)| value.span().start)
    }

    pub fn table(&mut self, reader: &mut Reader<'_>, key: &'static str) -> Option<Section<'a, 'i>> {
        match self.value(key)? {
            (DeValue::Table(table), at) => Some(Section::new(table, at)),
            (other, at) => {
                reader.error(
                    at,
                    format!("{key} is {}", kind(other)),
                    &format!("a table: [{key}]"),
                    "",
                );
                None
            }
        }
    }

    /// All keys as tables: name, place of the name, table. `head`: what such a table begins with.
    pub fn tables(&self, reader: &mut Reader<'_>, head: &str) -> Vec<(String, usize, Section<'a, 'i>)> {
        let mut list = vec![];
        for (name, value) in self.table.iter() {
            let (at, name) = (name.span().start, name.get_ref().to_string());
            match value.get_ref() {
                DeValue::Table(table) => list.push((name, at, Section::new(table, at))),
                other => reader.error(
                    at,
                    format!("{name} is {}", kind(other)),
                    &format!("a table: {head}"),
                    "",
                ),
            }
        }
        list.sort_by_key(|(_, at, _)| *at);
        list
    }

    pub fn text(&mut self, reader: &mut Reader<'_>, key: &'static str, expected: &str) -> Option<(String, usize)> {
        match self.value(key)? {
            (DeValue::String(text), at) => Some((text.to_string(), at)),
            (other, at) => {
                reader.error(at, format!("{key} is {}", kind(other)), expected, "");
                None
            }
        }
    }

    /// A text, or a list of texts.
    pub fn texts(&mut self, reader: &mut Reader<'_>, key: &'static str, expected: &str) -> Vec<(String, usize)> {
        let Some((value, at)) = self.value(key) else {
            return vec![];
        };
        let items: Vec<(&DeValue<'_>, usize)> = match value {
            DeValue::Array(list) if list.is_empty() => {
                let hint = format!("without {key} the default is taken");
                reader.error(at, format!("{key} is an empty list"), expected, &hint);
                return vec![];
            }
            DeValue::Array(list) => list.iter().map(|v| (v.get_ref(), v.span().start)).collect(),
            one => vec![(one, at)],
        };
        let mut texts = vec![];
        for (item, at) in items {
            match item {
                DeValue::String(text) => texts.push((text.to_string(), at)),
                other => reader.error(at, format!("{key} is {}", kind(other)), expected, ""),
            }
        }
        texts
    }

    /// A text that is then read as `T`, whose error explains itself.
    pub fn parsed<T: FromStr>(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        expected: &str,
    ) -> Option<(T, usize)>
    where
        T::Err: std::fmt::Display,
    {
        let (text, at) = self.text(reader, key, expected)?;
        parse(reader, key, &text, at, expected).map(|value| (value, at))
    }

    /// A whole number in a range.
    pub fn number(&mut self, reader: &mut Reader<'_>, key: &'static str, least: u64, most: u64) -> Option<u64> {
        let expected = format!("a whole number from {least} to {most}");
        let (value, at) = self.value(key)?;
        let number = match value {
            DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok(),
            other => {
                reader.error(at, format!("{key} is {}", kind(other)), &expected, "");
                return None;
            }
        };
        match number.filter(|n| (least..=most).contains(n)) {
            Some(n) => Some(n),
            None => {
                reader.error(at, format!("{key} is out of range"), &expected, "");
                None
            }
        }
    }

    /// A whole number in a range, or "off", which is the inner `None`.
    pub fn number_or_off(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        least: u64,
        most: u64,
    ) -> Option<Option<u64>> {
        let expected = format!("a whole number from {least} to {most}, or \"off\"");
        let (value, at) = self.value(key)?;
        let number = match value {
            DeValue::String(text) if text.as_ref() == "off" => return Some(None),
            DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok(),
            other => {
                reader.error(at, format!("{key} is {}", kind(other)), &expected, "");
                return None;
            }
        };
        let number = number.filter(|n| (least..=most).contains(n));
        if number.is_none() {
            reader.error(at, format!("{key} is out of range"), &expected, "");
        }
        number.map(Some)
    }

    /// Whether the key has a text as its value.
    pub fn is_text(&self, key: &str) -> bool {
        self.table
            .iter()
            .any(|(name, value)| name.get_ref() == key && matches!(value.get_ref(), DeValue::String(_)))
    }

    /// Whether this text is the key's value, or one of its list.
    pub fn has_text(&self, key: &str, text: &str) -> bool {
        let is = |value: &DeValue<'_>| matches!(value, DeValue::String(found) if found.as_ref() == text);
        self.table.iter().any(|(name, value)| {
            name.get_ref() == key
                && match value.get_ref() {
                    DeValue::Array(list) => list.iter().any(|item| is(item.get_ref())),
                    one => is(one),
                }
        })
    }

    /// True or false.
    pub fn flag(&mut self, reader: &mut Reader<'_>, key: &'static str) -> Option<bool> {
        match self.value(key)? {
            (DeValue::Boolean(flag), _) => Some(*flag),
            (other, at) => {
                reader.error(
                    at,
                    format!("{key} is {}", kind(other)),
                    "true or false, without quotes",
                    "",
                );
                None
            }
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&mut self, reader: &mut Reader<'_>, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let list = words
            .iter()
            .map(|(w, _)| format!("\"{w}\""))
            .collect::<Vec<_>>()
            .join(" or ");
        let (text, at) = self.text(reader, key, &list)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            reader.error(at, format!("{key} is {text:?}"), &list, "");
        }
        found
    }

    /// Complains of the keys that nobody asked for.
    pub fn finish(self, reader: &mut Reader<'_>) {
        for (name, _) in self.table.iter() {
            let key = name.get_ref().as_ref();
            if self.asked.contains(&key) {
                continue;
            }
            let (expected, hint) = match nearest(key, &self.asked) {
                Some(near) => (KNOWN.to_string(), format!("did you mean {near}?")),
                None => {
                    let mut known = self.asked.clone();
                    known.sort_unstable();
                    (format!("one of {}", known.join(", ")), String::new())
                }
            };
            reader.error(name.span().start, format!("unknown key {key}"), &expected, &hint);
        }
    }
}

pub(crate) fn parse<T: FromStr>(reader: &mut Reader<'_>, key: &str, text: &str, at: usize, expected: &str) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    match text.parse() {
        Ok(value) => Some(value),
        Err(why) => {
            // Some say themselves what they expect.
            let why = why.to_string();
            let (why, expected) = why.split_once("; expected ").unwrap_or((&why, expected));
            reader.error(at, format!("{key}: {why}"), expected, "");
            None
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
