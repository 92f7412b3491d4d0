//! The page that says what would become of an upload.

use crate::model::field_errors::FieldErrors;
use crate::model::permission::IsSuperuser;
use crate::operations::import::{Counts, DateOrder, FIELDS, Judged, Survey, is_told_by_others, settled};
use crate::operations::uploads::{Choices, Rehearsal, Upload};
use crate::web::form::FormState;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication;
use crate::web::text::thousands;
use crate::web::view::{ChoicesState, ColumnRow, FileRow, ImportReviewPage, VerdictRow};

/// What the password is needed for.
const HINT: &str = "Asked for again because of what this does.";

/// The page with a form that says otherwise how the files are to be read, and was not sent in time.
pub(super) fn with_choices(
    console: &ConsoleSession<'_, IsSuperuser>,
    upload: &Upload,
    typed: &Choices,
    refused: FormState,
) -> ImportReviewPage {
    let mut page = page(console, upload, refused);
    page.choices = choices(typed);
    let rows = page.columns.iter_mut().filter(|row| !row.is_told_by_others);
    for row in rows {
        if let Some((_, field)) = typed.columns.iter().find(|(name, _)| *name == row.name) {
            row.field = FIELDS.iter().find(|known| *known == field).copied().unwrap_or_default();
        }
    }
    page
}

/// The page. A form that was refused says what is wrong; else the password is asked for unless it was just given.
pub(super) fn page(
    console: &ConsoleSession<'_, IsSuperuser>,
    upload: &Upload,
    refused: FormState,
) -> ImportReviewPage {
    let mut form = refused;
    if form.fields.is_empty() && upload.can_be_imported() {
        form = form.and(reauthentication::field(console, HINT, &FieldErrors::default()));
    }
    let page = ImportReviewPage {
        layout: console.layout("users"),
        number: upload.number.clone(),
        unreadable: String::new(),
        files: Vec::new(),
        others: String::new(),
        counts: Vec::new(),
        columns: Vec::new(),
        is_table: false,
        fields: FIELDS.iter().map(|field| (*field, label(field))).collect(),
        choices: choices(&upload.choices),
        rows: Vec::new(),
        more: String::new(),
        button: String::new(),
        form,
    };
    match &upload.rehearsal {
        Ok(rehearsal) => rehearsed(page, rehearsal),
        Err(reason) => ImportReviewPage { unreadable: sentence(reason), ..page },
    }
}

fn rehearsed(page: ImportReviewPage, rehearsal: &Rehearsal) -> ImportReviewPage {
    let (notable, good) = (&rehearsal.notable, &rehearsal.good);
    let rows: Vec<VerdictRow> = notable.iter().chain(good).map(row).collect();
    let more = rehearsal.counts.rows().saturating_sub(rows.len() as u64);
    let (is_table, columns) = match &rehearsal.users[..] {
        [only] => (!only.survey.header.is_empty(), columns(&only.survey)),
        _ => (false, Vec::new()),
    };
    ImportReviewPage {
        files: rehearsal.users.iter().map(|file| told(&file.name, &file.survey)).collect(),
        others: rehearsal.others.join(", "),
        counts: counts(&rehearsal.counts, "To create"),
        columns,
        is_table,
        rows,
        more: if more == 0 { String::new() } else { number(more) },
        button: match rehearsal.counts.created {
            0 if rehearsal.counts.has_work() => "Import the external ids".to_owned(),
            0 => String::new(),
            1 => "Import 1 user".to_owned(),
            created => format!("Import {} users", number(created)),
        },
        ..page
    }
}

