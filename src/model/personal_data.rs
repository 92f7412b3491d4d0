//! What is stored about one person, as their own file tells it.
//!
//! To add something that is stored about people: a member of [`PersonalData`], its section on the page, and its line in
//! `docs/privacy.md`.

use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audit::{Action, Group, ListedEntry};
use super::clock::Timestamp;
use super::preferences::Preferences;
use super::record::Record;
use super::second_factor::Factors;
use super::session::LiveSession;
use super::user::{User, UserId};

/// The version of the file's form.
pub const FORMAT: u8 = 1;

/// All that is stored about a person but entries of the audit log, which follow it in the file. No secrets and no
/// hashes of them. Its serialized form is the API's.
#[derive(Debug, Clone, Serialize)]
pub struct PersonalData {
    /// [`FORMAT`].
    pub format: u8,
    /// When it was put together.
    pub made_at: Timestamp,
    /// The record, with what else is known of the account.
    #[serde(serialize_with = "profile")]
    pub profile: User,
    /// Of the console.
    pub preferences: Preferences,
    /// Live sessions and API tokens.
    pub sessions: Vec<LiveSession>,
    /// What else signs in.
    pub second_factors: Factors,
    /// Browsers that signed in before.
    pub known_browsers: KnownBrowsers,
    /// One-time links that still work.
    pub links: Vec<OwnLink>,
    /// An address that is still to be confirmed.
    pub unconfirmed_address: Option<NewAddress>,
    /// Messages of the last days, the latest first.
    pub mails: Vec<SentMail>,
    /// What provisioning clients call the user.
    pub external_ids: Vec<ExternalName>,
}

/// Browsers that signed in before: of each only a hash is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct KnownBrowsers {
    /// How many.
    pub count: i64,
    /// The last time that one of them did.
    pub last_signed_in_at: Option<Timestamp>,
}

/// A one-time link that sets a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnLink {
    /// `setup` or `reset`.
    pub purpose: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// An address that is still to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewAddress {
    /// The address.
    pub address: String,
    /// Where mail goes meanwhile; may be empty.
    pub mail_goes_to: String,
    /// Until when its link works.
    pub expires_at: Timestamp,
}

/// A message; its text is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentMail {
    /// `setup` or `reset`.
    pub purpose: String,
    /// To which address.
    pub recipient: String,
    /// `queued`, `accepted` or `refused`.
    pub state: String,
    /// What the mail server said.
    pub response: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub changed_at: Timestamp,
}

/// What a provisioning client calls the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalName {
    /// The user who acts for the client.
    pub client_pk: i64,
    /// The name.
    pub external_id: String,
}

/// The record as the API shows it, with what the API takes and does not show.
#[derive(Serialize)]
struct Profile<'a> {
    #[serde(flatten)]
    record: Record<'a>,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    must_change_password: bool,
    password_changed_at: Option<Timestamp>,
    modified_at: Option<Timestamp>,
}

fn profile<S: Serializer>(user: &User, serializer: S) -> Result<S::Ok, S::Error> {
    let profile = Profile {
        record: Record::from(user),
        valid_from: user.valid_from,
        valid_until: user.valid_until,
        must_change_password: user.must_change_password,
        password_changed_at: user.password_changed_at,
        modified_at: user.modified_at,
    };
    profile.serialize(serializer)
}

/// Whether the texts of staff's notes are in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteTexts {
    /// They are: staff took the file, and look through them before they hand it over.
    Included,
    /// Only that there are notes, and from when.
    LeftOut,
}

