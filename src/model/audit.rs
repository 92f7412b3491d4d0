//! The audit log's nouns: actions, authors and entries, and how two states of a user differ.
//!
//! Names are those of the moment: an entry outlives its actor. To add something that is recorded: a row in the
//! table of [`Action`], an [`Entry`] where it happens, and its line in `docs/api.md`; sign-ins and the like also stand in
//! `db/audit/reading.rs` and its index.

mod commitments;
mod fields;
mod record;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::commitments::{Commitments, Group, Parts, SALT, stripped};
pub use self::fields::{Entries, IntegerField as EntryInteger, TextField as EntryText};
pub use self::record::EntryRecord;
use super::clock::Timestamp;
use super::origin::Origin;
use super::user::{User, UserId};

/// Defines [`Action`] from one table, so that no action can be without its name.
macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident: $name:literal, $words:literal;)+) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $variant,)+
        }

        impl Action {
            /// All of them, with the names under which they are stored and filtered, and in words.
            pub const NAMES: &[(Self, &str, &str)] = &[$((Self::$variant, $name, $words)),+];

            /// As stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The action of that name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// For people.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)+ }
            }
        }
    };
}

actions! {
    /// A user signed in.
    SignIn: "sign_in", "Signed in";
    /// A sign-in was refused; the details say why.
    SignInFailed: "sign_in_failed", "Failed to sign in";
    /// The password was right, and the client was asked for the second factor.
    SecondFactorAsked: "second_factor_asked", "Was asked for the second factor";
    /// A user signed out.
    SignOut: "sign_out", "Signed out";
    /// So many failures that further tries on the account are refused unseen for a while.
    AccountBlocked: "account_blocked", "Blocked after failures";
    /// The same for an address.
    AddressBlocked: "address_blocked", "Address blocked after failures";
    /// A superuser or the operator ended the block of an account.
    AccountUnblocked: "account_unblocked", "Unblocked";
    /// The operator ended the block of an address.
    AddressUnblocked: "address_unblocked", "Address unblocked";
    /// A user gave their password again, for an action that asks for it.
    PasswordConfirmed: "password_confirmed", "Confirmed their password";
    /// The password given again was wrong.
    PasswordConfirmationFailed: "password_confirmation_failed", "Failed to confirm their password";
    /// A signed-in user tried what they may not do.
    Refused: "refused", "Was refused";
    /// A user was made.
    UserCreated: "user_created", "Added";
    /// Fields of a user were changed.
    UserChanged: "user_changed", "Changed";
    /// A user was deactivated.
    UserDeactivated: "user_deactivated", "Deactivated";
    /// A user was reactivated.
    UserReactivated: "user_reactivated", "Reactivated";
    /// A user changed their own password.
    PasswordChanged: "password_changed", "Changed their password";
    /// A user removed their own password: a passkey signs in.
    PasswordRemoved: "password_removed", "Removed their password";
    /// Staff, the operator or a link set a user's password.
    PasswordReset: "password_reset", "Password reset";
    /// A one-time link was made.
    LinkMade: "link_made", "Link made";
    /// A client asked for a link on the page for forgotten passwords.
    LinkRequested: "link_requested", "Asked for a link";
    /// An address that a user gave themselves was confirmed by a link that was sent to it.
    AddressConfirmed: "address_confirmed", "Confirmed their address";
    /// A user changed how they like the console.
    PreferencesChanged: "preferences_changed", "Changed their preferences";
    /// Staff wrote a note on a user.
    NoteAdded: "note_added", "Note";
    /// One session was ended.
    SessionEnded: "session_ended", "Session ended";
    /// All sessions were ended.
    SessionsEnded: "sessions_ended", "Signed out everywhere";
    /// A named API token was made.
    TokenMade: "token_made", "API token made";
    /// A named API token was revoked.
    TokenRevoked: "token_revoked", "API token revoked";
    /// A second factor was added.
    FactorAdded: "factor_added", "Second factor added";
    /// A second factor was removed.
    FactorRemoved: "factor_removed", "Second factor removed";
    /// A passkey was shown by a device that counts backwards: there may be a copy of it.
    PasskeyRefused: "passkey_refused", "Passkey refused";
    /// Recovery codes were made; those from before are no longer good.
    RecoveryCodesMade: "recovery_codes_made", "Recovery codes made";
    /// A user of an import that was taken back was removed.
    UserRemoved: "user_removed", "Removed";
    /// Users were imported.
    Imported: "imported", "Imported users";
    /// An import was taken back.
    ImportUndone: "import_undone", "Took an import back";
    /// Users, or entries of the audit log, were exported.
    Exported: "exported", "Exported";
    /// Staff took the file of all that is stored about a user.
    DataExported: "data_exported", "Exported their data";
    /// The audit log was sealed anew, in another way than before; the details have the last seal of before.
    AuditResealed: "audit_resealed", "Sealed the audit log anew";
    /// Addresses and devices in entries that are older than the settings say were erased.
    OriginsErased: "origins_erased", "Erased old addresses";
    /// Entries of the audit log that are older than the operator keeps them were removed, or moved to an archive.
    EntriesRemoved: "entries_removed", "Removed old entries";
    /// A superuser asked for a person to be erased.
    ErasureRequested: "erasure_requested", "Asked to erase";
    /// An erasure was cancelled before it was carried out.
    ErasureCancelled: "erasure_cancelled", "Cancelled the erasure";
    /// A person was erased.
    UserErased: "user_erased", "Erased";
    /// The operator made a successor to the secret key.
    KeyRotated: "key_rotated", "Made another secret key";
}