/// A number as pages show it.
pub(super) fn number(count: u64) -> String {
    thousands(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Verdicts, each with how many rows have it; the less usual ones only if there are any.
pub(super) fn counts(counts: &Counts, created: &'static str) -> Vec<(&'static str, String)> {
    let usual = [(created, counts.created), ("Unchanged", counts.unchanged)];
    let unusual = [
        ("Conflicts", counts.conflicts),
        ("Refused", counts.refused.saturating_sub(counts.conflicts)),
        ("Without a password, invited", counts.invited),
        ("Of these with a hash that cannot be checked here", counts.unchecked),
        ("With a weak hash, stored as argon2id of it", counts.layered),
        ("With a password from the file, to be changed", counts.initial),
        ("Here already, with new external ids", counts.external_ids),
        ("External ids left out", counts.external_ids_left_out),
    ];
    let unusual = unusual.into_iter().filter(|(_, count)| *count > 0);
    usual.into_iter().chain(unusual).map(|(name, count)| (name, number(count))).collect()
}

fn told(name: &str, survey: &Survey) -> FileRow {
    let rows = if survey.rows == 1 { "1 row".to_owned() } else { format!("{} rows", number(survey.rows)) };
    let mut what = format!("{}, {rows}", survey.format.name());
    if let Some(encoding) = survey.encoding() {
        what = format!("{what}, in {encoding}");
    }
    if let Some(order) = survey.dates {
        what = format!("{what}, dates with the {} first", order.first());
    }
    let columns = survey.not_read().map(|name| format!("the column “{name}”"));
    let skipped = survey.skipped.iter().map(|(kind, count)| format!("{} {kind}", number(*count)));
    FileRow { name: name.to_owned(), what, not_read: columns.chain(skipped).collect::<Vec<_>>().join(", ") }
}

/// The columns of a table, or the members of objects, with what the first rows say.
fn columns(survey: &Survey) -> Vec<ColumnRow> {
    // Of several columns for one field, each has its own.
    let examples = |field: &str, place: usize| {
        let values =
            survey.first.iter().filter_map(|row| row.iter().filter(|(name, _)| *name == field).nth(place));
        values.map(|(_, value)| value.clone()).filter(|value| !value.is_empty()).collect()
    };
    let column = |name: &str, field: Option<&'static str>, place: usize| ColumnRow {
        name: name.to_owned(),
        field: field.unwrap_or_default(),
        label: field.map(label).unwrap_or_default(),
        is_told_by_others: field.is_some_and(is_told_by_others),
        examples: field.map(|field| examples(settled(field), place)).unwrap_or_default(),
    };
    if !survey.header.is_empty() {
        let header = survey.header.iter().enumerate();
        let before = |place: usize, field: Option<&str>| {
            survey.header[..place].iter().filter(|(_, other)| *other == field).count()
        };
        return header.map(|(place, (name, field))| column(name, *field, before(place, *field))).collect();
    }
    let mut fields: Vec<&'static str> = Vec::new();
    for (field, _) in survey.first.iter().flatten() {
        if !fields.contains(field) {
            fields.push(field);
        }
    }
    fields.into_iter().map(|field| column("", Some(field), 0)).collect()
}

fn row(judged: &Judged) -> VerdictRow {
    VerdictRow {
        word: judged.word(),
        line: judged.label.place.line,
        username: judged.label.username().to_owned(),
        remarks: on_the_page(&judged.remarks()),
    }
}

fn choices(choices: &Choices) -> ChoicesState {
    let columns: Vec<String> =
        choices.columns.iter().map(|(name, field)| format!("{name}={field}")).collect();
    ChoicesState {
        columns: columns.join("\n"),
        encoding: choices.encoding.clone(),
        hash: choices.hash.clone(),
        dates: match choices.dates {
            Some(DateOrder::DayFirst) => "dmy",
            Some(DateOrder::MonthFirst) => "mdy",
            None => "",
        },
        part: choices.part.clone(),
        staff_role: choices.staff_role.clone(),
        new_keys: choices.new_keys,
        no_weak_hashes: choices.no_weak_hashes,
        no_broken_hashes: choices.no_broken_hashes,
    }
}

/// What messages call options of the command line, and what these are called on the page.
const OPTIONS: [(&str, &str); 9] = [
    ("--column 'NAME=username' says", "A line such as Login=username below says"),
    ("--realm and --table are", "“Realm or table” is"),
    ("--realm", "“Realm or table”"),
    ("--table", "“Realm or table”"),
    ("--column", "the columns below"),
    ("--dates", "“Dates with slashes”"),
    ("--hash", "“Hashes with a salt beside them”"),
    ("--new-keys", "“Give new primary keys”"),
    ("--no-broken-hashes", "“Leave out passwords whose hash is cut off or altered”"),
];

/// With what options are called on the page.
fn on_the_page(text: &str) -> String {
    OPTIONS.into_iter().fold(text.to_owned(), |text, (option, name)| text.replace(option, name))
}

/// A reason as it is told on the command line, as a sentence of a page.
fn sentence(reason: &str) -> String {
    let reason = on_the_page(reason);
    if reason.ends_with('.') { reason } else { format!("{reason}.") }
}

/// A field in words.
fn label(field: &'static str) -> &'static str {
    match field {
        "pk" | "persons_pk" => "Primary key",
        "username" | "persons_username" => "Username",
        "first_name" => "First name",
        "last_name" | "surname" => "Last name",
        "full_name" => "Full name",
        "email" => "Email",
        "is_active" => "Active",
        "is_blocked" => "Blocked",
        "blocked_at" => "Blocked since",
        "blocked_until" => "Blocked until",
        "is_staff" => "Staff",
        "is_superuser" => "Superuser",
        "date_joined" => "Joined",
        "last_login" => "Last sign-in",
        "valid_from" => "Valid from",
        "valid_until" => "Valid until",
        "must_change_password" => "Must change password",
        "password_changed_at" => "Password changed",
        "password" => "Password hash",
        "initial_password" => "Initial password",
        "password_salt" => "Salt of the hash",
        "password_algorithm" => "Kind of the hash",
        "password_rounds" => "Rounds of the hash",
        "is_active_if_1" | "is_active_unless_nologin" | "user_account_control" => "State of the account",
        field if field.starts_with("salt_of_") => "Salt of the hash",
        field if field.starts_with("no_user_") => "Kind of account",
        "preferences" => "Preferences",
        "is_deprovisioned" => "Deleted by SCIM",
        "modified_at" => "Last edited",
        "external_ids" => "External ids of SCIM",
        "second_factors" => "Second factors",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_words() {
        for field in FIELDS {
            assert_ne!(label(field), *field);
        }
    }
}
