//! Whether an account may be used, as other programs and people say it.

use super::row::{IS_ACTIVE_IF_1, IS_ACTIVE_UNLESS_NOLOGIN, Row, USER_ACCOUNT_CONTROL};
use super::times::{self, DateOrder};
use crate::model::clock::Timestamp;
use crate::model::raw::Raw;
use crate::model::text;

/// In `userAccountControl` of Active Directory: the account is disabled.
pub(super) const DISABLED: i64 = 2;

/// Whether the account may be used: all that say something of it have to say so.
pub(super) fn is_active(row: &Row, order: Option<DateOrder>) -> Raw {
    let opposite = |raw| match raw {
        Raw::Bool(is_blocked) => Raw::Bool(!is_blocked),
        Raw::Null => Raw::Missing,
        other => other,
    };
    let active = row.all("is_active").map(|raw| flag(raw.clone()));
    let blocked = row.all("is_blocked").map(|raw| opposite(is_blocked(raw)));
    let since = row.all("blocked_at").map(is_not_since);
    let until = row.all("blocked_until").map(|raw| match Until::of(raw, order) {
        Until::Always => Raw::Bool(false),
        Until::Never | Until::Time(_) | Until::Unclear => Raw::Missing,
    });
    let number = |raw: &Raw| match raw {
        Raw::Text(text) => text.trim().parse().ok(),
        Raw::Integer(number) => Some(*number),
        _ => None,
    };
    let firsts = row.all(IS_ACTIVE_IF_1).map(|raw| Raw::Bool(number(raw) == Some(1)));
    let controls = row.all(USER_ACCOUNT_CONTROL).map(|raw| match (raw, number(raw)) {
        (Raw::Missing | Raw::Null, _) => Raw::Missing,
        (_, Some(bits)) => Raw::Bool(bits & DISABLED == 0),
        (other, None) => other.clone(),
    });
    let kinds = row.all(IS_ACTIVE_UNLESS_NOLOGIN).map(|raw| match raw {
        Raw::Text(kind) if kind.trim() == "nologin" => Raw::Bool(false),
        _ => Raw::Missing,
    });
    let numbers = firsts.chain(controls).chain(kinds);
    let told: Vec<Raw> = active.chain(blocked).chain(since).chain(until).chain(numbers).collect();
    let is_unclear = |raw: &Raw| !matches!(raw, Raw::Bool(_) | Raw::Missing);
    if told.contains(&Raw::Bool(false)) {
        return Raw::Bool(false);
    }
    let unclear = told.iter().find(|raw| is_unclear(raw));
    unclear.cloned().unwrap_or_else(|| told.into_iter().find(|raw| *raw != Raw::Missing).unwrap_or_default())
}

/// Whether the account is kept from use. A state says so in its own sense: under "Locked", "locked" means yes; and a time
/// is the one from which it is.
fn is_blocked(given: &Raw) -> Raw {
    let Raw::Text(text) = given else { return flag(given.clone()) };
    match word(text).as_str() {
        // Okta's, whose accounts may be used again later.
        "locked out" => Raw::Bool(true),
        word if INACTIVE.contains(&word) => Raw::Bool(true),
        word if ACTIVE.contains(&word) => Raw::Bool(false),
        _ => match (flag(given.clone()), times::parse(text, None)) {
            (Raw::Text(_), Ok(time)) => Raw::Bool(time.is_some()),
            (flag, _) => flag,
        },
    }
}

/// Nothing, unless it is said when the account was closed.
fn is_not_since(given: &Raw) -> Raw {
    if is_none(given) { Raw::Missing } else { Raw::Bool(false) }
}

/// Whether a time is none, as databases write that.
fn is_none(given: &Raw) -> bool {
    match given {
        Raw::Missing | Raw::Null | Raw::Bool(false) | Raw::Integer(0) => true,
        Raw::Text(text) => {
            let text = text.trim();
            let is_word = ["", "null", "none", "never", "-"].contains(&text.to_lowercase().as_str());
            is_word || flag(text.into()) == Raw::Bool(false) || times::parse(text, None) == Ok(None)
        }
        Raw::Bool(true) | Raw::Integer(_) | Raw::Other => false,
    }
}

/// How long an account is kept from use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// It is not.
    Never,
    /// Until this time, from which on it may be used.
    Time(Timestamp),
    /// For good.
    Always,
    /// Day and month are not known.
    Unclear,
}

impl Until {
    pub(super) fn of(given: &Raw, order: Option<DateOrder>) -> Self {
        let text = match given {
            given if is_none(given) => return Self::Never,
            Raw::Text(text) => text.clone(),
            Raw::Integer(number) => number.to_string(),
            _ => return Self::Always,
        };
        match times::parse(&text, order) {
            Ok(time) => time.map_or(Self::Never, Self::Time),
            Err(times::Unreadable) if order.is_none() && times::needs_order(&text) => Self::Unclear,
            Err(times::Unreadable) => Self::Always,
        }
    }
}

/// Words of spreadsheets and directories for yes, without accents.
const YES: [&str; 18] = [
    "true",
    "t",
    "yes",
    "y",
    "on",
    "1",
    "wahr",
    "ja",
    "vrai",
    "oui",
    "verdadero",
    "vero",
    "verdadeiro",
    "waar",
    "si",
    "sim",
    "tak",
    "prawda",
];

