//! The users list: search, filters, order, pages.

use rocket::get;

use super::bulk;
use super::lookup::know_locked;
use super::query::{ListQuery, ListState};
use super::search_results::{self, COUNTED, Count, END, EXACTLY, Found};
use super::selection;
use super::words;
use crate::model::clock::Timestamp;
use crate::model::cursor::Cursor;
use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::model::preferences::{Column, Preferences};
use crate::model::text;
use crate::model::user::{User, Username};
use crate::operations::lists::Page;
use crate::operations::locks;
use crate::web::layout::{self, ConsoleSession};
use crate::web::text::{encode, thousands};
use crate::web::view::{Answer, Choice, Header, Marked, Time, UserRow, UsersPage, initials, role, status};

/// Ready-made lists.
const VIEWS: [(&str, &str); 5] = [
    ("/users?status=locked", "Locked"),
    ("/users?status=invited", "Invited"),
    ("/users?status=active&seen=-90d", "Dormant"),
    ("/users?status=deactivated", "Deactivated"),
    ("/users?role=staff", "Staff"),
];

/// The list that the query says.
#[get("/users?<query..>")]
pub(in crate::web) async fn list(
    query: ListQuery,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<UsersPage>> {
    let mut state = ListState::read(&query, console.can.session().preferences.rows);
    know_locked(&console, &mut state).await?;
    let filter = state.filter(console.app().clock.now());
    let Found { page, exact, count, ordinal, note } =
        search_results::find(&console, &query, &state, &filter).await?;
    state.notes.extend(note.map(str::to_owned));
    let words: Vec<String> = state.words().iter().flat_map(|word| words::forms(word)).collect();
    let order = filter.order_only();
    let cursor = |user: Option<&User>| user.map(|user| Cursor::after(&order, user).encode(&order));
    let mut pages = Vec::new();
    if page.has_previous {
        pages.push((state.path_with("q", &state.q), "First", ""));
        if let Some(cursor) = cursor(page.records.first()) {
            pages.push((state.path_with("before", &cursor), "Previous", "prev"));
        }
    }
    if page.has_next {
        if let Some(cursor) = cursor(page.records.last()) {
            pages.push((state.path_with("after", &cursor), "Next", "next"));
        }
        pages.push((state.path_with("before", END), "Last", ""));
    }
    let mut locked = locks::among(&console.can, &page.records).await?;
    locked.extend(locks::among(&console.can, &exact).await?);
    let shown = |user: &User| row(user, &words, locked.contains(&user.id), console.app().clock.now());
    let groups = groups(&page.records, &exact, shown);
    let range = range(&page, ordinal, groups.iter().map(|(_, rows)| rows.len()).sum(), count);
    layout::keep_list(console.jar, &own_path(&query, &state));
    let hidden: Vec<&str> =
        console.can.session().preferences.hidden_columns.iter().copied().map(class).collect();
    Ok(Answer::page(UsersPage {
        layout: console.layout("users"),
        autofocus: query == ListQuery::default() && !console.can.session().preferences.shortcuts,
        choices: choices(&state),
        kept: kept(&state),
        summary: summary(&state, count),
        count_exactly: (count == Count::OverLimit).then(|| state.path_with("count", EXACTLY)),
        chips: chips(&state),
        views: if state.is_narrowed() { Vec::new() } else { views(&console.can.session().preferences) },
        save_path: match &state.parameters()[..] {
            [] => String::new(),
            parameters => selection::path("/users/views", parameters),
        },
        narrowed: state.is_narrowed(),
        add_path: Username::parse(&state.q)
            .ok()
            .map(|name| format!("/users/new?username={}", encode(name.as_str()))),
        caption: caption(&state),
        headers: headers(&state).into_iter().filter(|header| !hidden.contains(&header.class)).collect(),
        hidden,
        selection: selection::of(&state, &query, count, page.has_previous || page.has_next),
        actions: bulk::actions(console.app()).into_iter().filter(|(name, _)| *name != "deactivate").collect(),
        groups,
        pages,
        range,
        rows_per_page: [25, 50, 100]
            .into_iter()
            .map(|per| {
                let path =
                    if per == state.per { String::new() } else { state.path_with("per", &per.to_string()) };
                (path, per)
            })
            .collect(),
        notes: std::mem::take(&mut state.notes),
        q: state.q,
    }))
}

/// The ready-made lists, and those that the viewer has saved.
fn views(preferences: &Preferences) -> Vec<(String, String)> {
    let ready = VIEWS.iter().map(|(path, name)| ((*path).to_owned(), (*name).to_owned()));
    let edit = (!preferences.views.is_empty()).then(|| ("/users/views".to_owned(), "Edit views".to_owned()));
    ready.chain(preferences.views.iter().map(super::views::link)).chain(edit).collect()
}

/// The class of a column that can be left out.
const fn class(column: Column) -> &'static str {
    match column {
        Column::Email => "mail",
        Column::Role => "role",
        Column::Status => "st",
        Column::LastLogin => "when",
        Column::DateJoined => "opt",
        Column::SecondFactor => "two",
    }
}

