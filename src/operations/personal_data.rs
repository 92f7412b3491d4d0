//! The file of all that is stored about a person: they take their own, staff that of others.
//!
//! Whatever its length, a file is read in parts of at most [`BATCH`] entries; all else in it is bounded by what an account
//! may have.

use crate::db;
use crate::db::audit::reading::{self, Start};
use crate::model::audit::{Action, Entry, EntryId, ListedEntry};
use crate::model::error::{Error, Result};
use crate::model::permission::{ManageUsers, SignedIn};
use crate::model::personal_data::{
    ExternalName, FORMAT, KnownBrowsers, NewAddress, NoteTexts, OwnLink, PersonalData, SentMail, entry_for,
};
use crate::model::preferences::Preferences;
use crate::model::second_factor::Factors;
use crate::model::session::{Credential, LiveSession};
use crate::model::user::{User, UserId};
use crate::operations::{App, Can, audit, factors, sessions};

/// Entries of the audit log that are read at once.
const BATCH: i64 = 1_000;
/// Messages, and names that clients give, are told up to so many.
const MOST: i64 = 1_000;

/// What is stored about a person.
#[derive(Debug)]
pub struct PersonalFile {
    can: Can<SignedIn>,
    notes: NoteTexts,
    /// All but the entries of the audit log.
    pub data: PersonalData,
}

/// The caller's own file. That staff wrote notes, and when, is in it; their texts are not.
pub async fn own(can: &Can<SignedIn>) -> Result<PersonalFile> {
    let user = db::users::by_id(&can.app().db, can.user().id).await?.ok_or(Error::NotFound)?;
    let (sessions, factors) = (sessions::own(can).await?, factors::own(can).await?);
    let data = gather(can.app(), user, sessions, factors).await?;
    Ok(PersonalFile { can: can.detached(), notes: NoteTexts::LeftOut, data })
}

/// The file of a user, for looking at it: staff see on other pages what it has.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] for that of a superuser.
pub async fn of_user(can: &Can<ManageUsers>, id: UserId) -> Result<PersonalFile> {
    let sessions = sessions::of_user(can, id).await?;
    let factors = factors::of_user(can, id).await?;
    let user = db::users::by_id(&can.app().db, id).await?.ok_or(Error::NotFound)?;
    let data = gather(can.app(), user, sessions, factors).await?;
    // Staff who take their own get what every person gets.
    let notes = if id == can.user().id { NoteTexts::LeftOut } else { NoteTexts::Included };
    Ok(PersonalFile { can: can.detached().weaken(), notes, data })
}

/// The same for taking it away, which is recorded before its first byte.
///
/// # Errors
/// As [`of_user`]; [`Error::Forbidden`] in a browser without a confirmed password.
pub async fn take(can: &Can<ManageUsers>, id: UserId) -> Result<PersonalFile> {
    let app = can.app();
    if can.session().credential == Credential::Cookie {
        can.require_confirmed(app.clock.now())?;
    }
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = sessions::lock_target(&mut tx, can, id).await?.user;
        app.settings.rules().may_touch(can.user(), &user)?;
        let entry = Entry::new(Action::DataExported, can.author()).on(&user);
        audit::record(&mut tx, &entry, app.clock.now()).await?;
        Ok::<_, Error>(tx.commit().await?)
    })
    .await?;
    of_user(can, id).await
}

impl PersonalFile {
    /// Whose it is.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.data.profile
    }

    /// Entries of the audit log about the person and by them after one of them, the oldest first; none at the end.
    pub async fn entries_after(&self, id: EntryId) -> Result<Vec<ListedEntry>> {
        self.entries(Start::After(id), BATCH).await
    }

    /// The latest entries, the latest first.
    pub async fn latest_entries(&self, limit: i64) -> Result<Vec<ListedEntry>> {
        self.entries(Start::Newest, limit).await
    }

    async fn entries(&self, from: Start, limit: i64) -> Result<Vec<ListedEntry>> {
        let person = self.user().id;
        let found = reading::concerning(&self.can.app().db, person, from, limit).await?;
        Ok(found.into_iter().map(|told| entry_for(person, self.notes, told)).collect())
    }
}

async fn gather(
    app: &App,
    user: User,
    sessions: Vec<LiveSession>,
    second_factors: Factors,
) -> Result<PersonalData> {
    let (db, id, now) = (&app.db, user.id, app.clock.now());
    let preferences = Preferences::from_json(&db::users::preferences_of(db, id).await?);
    let (count, last_signed_in_at) = db::known_browsers::count_of(db, id).await?;
    let links = db::links::working(db, id, now).await?.into_iter().map(|link| OwnLink {
        purpose: link.purpose.as_str().to_owned(),
        created_at: link.created_at,
        expires_at: link.expires_at,
    });
    let unconfirmed = db::unconfirmed_addresses::of_user(db, id).await?;
    let mails = db::mails::of_user(db, id, MOST).await?.into_iter().map(|mail| SentMail {
        purpose: mail.purpose.as_str().to_owned(),
        state: mail.state.as_str().to_owned(),
        recipient: mail.recipient,
        response: mail.response,
        created_at: mail.created_at,
        changed_at: mail.changed_at,
    });
    let external_ids = db::external_ids::of_user(db, id, MOST).await?.into_iter();
    Ok(PersonalData {
        format: FORMAT,
        made_at: now,
        preferences,
        sessions,
        second_factors,
        known_browsers: KnownBrowsers { count, last_signed_in_at },
        links: links.collect(),
        unconfirmed_address: unconfirmed.map(|new| NewAddress {
            address: new.address,
            mail_goes_to: new.mail_to,
            expires_at: new.expires_at,
        }),
        mails: mails.collect(),
        external_ids: external_ids
            .map(|(client_pk, external_id)| ExternalName { client_pk, external_id })
            .collect(),
        profile: user,
    })
}
