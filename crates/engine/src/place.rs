//! Where something is written in the configuration, for explanations.

use std::fmt;
use std::sync::Arc;

/// The place of a table, and of the keys in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    head: String,
    /// Keys and their lines, in the same file.
    keys: Arc<[(Box<str>, usize)]>,
}

impl Place {
    /// The place of a table's head ("handfast.toml:3").
    pub fn new(head: impl Into<String>) -> Self {
        Self {
            head: head.into(),
            keys: Arc::default(),
        }
    }

    /// The place of a table in a file, and the lines of its keys.
    pub fn in_file<'k>(file: &str, line: usize, keys: impl Iterator<Item = (&'k str, usize)>) -> Self {
        Self {
            head: format!("{file}:{line}"),
            keys: keys.map(|(key, line)| (key.into(), line)).collect(),
        }
    }

    /// Keys that this table does not have are those of a table around it.
    pub fn within(mut self, outer: &Self) -> Self {
        let is_own = |key: &str| self.keys.iter().any(|(own, _)| **own == *key);
        let further = outer.keys.iter().filter(|(key, _)| !is_own(key));
        self.keys = self.keys.iter().chain(further).cloned().collect();
        self
    }

    /// The table's head.
    pub fn as_str(&self) -> &str {
        &self.head
    }

    /// The line to look at for the first of these keys that is set: "handfast.toml:7 (ike)".
    pub fn of(&self, keys: &[&str]) -> String {
        let set = |wanted: &&&str| self.keys.iter().any(|(key, _)| **key == ***wanted);
        let Some(key) = keys.iter().find(set).or(keys.first()) else {
            return self.head.clone();
        };
        let file = self.head.rsplit_once(':').map_or(&*self.head, |(file, _)| file);
        match self.keys.iter().find(|(name, _)| **name == **key) {
            Some((_, line)) => format!("{file}:{line} ({key})"),
            // A policy made by hand has no keys at all.
            None if self.keys.is_empty() => format!("{} ({key})", self.head),
            None => format!("{} ({key}, which is not set)", self.head),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)
    }
}

impl From<&str> for Place {
    fn from(head: &str) -> Self {
        Self::new(head)
    }
}

impl From<String> for Place {
    fn from(head: String) -> Self {
        Self::new(head)
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.head
    }
}

impl From<&Place> for String {
    fn from(place: &Place) -> Self {
        place.head.clone()
    }
}

impl PartialEq<&str> for Place {
    fn eq(&self, other: &&str) -> bool {
        self.head == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_key_or_that_it_is_not_set() {
        let place = Place::in_file("t.toml", 1, [("secret_file", 4)].into_iter());
        assert_eq!(place.of(&["secret", "secret_file"]), "t.toml:4 (secret_file)");
        assert_eq!(place.of(&["ike"]), "t.toml:1 (ike, which is not set)");
        assert_eq!(Place::new("by hand").of(&["ike"]), "by hand (ike)");
        let outer = Place::in_file("t.toml", 7, [("esp", 8), ("secret_file", 9)].into_iter());
        let both = place.clone().within(&outer);
        assert_eq!(both.of(&["secret_file"]), "t.toml:4 (secret_file)");
        assert_eq!(both.of(&["esp"]), "t.toml:8 (esp)");
        assert_eq!(place.of(&[]), "t.toml:1");
        assert_eq!(place, "t.toml:1");
    }
}