impl Action {
    /// What a user's sign-ins show; all else about them is their history.
    pub const COMING_AND_GOING: [Self; 7] = [
        Self::AccountBlocked,
        Self::PasswordConfirmationFailed,
        Self::PasswordConfirmed,
        Self::SecondFactorAsked,
        Self::SignIn,
        Self::SignInFailed,
        Self::SignOut,
    ];
}

/// An entry's primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct EntryId(pub i64);

/// The primary key of a run of one action on many users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct BatchId(pub i64);

/// The actor of an entry.
#[derive(Debug, Clone)]
pub struct Author {
    /// The user, with the name of this moment; `None` for the operator and for strangers.
    pub user: Option<(UserId, String)>,
    /// From where.
    pub origin: Origin,
}

impl Author {
    /// A user.
    #[must_use]
    pub fn user(user: &User, origin: &Origin) -> Self {
        Self { user: Some((user.id, user.username.as_str().to_owned())), origin: origin.clone() }
    }

    /// A client that is not signed in, or the operator; the origin's channel says which.
    #[must_use]
    pub fn anonymous(origin: &Origin) -> Self {
        Self { user: None, origin: origin.clone() }
    }

    /// The operator, and what the server does by itself on their behalf.
    #[must_use]
    pub fn operator() -> Self {
        Self { user: None, origin: Origin::command_line() }
    }
}

/// What is to be recorded.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What happened.
    pub action: Action,
    /// Who did it.
    pub author: Author,
    /// To whom, with the name of this moment.
    pub target: Option<(UserId, String)>,
    /// Fields with old and new value.
    pub changes: Map<String, Value>,
    /// Further facts.
    pub details: Map<String, Value>,
    /// The run of an action on many users that it is a part of.
    pub batch_id: Option<BatchId>,
    /// The entry that is taken back by it.
    pub undoes: Option<EntryId>,
}

impl Entry {
    /// An entry without a target.
    #[must_use]
    pub fn new(action: Action, author: Author) -> Self {
        let (changes, details) = (Map::new(), Map::new());
        Self { action, author, target: None, changes, details, batch_id: None, undoes: None }
    }

    /// About a user.
    #[must_use]
    pub fn on(mut self, target: &User) -> Self {
        self.target = Some((target.id, target.username.as_str().to_owned()));
        self
    }

    /// With the fields that differ.
    #[must_use]
    pub fn changing(mut self, before: &User, after: &User) -> Self {
        self.changes.extend(differences(before, after));
        self
    }

    /// With another password. That is all that is ever said of passwords.
    #[must_use]
    pub fn with_new_password(mut self) -> Self {
        self.changes.insert("password".into(), json!("changed"));
        self
    }

