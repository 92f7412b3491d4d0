//! The audit log in words: its entries as pages show them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::text::encode;
use super::view::{Change, EntryRow, SignInRow, Time};
use crate::model::audit::{Action, ListedEntry};
use crate::model::clock::Timestamp;
use crate::model::failure_reason::FailureReason;
use crate::model::rules::Denial;
use crate::model::time_zone::Zone;
use crate::model::undo;

/// An entry as a row of a table, with the times among its words in a zone.
pub(super) fn row(told: &ListedEntry, zone: &Zone) -> EntryRow {
    let entry = &told.entry;
    let known = entry.actor_id.map(|id| named(id, &entry.actor_name));
    let runs = if is_of_import(told) { "/users/imports" } else { "/users/bulk" };
    EntryRow {
        when: Timestamp::from_micros(entry.happened_at).into(),
        actor_path: match entry.actor_name.as_str() {
            "" => String::new(),
            name => format!("/audit?actor={}", encode(name)),
        },
        actor: known.unwrap_or_else(|| stranger(&entry.door).to_owned()),
        what: action(&entry.action).to_owned(),
        target: entry.target_id.map(|id| (format!("/users/{id}"), named(id, &entry.target_name))),
        changes: told.changes().iter().map(|(field, value)| change(field, value, zone)).collect(),
        notes: notes(&told.details(), &[], zone),
        place: place(&entry.door, &entry.address),
        batch: entry.batch_id,
        batch_path: entry.batch_id.map(|batch| format!("{runs}/{batch}")).unwrap_or_default(),
        undo: String::new(),
        undoes: entry.undoes.is_some(),
        undone: told.undone_by.is_some(),
    }
}

/// A user, by the name of that moment if it was not erased.
fn named(id: i64, name: &str) -> String {
    if name.is_empty() { format!("Erased user {id}") } else { name.to_owned() }
}

/// Whether the run that an entry is a part of is an import, or the undo of one.
fn is_of_import(told: &ListedEntry) -> bool {
    let is_of = |action: Action| told.entry.action == action.as_str();
    [Action::Imported, Action::ImportUndone, Action::UserRemoved].into_iter().any(is_of)
        || is_of(Action::UserCreated) && told.details().get("by").and_then(Value::as_str) == Some("import")
        // No other run gives users external ids.
        || is_of(Action::UserChanged) && told.details().contains_key("external_id")
}

/// A sign-in, successful or failed, or another event of a session. `live` has the sessions of the user that
/// can still be used.
pub(super) fn sign_in(told: &ListedEntry, live: &HashSet<i64>, zone: &Zone) -> SignInRow {
    let (entry, details) = (&told.entry, told.details());
    let text = |name: &str| details.get(name).and_then(Value::as_str).unwrap_or_default();
    let session = details.get("session").and_then(Value::as_i64);
    let device = match (text("device"), credential(text("by"))) {
        ("", credential) => credential.to_owned(),
        (device, _) => device.to_owned(),
    };
    SignInRow {
        when: Timestamp::from_micros(entry.happened_at).into(),
        is_good: entry.action == Action::SignIn.as_str(),
        is_bad: [Action::SignInFailed, Action::AccountBlocked, Action::PasswordConfirmationFailed]
            .iter()
            .any(|bad| bad.as_str() == entry.action),
        result: action(&entry.action).to_owned(),
        notes: notes(&details, &["device", "by"], zone),
        address: place(&entry.door, &entry.address),
        device,
        session: session.filter(|id| entry.action == Action::SignIn.as_str() && live.contains(id)),
    }
}

/// What happened, in words. A newer release may have written what this one does not know.
fn action(name: &str) -> &str {
    Action::named(name).map_or(name, |action| action.words())
}

/// The name for an actor who is not signed in.
fn stranger(door: &str) -> &'static str {
    if door == "command_line" { "Operator" } else { "Not signed in" }
}

fn place(door: &str, address: &str) -> String {
    match (door, address) {
        ("command_line", _) => "Command line".to_owned(),
        (_, "") => "Unknown address".to_owned(),
        (_, address) => address.to_owned(),
    }
}

/// A field of a user in words.
fn label(field: &str) -> String {
    let label = undo::label(field);
    if label == field { sentence(field) } else { label.to_owned() }
}

/// A name in code as the beginning of a sentence.
fn sentence(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + &characters.as_str().replace('_', " ")
}

