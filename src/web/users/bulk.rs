//! One action on many users: the preview and the run.

use rocket::form::FromForm;
use rocket::{Either, get, post};

use super::lookup::know_locked;
use super::query::{ListQuery, ListState};
use super::{runs, selection};
use crate::model::bulk::{BulkAction, Chosen, Previewed, sentence};
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::ManageUsers;
use crate::model::presence::Presence;
use crate::model::user::UserId;
use crate::operations::App;
use crate::operations::bulk;
use crate::web::form::field_errors;
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication;
use crate::web::sign_in::local_path;
use crate::web::text::thousands;
use crate::web::view::{Answer, BulkChoicePage, BulkPage, Candidate};
use crate::web::with_query::WithQuery;

/// Users that are shown before an action.
const SHOWN: usize = 20;
/// Above this many, their number has to be typed.
const UNTYPED: usize = 100;

/// What can be done to many users, in words.
const ACTIONS: [(&str, &str); 7] = [
    ("deactivate", "Deactivate"),
    ("reactivate", "Reactivate"),
    ("give_staff", "Give staff access"),
    ("remove_staff", "Remove staff access"),
    ("end_sessions", "Sign out everywhere"),
    (SEND_LINKS, "Send links"),
    ("export", "Export CSV"),
];

/// What is only there with a mail server.
const SEND_LINKS: &str = BulkAction::SendLinks.as_str();

/// What can be done to many users here: names and words.
pub(super) fn actions(app: &App) -> Vec<(&'static str, &'static str)> {
    ACTIONS.into_iter().filter(|(name, _)| *name != SEND_LINKS || app.mailer.is_some()).collect()
}

/// What a list sends: an action, and either the boxes that are ticked or all that match.
#[derive(Debug, FromForm)]
pub(in crate::web) struct BulkQuery {
    #[field(name = "do", default = "")]
    action: String,
    #[field(default = "")]
    more: String,
    id: Vec<String>,
    all: Option<String>,
}

impl BulkQuery {
    fn action(&self) -> &str {
        if self.action == "more" { &self.more } else { &self.action }
    }
}

/// Primary keys as a form sends them. What is no number is no user's key.
pub(super) fn ids<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<UserId> {
    texts.map(|text| UserId(text.parse().unwrap_or(0))).collect()
}

/// Asks whether to do it. Nothing is stored: the users are fixed in the form itself.
#[get("/users/bulk?<query..>")]
pub(in crate::web) async fn confirm(
    query: WithQuery<BulkQuery, ListQuery>,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Either<Answer<BulkPage>, Answer<BulkChoicePage>>> {
    let mut state = query.list();
    let back = selection::path("/users", &state.parameters());
    if query.action() == "export" {
        let mut parameters = state.parameters();
        if query.all.is_none() {
            parameters.extend(query.id.iter().map(|id| ("id", id.clone())));
        }
        return Ok(Either::Left(Answer::Redirect(selection::path("/users/export", &parameters))));
    }
    let is_chosen = query.all.is_some() || !query.id.is_empty();
    let action = match BulkAction::named(query.action()) {
        Some(action) => action,
        None if is_chosen => {
            return Ok(Either::Right(Answer::page(choice(&console, &query, &state, back))));
        }
        // The page says that users have to be chosen first.
        None => BulkAction::Deactivate,
    };
    know_locked(&console, &mut state).await?;
    let chosen = match query.all {
        Some(_) => Chosen::Filter(selection::filter(&state, console.app().clock.now())),
        None => Chosen::Ids(ids(query.id.iter().map(String::as_str))),
    };
    let ids = bulk::freeze(&console.can, chosen).await?;
    let page = page(&console, action, &ids, back, &FieldErrors::default()).await?;
    Ok(Either::Left(Answer::page(page)))
}

/// Asks what to do: who was chosen is not lost.
fn choice(
    console: &ConsoleSession<'_, ManageUsers>,
    query: &BulkQuery,
    state: &ListState,
    back: String,
) -> BulkChoicePage {
    let mut hidden = state.parameters();
    hidden.extend(query.id.iter().map(|id| ("id", id.clone())));
    hidden.extend(query.all.iter().map(|all| ("all", all.clone())));
    let chosen = match (&query.all, query.id.len()) {
        (Some(_), _) => "You chose all users that match.".to_owned(),
        (None, 1) => "You chose 1 user.".to_owned(),
        (None, count) => format!("You chose {count} users."),
    };
    let layout = console.layout("users");
    BulkChoicePage { layout, chosen, hidden, actions: actions(console.app()), back }
}

async fn page(
    console: &ConsoleSession<'_, ManageUsers>,
    action: BulkAction,
    ids: &[UserId],
    back: String,
    errors: &FieldErrors,
) -> Result<BulkPage> {
    let preview = bulk::preview(&console.can, action, ids).await?;
    let (left_out, asked) = (left_out(&preview), bulk::presence(&console.can, action, &preview));
    let ready: Vec<&Previewed> = preview.iter().filter(|user| user.left_out.is_none()).collect();
    let number = ready.len();
    let ids: Vec<String> = ready.iter().map(|user| user.id.to_string()).collect();
    Ok(BulkPage {
        layout: console.layout("users"),
        title: title(action, number),
        consequence: consequence(action),
        action: action.as_str(),
        rows: ready.iter().take(SHOWN).filter_map(|user| candidate(user)).collect(),
        more: number.saturating_sub(SHOWN),
        left_out,
        ids: ids.join(" "),
        number,
        asks_number: number > UNTYPED,
        typed: String::new(),
        form: reauthentication::form(console, asked != Presence::NotAsked, errors),
        back,
    })
}

fn candidate(user: &Previewed) -> Option<Candidate> {
    user.user.as_ref().map(|user| Candidate {
        name: user.display_name(),
        username: user.username.as_str().to_owned(),
        email: user.email.clone(),
        last_login: user.last_login.map(Into::into),
    })
}

/// How many are left out for each reason.
fn left_out(preview: &[Previewed]) -> Vec<(String, &'static str)> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for code in preview.iter().filter_map(|user| user.left_out) {
        match counts.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => counts.push((code, 1)),
        }
    }
    let were = |count| if count == 1 { "was" } else { "were" };
    counts
        .into_iter()
        .map(|(code, count)| (format!("{} {} left out:", users(count), were(count)), sentence(code)))
        .collect()
}