/// Which of how many users the page shows, such as `51 to 100 of 312`; by name where the number is not known.
fn range(page: &Page<User>, ordinal: Option<i64>, rows: usize, count: Count) -> String {
    let (Some(first), Some(last)) = (page.records.first(), page.records.last()) else { return String::new() };
    let (Some(from), Ok(rows)) = (ordinal, i64::try_from(rows)) else {
        return format!("{} – {}", first.display_name(), last.display_name());
    };
    let (from, to) = (thousands(from), thousands(from + rows - 1));
    match count {
        Count::Of(all) => format!("{from} to {to} of {}", thousands(all)),
        Count::OverLimit => format!("{from} to {to}"),
    }
}

/// The path of this very page of the list.
fn own_path(query: &ListQuery, state: &ListState) -> String {
    match (&query.after, &query.before) {
        (Some(cursor), _) => state.path_with("after", cursor),
        (None, Some(cursor)) => state.path_with("before", cursor),
        (None, None) => state.path_with("q", &state.q),
    }
}

/// The rows of the page, exact matches of the search before the others.
fn groups(
    page: &[User],
    exact: &[User],
    row: impl Fn(&User) -> UserRow,
) -> Vec<(&'static str, Vec<UserRow>)> {
    let exact_rows: Vec<UserRow> = exact.iter().map(&row).collect();
    let is_other = |user: &&User| exact.iter().all(|other| other.id != user.id);
    let others: Vec<UserRow> = page.iter().filter(is_other).map(&row).collect();
    let heading = if exact_rows.is_empty() { "" } else { "Other matches" };
    [("Exact match", exact_rows), (heading, others)]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .collect()
}

fn row(user: &User, words: &[String], is_locked: bool, now: Timestamp) -> UserRow {
    UserRow {
        id: user.id.0,
        initials: initials(user),
        name: marked(&user.display_name(), words),
        username: marked(user.username.as_str(), words),
        email: marked(&user.email, words),
        role: role(user),
        status: status(user, is_locked, now),
        last_login: user.last_login.map(Time::from),
        date_joined: user.date_joined.into(),
        has_factor: user.has_factor,
    }
}

/// The text in parts, those that the search found marked. Words are compared without case and accents,
/// so each character is compared as the search sees it.
fn marked(text: &str, words: &[String]) -> Marked {
    let mut folded = String::new();
    // Where each character of the text begins in what the search sees.
    let mut begins = Vec::new();
    for character in text.chars() {
        begins.push(folded.len());
        folded.push_str(&text::searchable(&character.to_string()));
    }
    begins.push(folded.len());
    let found = covered(&folded, words);
    let hit = begins.into_iter().map(|begin| found.get(begin).is_some_and(|found| *found));
    let mut parts: Marked = Vec::new();
    for (character, found) in text.chars().zip(hit) {
        match parts.last_mut() {
            Some((part, marked)) if *marked == found => part.push(character),
            _ => parts.push((character.to_string(), found)),
        }
    }
    parts
}