/// States of accounts that may be used. Users of Okta's who have to act, or whom it keeps out for a while, have such.
const ACTIVE: [&str; 16] = [
    "active",
    "aktiv",
    "actif",
    "activo",
    "attivo",
    "ativo",
    "actief",
    "aktywny",
    "enabled",
    "habilitado",
    "recovery",
    "provisioned",
    "password expired",
    "password reset",
    "locked out",
    "pending user action",
];

/// Words for no.
const NO: [&str; 16] = [
    "false", "f", "no", "n", "off", "0", "falsch", "nein", "faux", "non", "falso", "onwaar", "nao", "nie",
    "fałsz", "nee",
];

/// States of accounts that may not be used.
const INACTIVE: [&str; 24] = [
    "inactive",
    "inaktiv",
    "inactif",
    "inactivo",
    "inattivo",
    "inativo",
    "inactief",
    "nieaktywny",
    "suspended",
    "deprovisioned",
    "deactivated",
    "staged",
    "disabled",
    "blocked",
    "locked",
    "gesperrt",
    "suspendu",
    "suspendido",
    "suspenso",
    "sospeso",
    "bloqueado",
    "bloccato",
    "geblokkeerd",
    "zablokowany",
];

/// A word as it is compared with these.
fn word(text: &str) -> String {
    text::searchable(text.trim()).replace('_', " ")
}

/// A truth value in the words of spreadsheets and directories, or as MySQL writes a bit; what is none stays as it is.
pub(super) fn flag(given: Raw) -> Raw {
    match given {
        Raw::Text(text) => match word(&text).as_str() {
            _ if text == "\u{0}" => Raw::Bool(false),
            _ if text == "\u{1}" => Raw::Bool(true),
            word if YES.contains(&word) || ACTIVE.contains(&word) => Raw::Bool(true),
            word if NO.contains(&word) || INACTIVE.contains(&word) => Raw::Bool(false),
            _ => Raw::Text(text),
        },
        Raw::Integer(1) => Raw::Bool(true),
        Raw::Integer(0) => Raw::Bool(false),
        other => other,
    }
}

/// Whether another password is demanded, if only by the state of the account.
pub(super) fn must_change_password(row: &Row) -> Raw {
    let is_expired = |raw: &Raw| matches!(raw, Raw::Text(state) if word(state) == "password expired");
    match flag(row.get("must_change_password")) {
        Raw::Missing if row.all("is_active").any(is_expired) => Raw::Bool(true),
        given => given,
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Place;
    use super::*;

    fn told(members: &[(&'static str, &str)]) -> Raw {
        let mut row = Row::new(Place::default());
        for (field, value) in members {
            row.add_column(field, (*value).into());
        }
        is_active(&row, None)
    }

    #[test]
    fn an_account_is_active_only_if_all_that_tell_of_it_say_so() {
        for (members, expected) in [
            (&[("is_active", "yes"), ("is_active", "Suspended")][..], Raw::Bool(false)),
            (&[("is_blocked", "0"), ("is_blocked", "0"), ("is_blocked", "1")], Raw::Bool(false)),
            (&[("is_active", "1"), ("blocked_at", "2024-01-01")], Raw::Bool(false)),
            (&[("is_active", "1"), ("is_blocked", "no"), ("blocked_at", "")], Raw::Bool(true)),
            (&[("is_active", "retired"), ("is_blocked", "yes")], Raw::Bool(false)),
            (&[("is_active", "yes"), ("is_active", "retired")], "retired".into()),
            (&[("blocked_at", "")], Raw::Missing),
            (&[], Raw::Missing),
        ] {
            assert_eq!(told(members), expected, "{members:?}");
        }
    }

    #[test]
    fn a_time_says_since_when_or_until_when_an_account_is_closed() {
        for none in ["", "NULL", "0", "0000-00-00 00:00:00", "false", "\u{0}"] {
            assert_eq!(told(&[("blocked_at", none), ("blocked_until", none)]), Raw::Missing, "{none:?}");
        }
        for since in ["2024-01-01 10:00:00+00", "1704067200", "03/04/2024", "x"] {
            assert_eq!(told(&[("blocked_at", since)]), Raw::Bool(false), "{since}");
        }
        assert_eq!(told(&[("is_blocked", "2024-01-01")]), Raw::Bool(false));
        assert_eq!(told(&[("is_blocked", "0000-00-00")]), Raw::Bool(true));
        assert_eq!(told(&[("blocked_until", "infinity")]), Raw::Bool(false));
        let until = |text: &str| Until::of(&text.into(), None);
        let time = Timestamp::parse("3017-01-01T00:00:00Z").unwrap();
        assert_eq!(
            (told(&[("blocked_until", "3017-01-01")]), until("3017-01-01")),
            (Raw::Missing, Until::Time(time))
        );
        assert_eq!((until("03/04/3017"), until("0")), (Until::Unclear, Until::Never));
    }

    #[test]
    fn a_state_in_a_column_of_those_who_are_kept_out_means_what_it_says() {
        for (told, expected) in [
            ("gesperrt", true),
            ("Locked", true),
            ("Locked out", true),
            ("Disabled", true),
            ("Enabled", false),
            ("aktiv", false),
            ("ja", true),
            ("no", false),
            ("1", true),
        ] {
            assert_eq!(is_blocked(&told.into()), Raw::Bool(expected), "{told}");
        }
        assert_eq!(told(&[("is_blocked", "gesperrt")]), Raw::Bool(false));
    }

    #[test]
    fn a_bit_of_mysql_is_a_truth_value() {
        assert_eq!([flag("\u{0}".into()), flag("\u{1}".into())], [Raw::Bool(false), Raw::Bool(true)]);
    }
}
