//! The people of the installation that the tests look at: a few who are known by name, and a crowd.

use serde_json::{Value, json};

/// The password of all users.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// The superuser.
pub(crate) const ADMIN: &str = "admin";

/// A member of staff.
pub(crate) const STAFF: &str = "sam.staff";

/// A user without admin access.
pub(crate) const MEMBER: &str = "mia.member";

/// The superuser's key.
pub(crate) const ADMIN_ID: i64 = 1;

/// The key of the staff member.
pub(crate) const STAFF_ID: i64 = 2;

/// The key of the only user called van der Berg.
pub(crate) const BERG: i64 = 4;

/// The only user who is deactivated and has never signed in.
pub(crate) const DEACTIVATED: i64 = 5;

/// The key of a user whose names are as long as they may be.
pub(crate) const LONGEST: i64 = 6;

/// The key of the first of the crowd.
pub(crate) const CROWD: i64 = 100;

/// How many the crowd are.
const SIZE: usize = 2400;

const FIRST_NAMES: [&str; 24] = [
    "Ada",
    "Zoë",
    "Haruto",
    "Łukasz",
    "María José",
    "Ngozi",
    "Siobhán",
    "Jürgen",
    "Chloé",
    "Anh",
    "Fatima",
    "Björn",
    "Olga",
    "Wei",
    "Aarav",
    "Ines",
    "Kofi",
    "Tomás",
    "Yuki",
    "Leïla",
    "Søren",
    "Ivana",
    "Noor",
    "Dmitri",
];

const LAST_NAMES: [&str; 25] = [
    "Lovelace",
    "Okafor",
    "Nguyễn",
    "O’Brien",
    "García",
    "Müller",
    "Kowalska",
    "Tanaka",
    "Smith-Jones",
    "Haddad",
    "Ström",
    "Петрова",
    "Silva",
    "Rossi",
    "Dubois",
    "Novák",
    "Yılmaz",
    "Andersson",
    "Khan",
    "Popescu",
    "Ferreira",
    "Brown",
    "Adeyemi",
    "Jensen",
    "Moreau",
];

/// All users but the superuser, as a file to import.
pub(crate) fn all(hash: &str) -> Value {
    let longest = "Wolfeschlegelsteinhausenbergerdorff".repeat(5).chars().take(150).collect::<String>();
    let mut people = vec![
        person(STAFF_ID, STAFF, "Sam", "Staff", hash),
        person(3, MEMBER, "Mia", "Member", hash),
        person(BERG, "agnieszka.vdberg", "Agnieszka", "van der Berg", hash),
        person(DEACTIVATED, "dora.gone", "Dora", "Gone", hash),
        person(LONGEST, &"x".repeat(150), &longest, &longest, hash),
    ];
    people[0]["is_staff"] = json!(true);
    people[3]["is_active"] = json!(false);
    people[3]["last_login"] = Value::Null;
    people[4]["email"] = json!(format!("{}@{}.example", "y".repeat(60), "z".repeat(60)));
    people.extend((0..SIZE).map(|number| {
        let first = FIRST_NAMES[number % FIRST_NAMES.len()];
        let last = LAST_NAMES[number % LAST_NAMES.len()];
        let id = CROWD + i64::try_from(number).expect("a small number");
        let mut person = person(id, &format!("user{number}"), first, last, hash);
        person["is_active"] = json!(number % 14 != 13);
        person["is_staff"] = json!(number % 33 == 32);
        if number % 7 == 6 {
            person["last_login"] = Value::Null;
        }
        person
    }));
    Value::Array(people)
}

fn person(id: i64, username: &str, first: &str, last: &str, hash: &str) -> Value {
    json!({
        "pk": id,
        "username": username,
        "email": format!("{}@example.org", username.chars().take(60).collect::<String>()),
        "first_name": first,
        "last_name": last,
        "is_active": true,
        "is_staff": false,
        "is_superuser": false,
        "last_login": "2026-02-15T09:00:00Z",
        "date_joined": "2025-04-25T12:30:00Z",
        "password": hash,
    })
}
