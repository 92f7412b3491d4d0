//! Users for lists: made up one by one, by chance, and stored in bulk.

use proptest::prelude::*;
use usher::db::users::Ids;
use usher::db::{self, Db};
use usher::model::clock::Timestamp;
use usher::model::password::PasswordHash;
use usher::model::text;
use usher::model::user::{User, UserId, Username};

/// Letters whose case is not one-to-one. Texts of one or two of them often meet.
const LETTERS: &[&str] =
    &["a", "A", "é", "É", "e\u{301}", "ß", "SS", "ss", "ſ", "İ", "ı", "i", "Σ", "ς", "σ", "Я", "я"];

/// What patterns and quotes are made of, more scripts, and a long beginning that many texts share.
const PIECES: &[&str] = &[
    "a",
    "B",
    "x\u{301}",
    "ﬁ",
    "σς Σ",
    "Ά",
    "Ω",
    "漢字",
    "😀",
    "ａ",
    "\u{ffff}",
    "%",
    "_",
    "\\",
    "*",
    "?",
    "'",
    "\"",
    "[",
    "$1",
    " ",
    "-",
    "1",
    "10",
    "tietietietietietietietietietietietietietietietietietietietietietie",
];

/// Instants that are equal, next to each other, before 1970, and at both ends of the calendar.
pub(super) const INSTANTS: &[i64] = &[
    0,
    -1,
    1,
    1_700_000_000_000_000,
    1_700_000_000_000_001,
    1_700_000_000_999_999,
    1_700_000_001_000_000,
    1_709_164_800_000_000,
    -2_208_988_800_000_001,
    -62_167_219_200_000_000,
    253_402_300_799_999_999,
];

/// Where primary keys may begin: at 1, and where a float can no longer tell them apart.
pub(super) const FIRST_IDS: &[i64] = &[0, 0, 9_007_199_254_740_980];

/// A user that a test describes by struct update, not stored yet.
pub(crate) fn named(username: &str) -> User {
    User { username: username_of(username.to_owned()), ..User::blank(Timestamp::from_micros(0)) }
}

fn username_of(text: String) -> Username {
    let key = text::canonical(&text);
    Username::from_row(text, key)
}

/// Any text that a user may search for.
pub(super) fn typed_text() -> impl Strategy<Value = String> {
    let letters = prop::collection::vec(prop::sample::select(LETTERS), 0..3);
    let pieces = prop_oneof![prop::sample::select(LETTERS), prop::sample::select(PIECES)];
    prop_oneof![2 => letters, 1 => prop::collection::vec(pieces, 0..4)].prop_map(|pieces| pieces.concat())
}

/// Any text as it is stored.
fn stored_text() -> impl Strategy<Value = String> {
    typed_text().prop_map(|text| text::tidy(&text))
}

fn instant() -> impl Strategy<Value = Timestamp> {
    prop::sample::select(INSTANTS).prop_map(Timestamp::from_micros)
}

/// Up to 60 users, in the order in which they are stored. Their keys have gaps.
pub(super) fn population() -> impl Strategy<Value = Vec<User>> {
    let texts = (stored_text(), stored_text(), stored_text(), stored_text());
    let flags = (prop::bool::weighted(0.7), any::<bool>(), any::<bool>());
    let dates = (instant(), prop::option::of(instant()));
    let user = (texts, flags, dates, 1_i64..4);
    (prop::collection::vec(user, 0..=60), prop::sample::select(FIRST_IDS))
        .prop_map(|(drawn, first)| {
            let mut id = first;
            let mut users: Vec<User> = Vec::with_capacity(drawn.len());
            for ((username, first_name, last_name, email), flags, (date_joined, last_login), gap) in drawn {
                id += gap;
                let taken = |name: &Username, users: &[User]| {
                    users.iter().any(|other| other.username.key() == name.key())
                };
                let mut name = username_of(username.clone());
                if taken(&name, &users) {
                    name = username_of(format!("{username}.{id}"));
                }
                if taken(&name, &users) {
                    continue;
                }
                let (is_active, is_staff, is_superuser) = flags;
                users.push(User {
                    id: UserId(id),
                    username: name,
                    first_name,
                    last_name,
                    email,
                    is_active,
                    is_staff,
                    is_superuser,
                    last_login,
                    version: gap,
                    ..User::blank(date_joined)
                });
            }
            users
        })
        .prop_shuffle()
}

/// Stores users under the keys that they have.
pub(crate) async fn insert_all(db: &Db, users: &[User]) -> usher::db::Result<()> {
    // One that no password matches: a user without any is invited, not active.
    let unknown = PasswordHash::from("unknown".to_owned());
    let rows: Vec<_> = users.iter().map(|user| (user.clone(), unknown.clone())).collect();
    let mut tx = db.begin().await?;
    db::users::insert_all(&mut tx, Ids::Kept, &rows).await?;
    tx.commit().await
}