/// Which bytes of a text are in a place where one of the words was found. The places are noted by their ends
/// and counted in one pass at last: many of them in one text cost no more than few.
fn covered(text: &str, words: &[String]) -> Vec<bool> {
    let (mut begun, mut ended) = (vec![0_u32; text.len()], vec![0_u32; text.len() + 1]);
    for word in words.iter().filter(|word| !word.is_empty()) {
        for (at, _) in text.match_indices(word.as_str()) {
            begun[at] += 1;
            ended[at + word.len()] += 1;
        }
    }
    let mut open = 0;
    begun
        .into_iter()
        .zip(ended)
        .map(|(begun, ended)| {
            open = open + begun - ended;
            open > 0
        })
        .collect()
}

const STATUS: [(&str, &str); 7] = [
    ("", "Any"),
    ("locked", "Locked"),
    ("ended", "Ended"),
    ("not-yet-valid", "Not yet valid"),
    ("invited", "Invited"),
    ("deactivated", "Deactivated"),
    ("active", "Active"),
];
const ROLE: [(&str, &str); 4] =
    [("", "Any"), ("staff", "Staff"), ("superuser", "Superuser"), ("none", "No admin access")];
const SORT: [(&str, &str); 8] = [
    ("", "Name, A to Z"),
    ("-name", "Name, Z to A"),
    ("email", "Email, A to Z"),
    ("-email", "Email, Z to A"),
    ("-seen", "Last sign-in, latest first"),
    ("seen", "Last sign-in, earliest first"),
    ("-created", "Created, newest first"),
    ("created", "Created, oldest first"),
];
const SEEN: [(&str, &str); 5] = [
    ("", "Any time"),
    ("7d", "In the last 7 days"),
    ("30d", "In the last 30 days"),
    ("-90d", "Over 90 days ago"),
    ("never", "Never"),
];

const FACTOR: [(&str, &str); 3] = [("", "Any"), ("some", "Yes"), ("none", "None")];

fn choices(state: &ListState) -> Vec<Choice> {
    let sort = if state.sort == "name" { "" } else { state.sort };
    vec![
        Choice { name: "status", label: "Status", value: state.status, options: STATUS.to_vec() },
        Choice { name: "role", label: "Role", value: state.role, options: ROLE.to_vec() },
        Choice { name: "seen", label: "Last sign-in", value: state.seen, options: SEEN.to_vec() },
        Choice { name: "factor", label: "Second factor", value: state.factor, options: FACTOR.to_vec() },
        Choice { name: "sort", label: "Sort by", value: sort, options: SORT.to_vec() },
    ]
}

fn kept(state: &ListState) -> Vec<(&'static str, String)> {
    let mut kept = Vec::new();
    if state.per != state.rows {
        kept.push(("per", state.per.to_string()));
    }
    if !state.ends.is_empty() {
        kept.push(("ends", state.ends.to_owned()));
    }
    kept
}

fn summary(state: &ListState, count: Count) -> String {
    match (count, state.is_narrowed()) {
        (Count::OverLimit, _) => format!("More than {} users match", thousands(COUNTED)),
        (Count::Of(1), true) => "1 user matches".into(),
        (Count::Of(count), true) => format!("{} users match", thousands(count)),
        (Count::Of(1), false) => "1 user".into(),
        (Count::Of(count), false) => format!("{} users", thousands(count)),
    }
}