/// A field with its two values; neither if they are not recorded, as those of a password.
fn change(field: &str, value: &Value, zone: &Zone) -> Change {
    let side = |name: &str| value.get(name).map(|value| shown(field, value, zone)).unwrap_or_default();
    Change { label: label(field), is_told: value.is_object(), old: side("old"), new: side("new") }
}

/// A value for people; empty for none.
fn shown(field: &str, value: &Value, zone: &Zone) -> String {
    match (field, value) {
        (_, Value::Null) => String::new(),
        ("is_active", Value::Bool(active)) => if *active { "Active" } else { "Deactivated" }.to_owned(),
        (_, Value::Bool(yes)) => if *yes { "Yes" } else { "No" }.to_owned(),
        ("valid_from" | "valid_until", Value::String(at)) => {
            Timestamp::parse(at).map_or_else(|| at.clone(), |at| Time::from(at).text_in(zone))
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// Further facts as sentences, but for those of these names.
fn notes(details: &Map<String, Value>, without: &[&str], zone: &Zone) -> Vec<String> {
    details
        .iter()
        // Null is what was erased.
        .filter(|(name, value)| !without.contains(&name.as_str()) && !value.is_null())
        .filter_map(|(name, value)| note(name, value, zone))
        .collect()
}

fn note(name: &str, value: &Value, zone: &Zone) -> Option<String> {
    let text = value.as_str().unwrap_or_default();
    let number = value.as_u64().unwrap_or_default();
    Some(match name {
        // Numbers that only link one entry with others, and what goes without saying.
        "session" | "link" | "kept" | "clients" => return None,
        "by_mail" if value == &Value::Bool(false) => return None,
        "by_mail" => "Sent by mail".to_owned(),
        "purpose" if text == "setup" => "For the first password".to_owned(),
        "purpose" if text == "reset" => "For another password".to_owned(),
        "expires_at" => {
            let at = Timestamp::parse(text).map(|at| Time::from(at).text_in(zone));
            format!("Until {}", at.unwrap_or_else(|| text.to_owned()))
        }
        "read_only" => {
            if value == &Value::Bool(true) { "Can only read" } else { "Can change things" }.to_owned()
        }
        "by" if text == "link" => "By a one-time link".to_owned(),
        "by" if text == "first_start" => "By the link that the server printed".to_owned(),
        "second_factor" => match text.strip_prefix("totp ").or_else(|| text.strip_prefix("passkey ")) {
            Some(name) => format!("With the second factor “{name}”"),
            None => "With a recovery code".to_owned(),
        },
        "without_password" => {
            format!("With the passkey “{}”, without a password", text.trim_start_matches("passkey "))
        }
        "because" => format!("Reason: {text}"),
        "due_at" => {
            let at = Timestamp::parse(text).map(|at| Time::from(at).text_in(zone));
            format!("On {}", at.unwrap_or_else(|| text.to_owned()))
        }
        "blocks_username" if value == &Value::Bool(true) => "The username is blocked".to_owned(),
        "blocks_username" => "The username is free".to_owned(),
        "external_id" => "External id changed".to_owned(),
        "restored" => "Again, after a backup was restored".to_owned(),
        "reason" => reason(text),
        "by" if text == "import" => "By an import".to_owned(),
        "by" => credential(text).to_owned(),
        "code" => Denial::ALL
            .iter()
            .find(|denial| denial.code() == text)
            .map_or_else(|| sentence(text), |denial| denial.sentence().to_owned()),
        "sessions_ended" | "oldest_sessions_ended" | "least_recent_sessions_ended" if number == 0 => {
            return None;
        }
        "sessions_ended" => format!("Signed out of {}", counted(number, "device")),
        "oldest_sessions_ended" => format!("Ended the oldest {}", counted(number, "session")),
        "least_recent_sessions_ended" => format!("Ended {} used the longest ago", counted(number, "session")),
        "seconds" if number >= 3600 => format!("For {}", counted(number / 3600, "hour")),
        "seconds" if number >= 60 => format!("For {}", counted(number / 60, "minute")),
        "seconds" => format!("For {}", counted(number, "second")),
        "failures" => format!("After {}", counted(number, "failure")),
        "left_out" => format!("Not recorded before it: {}", counted(number, "refusal")),
        "only_for" if text == "known_browser" => "Only for a browser that signed in before".to_owned(),
        "only_for" if text == "session" => "Only for who was signed in".to_owned(),
        "note" => text.to_owned(),
        "sha256" => format!("SHA-256 {text}"),
        "until_reset" => "Until the password is reset".to_owned(),
        _ => match value {
            Value::String(text) if text.is_empty() => return None,
            Value::Null => return None,
            Value::Number(number) if number.as_u64() == Some(0) && IMPORT_COUNTS.contains(&name) => {
                return None;
            }
            Value::String(text) if name == "device" || name == "request" => text.clone(),
            Value::String(text) => format!("{}: {text}", sentence(name)),
            Value::Bool(yes) => format!("{}: {}", sentence(name), if *yes { "yes" } else { "no" }),
            other => format!("{}: {other}", sentence(name)),
        },
    })
}

/// What an import counts; where it has none it is not told.
const IMPORT_COUNTS: [&str; 10] = [
    "conflicts",
    "created",
    "external_ids",
    "external_ids_left_out",
    "initial",
    "invited",
    "layered",
    "refused",
    "unchanged",
    "unchecked",
];

fn counted(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Why a sign-in failed, or a link was not sent.
fn reason(code: &str) -> String {
    if let Some(reason) = FailureReason::named(code) {
        return failure(reason).to_owned();
    }
    match code {
        "no_second_factor" => "There is none yet: it has to be added in the console first".to_owned(),
        "superuser" => "Superusers are sent no link".to_owned(),
        other => sentence(other),
    }
}

const fn failure(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::UnknownUser => "No such user",
        FailureReason::WrongPassword => "Wrong password",
        FailureReason::Blocked => "Blocked after failures, so the password was not looked at",
        FailureReason::Inactive => "The account is deactivated",
        FailureReason::OutsideDates => "Outside the account's dates",
        FailureReason::ChangedMeanwhile => "The account was changed while the password was checked",
        FailureReason::WrongCode => "The password was right, the code of the second factor was not",
        FailureReason::CodesBlocked => "Blocked after wrong codes, so the code was not looked at",
        FailureReason::FactorKeyMissing => "The second factors are sealed by a secret key that is not set",
        FailureReason::UnknownPasskey => "No user has this passkey",
        FailureReason::WrongPasskey => "The passkey was not right",
        FailureReason::PasskeyUsedBefore => "The answer of the passkey was used before",
        FailureReason::PasskeyCountsBack => "The passkey counts backwards: there may be a copy of it",
    }
}

fn credential(name: &str) -> &'static str {
    match name {
        "cookie" => "Browser",
        "token" => "API client",
        "named" => "API token",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(action: &str, changes: &Value, details: &Value) -> ListedEntry {
        let entry = crate::model::audit::StoredEntry {
            id: 5,
            happened_at: 0,
            action: action.to_owned(),
            actor_id: None,
            actor_name: String::new(),
            target_id: Some(7),
            target_name: "ada".to_owned(),
            changes: changes.to_string(),
            details: details.to_string(),
            door: "console".to_owned(),
            address: "192.0.2.1".to_owned(),
            request_id: String::new(),
            batch_id: None,
            undoes: None,
        };
        ListedEntry { entry, undone_by: None }
    }

    fn tokyo() -> Zone {
        Zone::named("Asia/Tokyo").unwrap()
    }

    #[test]
    fn changes_are_told_in_words_and_passwords_only_as_changed() {
        let changes = json!({
            "email": {"old": "", "new": "a@b.co"},
            "first_name": {"old": "A", "new": ""},
            "is_active": {"old": true, "new": false},
            "must_change_password": {"old": false, "new": true},
            "password": "changed",
            "valid_until": {"old": null, "new": "2026-03-01T09:00:00.000000Z"},
        });
        let row = row(&told("user_changed", &changes, &json!({"sessions_ended": 2})), &tokyo());
        let told: Vec<_> = row
            .changes
            .iter()
            .map(|change| (change.label.as_str(), change.old.as_str(), change.new.as_str(), change.is_told))
            .collect();
        assert_eq!(
            told,
            [
                ("Email", "", "a@b.co", true),
                ("First name", "A", "", true),
                ("Status", "Active", "Deactivated", true),
                ("Must change password", "No", "Yes", true),
                ("Password", "", "", false),
                ("Valid until", "", "1 Mar 2026, 18:00", true),
            ]
        );
        assert_eq!(row.notes, ["Signed out of 2 devices"]);
        assert_eq!((row.actor.as_str(), row.what.as_str()), ("Not signed in", "Changed"));
    }

    #[test]
    fn a_sign_in_can_be_ended_while_its_session_lives() {
        let good = told("sign_in", &json!({}), &json!({"by": "token", "session": 4, "device": ""}));
        assert_eq!(sign_in(&good, &HashSet::from([4]), &Zone::UTC).session, Some(4));
        assert_eq!(sign_in(&good, &HashSet::from([5]), &Zone::UTC).session, None);
        assert_eq!(sign_in(&good, &HashSet::new(), &Zone::UTC).device, "API client");
        let out = told("sign_out", &json!({}), &json!({"session": 4}));
        assert_eq!(sign_in(&out, &HashSet::from([4]), &Zone::UTC).session, None);
        let failed = sign_in(
            &told(
                "sign_in_failed",
                &json!({}),
                &json!({"reason": "wrong_password", "device": "Firefox on Linux"}),
            ),
            &HashSet::new(),
            &Zone::UTC,
        );
        assert_eq!(failed.notes, ["Wrong password"]);
        assert_eq!((failed.device.as_str(), failed.is_bad), ("Firefox on Linux", true));
    }

    #[test]
    fn links_and_tokens_are_told_in_words_without_their_numbers() {
        let at = "2026-03-02T09:00:00.000000Z";
        for (details, told_as) in [
            (
                json!({"link": 3, "purpose": "setup", "expires_at": at, "by_mail": true}),
                vec!["Sent by mail", "Until 2 Mar 2026, 18:00", "For the first password"],
            ),
            (json!({"link": 3, "purpose": "reset", "by_mail": false}), vec!["For another password"]),
            (json!({"by": "link", "link": 3, "sessions_ended": 0}), vec!["By a one-time link"]),
            (json!({"name": "deploy", "read_only": true}), vec!["Name: deploy", "Can only read"]),
            (json!({"read_only": false}), vec!["Can change things"]),
            (json!({"only_for": "known_browser"}), vec!["Only for a browser that signed in before"]),
            (json!({"only_for": "session"}), vec!["Only for who was signed in"]),
            (json!({"left_out": 1}), vec!["Not recorded before it: 1 refusal"]),
            (json!({"left_out": 480}), vec!["Not recorded before it: 480 refusals"]),
            (json!({"kept": 15, "sessions_ended": 2}), vec!["Signed out of 2 devices"]),
        ] {
            assert_eq!(row(&told("link_made", &json!({}), &details), &tokyo()).notes, told_as, "{details}");
        }
    }

    #[test]
    fn lg_7_what_was_erased_is_told_without_values() {
        let changes = json!({"email": null, "is_active": {"old": true, "new": false}});
        let mut told = told("user_changed", &changes, &json!({"note": null, "second_factor": null}));
        told.entry.target_name.clear();
        let row = row(&told, &Zone::UTC);
        assert_eq!(row.target, Some(("/users/7".to_owned(), "Erased user 7".to_owned())));
        let labels: Vec<_> = row.changes.iter().map(|change| (&*change.label, change.is_told)).collect();
        assert_eq!(labels, [("Email", false), ("Status", true)]);
        assert_eq!(row.notes, [""; 0]);
    }

    #[test]
    fn what_this_release_does_not_know_is_told_as_it_stands() {
        let details = json!({"seconds": 900, "failures": 6, "code": "superuser_required", "rows_read": 3});
        let row =
            row(&told("something_new", &json!({"shoe_size": {"old": 1, "new": 2}}), &details), &Zone::UTC);
        assert_eq!(row.what, "something_new");
        assert_eq!(row.changes[0].label, "Shoe size");
        assert_eq!(
            row.notes,
            [
                "Only a superuser can change this account.",
                "After 6 failures",
                "Rows read: 3",
                "For 15 minutes"
            ]
        );
    }

    #[test]
    fn numbers_that_only_link_an_entry_with_others_are_not_told() {
        let details = json!({"session": 5, "clients": [4], "external_ids": 1});
        let row = row(&told("user_changed", &json!({}), &details), &tokyo());
        assert_eq!(row.notes, ["External ids: 1"]);
    }

    #[test]
    fn an_entry_of_an_external_id_leads_to_its_import() {
        let mut told = told("user_changed", &json!({}), &json!({"external_id": "changed", "clients": [4]}));
        told.entry.batch_id = Some(3);
        let row = row(&told, &tokyo());
        assert_eq!(
            (row.batch_path.as_str(), &row.notes[..]),
            ("/users/imports/3", &["External id changed".to_owned()][..])
        );
    }
}
