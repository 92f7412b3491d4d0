//! A user's preferences for the console.
//!
//! To add a preference: a member here with its default, and its field on the page of the preferences.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Light or dark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// How much stands on a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Density {
    /// Room between the rows.
    #[default]
    Comfortable,
    /// Less room.
    Compact,
}

/// Rows on a page of a list when nothing else is said.
pub const ROWS: i64 = 50;

/// A column of the users list that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// The address.
    Email,
    /// Staff or superuser.
    Role,
    /// Active, locked and so on.
    Status,
    /// The last sign-in.
    LastLogin,
    /// When the user was made.
    DateJoined,
    /// Whether there is a second factor.
    SecondFactor,
}

/// Most views that a user saves.
pub const MOST_VIEWS: usize = 10;
/// Longest name of one, in characters.
pub const LONGEST_VIEW_NAME: usize = 40;
/// Longest query of one, in bytes: preferences are read with each request.
pub const LONGEST_VIEW: usize = 500;

/// A view of the users list under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedView {
    /// What its user calls it.
    pub name: String,
    /// The query of the list's address.
    pub query: String,
}

/// A user's preferences for the console. Stored as JSON; what is missing has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// Light or dark.
    pub theme: Theme,
    /// How much stands on a page.
    pub density: Density,
    /// Rows on a page of a list: 25, 50 or 100.
    pub rows: i64,
    /// The name of the time zone in which times are shown.
    pub time_zone: String,
    /// Whether single keys do something.
    pub shortcuts: bool,
    /// The columns that the users list leaves out.
    pub hidden_columns: Vec<Column>,
    /// The views of the users list that they saved, at most [`MOST_VIEWS`].
    pub views: Vec<SavedView>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            theme: Theme::default(),
            density: Density::default(),
            rows: ROWS,
            time_zone: "UTC".into(),
            shortcuts: true,
            hidden_columns: vec![Column::SecondFactor],
            views: Vec::new(),
        }
    }
}

impl Preferences {
    /// From the database. What cannot be read, by an older version perhaps, is the default.
    #[must_use]
    pub fn from_json(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// For the database.
    #[must_use]
    pub fn to_json(&self) -> String {
        json!(self).to_string()
    }

    /// Whether a list may have so many rows on a page.
    #[must_use]
    pub const fn has_known_rows(&self) -> bool {
        matches!(self.rows, 25 | 50 | 100)
    }

    /// What differs from `before`, each as `{"old": ..., "new": ...}`.
    #[must_use]
    pub fn differences(&self, before: &Self) -> Map<String, Value> {
        let (before, after) = (json!(before), json!(self));
        let members = after.as_object().into_iter().flatten();
        members
            .filter(|(name, new)| before[name.as_str()] != **new)
            .map(|(name, new)| (name.clone(), json!({ "old": before[name.as_str()], "new": new })))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_back_as_they_were_written() {
        let preferences = Preferences {
            theme: Theme::Dark,
            density: Density::Compact,
            rows: 25,
            time_zone: "Europe/Berlin".into(),
            shortcuts: false,
            hidden_columns: vec![Column::Role, Column::DateJoined],
            views: vec![SavedView { name: "Locked".into(), query: "status=locked".into() }],
        };
        assert_eq!(Preferences::from_json(&preferences.to_json()), preferences);
    }

    #[test]
    fn what_is_missing_or_unreadable_is_the_default() {
        for json in ["", "{}", "[]", r#"{"theme":"purple"}"#, r#"{"rows":"many"}"#] {
            assert_eq!(Preferences::from_json(json), Preferences::default(), "{json}");
        }
        assert_eq!(Preferences::from_json(r#"{"rows":100}"#).rows, 100);
    }

    #[test]
    fn only_what_differs_is_told() {
        let before = Preferences::default();
        assert!(before.differences(&before).is_empty());
        let after = Preferences { rows: 25, ..before.clone() };
        assert_eq!(Value::from(after.differences(&before)), json!({"rows": {"old": 50, "new": 25}}));
    }
}