fn chips(state: &ListState) -> Vec<(String, String)> {
    let label = |options: &[(&str, &str)], value: &str| {
        options
            .iter()
            .find(|(known, _)| *known == value)
            .map_or_else(String::new, |(_, label)| (*label).to_owned())
    };
    [
        ("q", if state.q.is_empty() { String::new() } else { format!("“{}”", state.q) }),
        ("status", if state.status.is_empty() { String::new() } else { label(&STATUS, state.status) }),
        ("role", if state.role.is_empty() { String::new() } else { label(&ROLE, state.role) }),
        (
            "seen",
            if state.seen.is_empty() {
                String::new()
            } else {
                format!("Last sign-in: {}", label(&SEEN, state.seen).to_lowercase())
            },
        ),
        (
            "factor",
            match state.factor {
                "some" => "With a second factor".into(),
                "none" => "Without a second factor".into(),
                _ => String::new(),
            },
        ),
        ("ends", if state.ends.is_empty() { String::new() } else { "Ends within 7 days".into() }),
    ]
    .into_iter()
    .filter(|(_, words)| !words.is_empty())
    .map(|(name, words)| (state.path_with(name, ""), words))
    .collect()
}

/// The columns: label, sort, what the first click sorts by, class.
const COLUMNS: [(&str, &str, &str, &str); 7] = [
    ("Name", "name", "name", "name"),
    ("Email", "email", "email", "mail"),
    ("Role", "", "", "role"),
    ("Status", "", "", "st"),
    ("Last sign-in", "seen", "-seen", "when"),
    ("Created", "created", "-created", "opt"),
    ("Second factor", "", "", "two"),
];

fn headers(state: &ListState) -> Vec<Header> {
    COLUMNS
        .iter()
        .map(|(label, sort, first, class)| {
            let present = state.sort.trim_start_matches('-');
            let is_sorted = !sort.is_empty() && *sort == present;
            let descending = state.sort.starts_with('-');
            let sorted = match (is_sorted, descending) {
                (false, _) => "",
                (true, false) => "ascending",
                (true, true) => "descending",
            };
            let turned = if descending { (*sort).to_owned() } else { format!("-{sort}") };
            let path = match (sort.is_empty(), is_sorted) {
                (true, _) => String::new(),
                (false, true) => state.path_with("sort", &turned),
                (false, false) => state.path_with("sort", first),
            };
            Header { label, path, sorted, class }
        })
        .collect()
}

fn caption(state: &ListState) -> String {
    let (label, ..) =
        COLUMNS.iter().find(|column| column.1 == state.sort.trim_start_matches('-')).unwrap_or(&COLUMNS[0]);
    let direction = if state.sort.starts_with('-') { "descending" } else { "ascending" };
    format!("Users, sorted by {}, {direction}", label.to_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A byte is covered if it lies within the place of any word.
    fn plainly_covered(text: &str, words: &[String]) -> Vec<bool> {
        let places = |word: &String| {
            let places = text.match_indices(word.as_str());
            places.map(|(at, found)| at..at + found.len()).collect::<Vec<_>>()
        };
        let places: Vec<_> = words.iter().flat_map(places).collect();
        (0..text.len()).map(|byte| places.iter().any(|place| place.contains(&byte))).collect()
    }

    proptest! {
        #[test]
        fn what_is_covered_is_what_lies_within_the_place_of_a_word(
            text in "[abcé ]{0,60}",
            words in prop::collection::vec("[abcé]{1,4}", 0..6),
        ) {
            prop_assert_eq!(covered(&text, &words), plainly_covered(&text, &words));
        }
    }

    /// Were each place compared with each character, this would take a minute.
    #[test]
    fn in_2_many_words_found_in_many_places_are_marked_at_once() {
        let words: Vec<String> = (1..=15).map(|length| "a".repeat(length)).collect();
        let text = "a".repeat(60_000);
        assert_eq!(marked(&text, &words), [(text, true)]);
    }

    #[test]
    fn hits_are_marked_without_case_and_accents() {
        let words = ["zoe".to_owned(), "ss".to_owned()];
        assert_eq!(
            marked("Zoë Weiß", &words),
            [("Zoë".to_owned(), true), (" Wei".to_owned(), false), ("ß".to_owned(), true)]
        );
        assert_eq!(marked("", &words), []);
    }
}