/// A number of users in words.
pub(super) fn users(count: usize) -> String {
    match count {
        1 => "1 user".into(),
        count => format!("{} users", thousands(i64::try_from(count).unwrap_or(i64::MAX))),
    }
}

/// What is about to be done, in words.
fn title(action: BulkAction, number: usize) -> String {
    let users = users(number);
    match action {
        BulkAction::Deactivate => format!("Deactivate {users}"),
        BulkAction::Reactivate => format!("Reactivate {users}"),
        BulkAction::GiveStaff => format!("Give staff access to {users}"),
        BulkAction::RemoveStaff => format!("Remove staff access from {users}"),
        BulkAction::EndSessions => format!("Sign out {users} everywhere"),
        BulkAction::SendLinks => format!("Send links to {users}"),
    }
}

const fn consequence(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Deactivate => {
            "They are signed out straight away and cannot sign in until someone reactivates them. \
             Nothing is deleted."
        }
        BulkAction::Reactivate => "They can sign in again with the password that they had.",
        BulkAction::GiveStaff => "They can sign in to this site and manage users.",
        BulkAction::RemoveStaff => "They are signed out straight away and can no longer manage users.",
        BulkAction::EndSessions => {
            "Every device and every API token of theirs has to sign in anew. This cannot be undone."
        }
        BulkAction::SendLinks => {
            "Each gets a message with a link to choose their password. Links that were sent before no longer work."
        }
    }
}

/// What the form sends.
#[derive(Debug, FromForm)]
pub(in crate::web) struct RunForm {
    #[field(default = "")]
    token: String,
    #[field(name = "do", default = "")]
    action: String,
    #[field(default = "")]
    ids: String,
    #[field(default = "")]
    number: String,
    #[field(default = "")]
    current_password: String,
    #[field(default = "")]
    back: String,
}

/// Does it to exactly the users that the form names.
#[post("/users/bulk", data = "<form>")]
pub(in crate::web) async fn run(
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<RunForm>,
) -> Result<Answer<BulkPage>> {
    // Only ever a list of ours.
    let back = Some(local_path(&form.back)).filter(|back| back.starts_with("/users?"));
    let back = back.unwrap_or("/users").to_owned();
    let Some(action) = BulkAction::named(&form.action) else { return Ok(Answer::Redirect(back)) };
    let chosen = Chosen::Ids(ids(form.ids.split_ascii_whitespace()));
    let ids = bulk::freeze(&console.can, chosen).await?;
    let is_counted = ids.len() <= UNTYPED || form.number.trim().replace(',', "") == ids.len().to_string();
    let is_stale = console.is_stale(&form.token);
    if is_stale || !is_counted {
        let mut page = page(&console, action, &ids, back, &FieldErrors::default()).await?;
        if is_stale {
            page.form = page.form.stale();
        } else {
            page.form.problems.push(("number", "Type the number of users to go on.".to_owned()));
        }
        page.typed.clone_from(&form.number);
        return Ok(Answer::refused(page));
    }
    let chosen = &ids[..];
    let run = |can| async move { bulk::run(&can, action, chosen.to_vec()).await };
    match reauthentication::with(&mut console, &form.current_password, run).await {
        Ok(batch) => {
            runs::flash_outcome(&console, batch).await?;
            Ok(Answer::Redirect(format!("/users/bulk/{}", batch.0)))
        }
        Err(error) => {
            let page = page(&console, action, &ids, back, &field_errors(error)?).await?;
            Ok(Answer::refused(BulkPage { typed: form.number.clone(), ..page }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_words() {
        for action in BulkAction::ALL {
            assert!(title(action, 1).contains("1 user"), "{action:?}");
            assert!(title(action, 1234).contains("1,234 users"));
            assert!(consequence(action).ends_with('.'));
        }
    }

    #[test]
    fn those_left_out_are_counted_by_reason() {
        let user = |id, left_out| Previewed { id: UserId(id), user: None, left_out };
        let preview = [
            user(1, Some("unchanged")),
            user(2, None),
            user(3, Some("not_found")),
            user(4, Some("unchanged")),
        ];
        assert_eq!(
            left_out(&preview),
            [
                ("2 users were left out:".to_owned(), "There is nothing to change."),
                ("1 user was left out:".to_owned(), "There is no such user."),
            ]
        );
    }

    #[test]
    fn what_is_no_number_is_nobodys() {
        assert_eq!(ids(["7", "x", "", "99999999999999999999"].into_iter()), [7, 0, 0, 0].map(UserId));
    }
}