/// An entry as the file of a person has it: without what it says about other people. Of others who did something to the
/// person it leaves out name, address and device; of others to whom the person did something, name and values.
#[must_use]
pub fn entry_for(person: UserId, notes: NoteTexts, told: ListedEntry) -> ListedEntry {
    let ListedEntry { mut entry, undone_by } = told;
    let is_other = |id: Option<i64>| id.is_some_and(|id| id != person.0);
    if is_other(entry.actor_id) {
        entry = entry.without(Group::Actor).without(Group::Origin);
    }
    // What was refused names the path of a person, and what was exported those whom it was about.
    let names_others = [Action::Refused, Action::Exported].map(Action::as_str).contains(&&*entry.action);
    if is_other(entry.target_id) || entry.target_id.is_none() && names_others {
        entry = entry.without(Group::Target);
    }
    if entry.action == Action::NoteAdded.as_str() && notes == NoteTexts::LeftOut {
        entry.details = note_left_out(&entry.details);
    }
    ListedEntry { entry, undone_by }
}

fn note_left_out(details: &str) -> String {
    let mut details: Value = serde_json::from_str(details).unwrap_or_default();
    if let Some(note) = details.get_mut("note") {
        *note = Value::Null;
    }
    details.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::audit::StoredEntry;

    fn entry(action: Action, actor: Option<i64>, target: Option<i64>) -> ListedEntry {
        let entry = StoredEntry {
            id: 5,
            happened_at: 0,
            action: action.as_str().to_owned(),
            actor_id: actor,
            actor_name: "actor".to_owned(),
            target_id: target,
            target_name: "target".to_owned(),
            changes: json!({"email": {"old": "a@b.co", "new": "c@d.co"}}).to_string(),
            details: json!({"device": "Firefox", "note": "was rude"}).to_string(),
            door: "api".to_owned(),
            address: "192.0.2.1".to_owned(),
            request_id: "r".to_owned(),
            batch_id: None,
            undoes: None,
        };
        ListedEntry { entry, undone_by: None }
    }

    fn file(action: Action, actor: Option<i64>, target: Option<i64>, notes: NoteTexts) -> String {
        format!("{:?}", entry_for(UserId(7), notes, entry(action, actor, target)))
    }

    #[test]
    fn pd_1_a_file_says_nothing_about_other_people() {
        let person = file(Action::UserChanged, Some(7), Some(7), NoteTexts::Included);
        for told in ["actor\"", "target\"", "a@b.co", "Firefox", "192.0.2.1", "was rude"] {
            assert!(person.contains(told), "{told}: {person}");
        }
        let by_staff = file(Action::UserChanged, Some(1), Some(7), NoteTexts::Included);
        for told in ["target\"", "a@b.co", "was rude"] {
            assert!(by_staff.contains(told), "{told}: {by_staff}");
        }
        for other in ["actor\"", "Firefox", "192.0.2.1"] {
            assert!(!by_staff.contains(other), "{other}: {by_staff}");
        }
        let on_another = file(Action::UserChanged, Some(7), Some(1), NoteTexts::Included);
        for told in ["actor\"", "Firefox", "192.0.2.1"] {
            assert!(on_another.contains(told), "{told}: {on_another}");
        }
        for other in ["target\"", "a@b.co", "was rude"] {
            assert!(!on_another.contains(other), "{other}: {on_another}");
        }
        for action in [Action::Refused, Action::Exported] {
            let without_target = file(action, Some(7), None, NoteTexts::Included);
            assert!(
                without_target.contains("Firefox") && !without_target.contains("was rude"),
                "{without_target}"
            );
        }
        // A sign-in that failed has no actor: from where it was tried is what its user has to know.
        assert!(file(Action::SignInFailed, None, Some(7), NoteTexts::LeftOut).contains("192.0.2.1"));
    }

    #[test]
    fn pd_1_the_text_of_a_note_is_only_in_the_file_that_staff_take() {
        assert!(file(Action::NoteAdded, Some(1), Some(7), NoteTexts::Included).contains("was rude"));
        let own = file(Action::NoteAdded, Some(1), Some(7), NoteTexts::LeftOut);
        assert!(own.contains("note_added") && !own.contains("was rude"), "{own}");
    }
}