    /// With a further fact.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.into(), value.into());
        self
    }
}

/// A field's value as entries record it; null for a field that they do not record.
pub(crate) fn field(user: &User, name: &str) -> Value {
    let instant = |at: Option<Timestamp>| json!(at.map(|at| at.to_string()));
    match name {
        "username" => json!(user.username.as_str()),
        "first_name" => json!(user.first_name),
        "last_name" => json!(user.last_name),
        "email" => json!(user.email),
        "is_active" => json!(user.is_active),
        "is_staff" => json!(user.is_staff),
        "is_superuser" => json!(user.is_superuser),
        "valid_from" => instant(user.valid_from),
        "valid_until" => instant(user.valid_until),
        "must_change_password" => json!(user.must_change_password),
        _ => Value::Null,
    }
}

/// The fields of a user that entries record.
const FIELDS: [&str; 10] = [
    "username",
    "email",
    "first_name",
    "last_name",
    "is_active",
    "is_staff",
    "is_superuser",
    "valid_from",
    "valid_until",
    "must_change_password",
];

/// The fields in which two states of a user differ, each as `{"old": ..., "new": ...}`.
#[must_use]
pub fn differences(before: &User, after: &User) -> Map<String, Value> {
    FIELDS
        .into_iter()
        .map(|name| (name, field(before, name), field(after, name)))
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| (name.to_owned(), json!({ "old": old, "new": new })))
        .collect()
}

/// An entry as stored. Its serialized form is what a seal covers: the order of the members must stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEntry {
    /// Primary key.
    pub id: i64,
    /// Microseconds since the epoch.
    pub happened_at: i64,
    /// See [`crate::model::audit::Action`].
    pub action: String,
    /// Who did it.
    pub actor_id: Option<i64>,
    /// The name at that moment.
    pub actor_name: String,
    /// To whom.
    pub target_id: Option<i64>,
    /// The name at that moment.
    pub target_name: String,
    /// A JSON object of fields with old and new value.
    pub changes: String,
    /// A JSON object of further facts.
    pub details: String,
    /// See [`crate::model::origin::Channel`].
    pub door: String,
    /// Of the client, or empty.
    pub address: String,
    /// Of the request, or empty.
    pub request_id: String,
    /// The run on many users that it is a part of.
    pub batch_id: Option<i64>,
    /// The entry that is taken back by it.
    pub undoes: Option<i64>,
}

/// An entry with what other entries say about it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedEntry {
    /// The entry.
    pub entry: StoredEntry,
    /// The primary key of the entry that takes it back.
    pub undone_by: Option<i64>,
}

impl ListedEntry {
    /// Fields with old and new value.
    #[must_use]
    pub fn changes(&self) -> Map<String, Value> {
        serde_json::from_str(&self.entry.changes).unwrap_or_default()
    }

    /// Further facts.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        serde_json::from_str(&self.entry.details).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_one_name_and_words() {
        for &(action, name, words) in Action::NAMES {
            assert_eq!(Action::named(name), Some(action));
            assert_eq!(action.as_str(), name);
            assert!(!words.is_empty());
        }
        assert_eq!(Action::named("unknown"), None);
    }

    #[test]
    fn every_action_is_in_the_documentation_of_the_api() {
        let documentation = include_str!("../../docs/api.md");
        for &(_, name, _) in Action::NAMES {
            assert!(documentation.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn lg_2_differences_tell_old_and_new_of_every_field() {
        let before = User::blank(Timestamp::from_micros(0));
        let after = User {
            email: "a@b.co".into(),
            is_staff: true,
            valid_until: Some(Timestamp::from_micros(0)),
            last_login: Some(Timestamp::from_micros(5)),
            version: 9,
            ..before.clone()
        };
        let told = Value::Object(differences(&before, &after));
        assert_eq!(
            told,
            json!({
                "email": {"old": "", "new": "a@b.co"},
                "is_staff": {"old": false, "new": true},
                "valid_until": {"old": null, "new": "1970-01-01T00:00:00.000000Z"},
            })
        );
        for name in FIELDS {
            assert!(
                name == "valid_from" || name == "valid_until" || !field(&before, name).is_null(),
                "{name}"
            );
        }
    }
}
