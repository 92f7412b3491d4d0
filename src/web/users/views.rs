//! Views of the list that a user has saved: a name, and what narrows and sorts it.

use rocket::form::FromForm;
use rocket::{get, post};

use super::query::{ListQuery, ListState};
use super::selection;
use crate::model::error::Result;
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::label;
use crate::model::permission::ManageUsers;
use crate::model::preferences::{LONGEST_VIEW, LONGEST_VIEW_NAME, MOST_VIEWS, Preferences, SavedView};
use crate::operations::own_account;
use crate::web::form::{Field, FormState};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::view::{Answer, ViewsPage};
use crate::web::with_query::WithQuery;

/// What the form sends besides the list.
#[derive(Debug, FromForm)]
pub(in crate::web) struct ViewForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    name: String,
}

/// What the button to forget a view sends.
#[derive(Debug, FromForm)]
pub(in crate::web) struct ForgetForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    name: String,
}

fn page_of(
    console: &ConsoleSession<'_, ManageUsers>,
    list: &ListState,
    name: &str,
    errors: &FieldErrors,
) -> ViewsPage {
    let parameters = list.parameters();
    let field = Field::new("name", "Name", "text", name.to_owned(), errors);
    let fields = if parameters.is_empty() { Vec::new() } else { vec![field] };
    ViewsPage {
        layout: console.layout("users"),
        form: FormState::of(fields, errors),
        list: selection::path("/users", &parameters),
        parameters,
        views: console.can.session().preferences.views.iter().map(link).collect(),
    }
}

/// Path and name of a saved view.
pub(super) fn link(view: &SavedView) -> (String, String) {
    (format!("/users?{}", view.query), view.name.clone())
}

/// The saved views, and the form to save the list that the query is of.
#[get("/users/views?<query..>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(in crate::web) fn page(query: ListQuery, console: ConsoleSession<'_, ManageUsers>) -> Answer<ViewsPage> {
    let list = ListState::read(&query, Preferences::default().rows);
    Answer::page(page_of(&console, &list, "", &FieldErrors::default()))
}

/// Saves the list under a name; one of that name before is replaced.
#[post("/users/views", data = "<form>")]
pub(in crate::web) async fn save(
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<WithQuery<ViewForm, ListQuery>>,
) -> Result<Answer<ViewsPage>> {
    let list = form.list();
    if console.is_stale(&form.token) {
        let mut page = page_of(&console, &list, &form.name, &FieldErrors::default());
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    match with_view(&console.can.session().preferences, &form.name, &list) {
        Ok(preferences) => {
            own_account::set_preferences(&console.can.weaken(), &preferences).await?;
            console.flash("The view was saved.", None);
            Ok(Answer::Redirect(selection::path("/users", &list.parameters())))
        }
        Err(message) => {
            let mut errors = FieldErrors::default();
            errors.add("name", message);
            Ok(Answer::refused(page_of(&console, &list, &form.name, &errors)))
        }
    }
}

/// The preferences with the list as a view of that name.
fn with_view(
    before: &Preferences,
    name: &str,
    list: &ListState,
) -> std::result::Result<Preferences, Message> {
    let name = label::parse(name, LONGEST_VIEW_NAME)?;
    let path = selection::path("", &list.parameters());
    let Some(query) = path.strip_prefix('?') else {
        return Err("Filter, search or sort the list first.".into());
    };
    if query.len() > LONGEST_VIEW {
        return Err("The search is too long for a view.".into());
    }
    let mut preferences = before.clone();
    preferences.views.retain(|view| view.name != name);
    if preferences.views.len() >= MOST_VIEWS {
        return Err("There are ten views already. Forget one first.".into());
    }
    preferences.views.push(SavedView { name, query: query.to_owned() });
    Ok(preferences)
}

/// Forgets a view.
#[post("/users/views/forget", data = "<form>")]
pub(in crate::web) async fn forget(
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ForgetForm>,
) -> Result<Answer<ViewsPage>> {
    if console.is_stale(&form.token) {
        let list = ListState::read(&<ListQuery as Default>::default(), Preferences::default().rows);
        let mut page = page_of(&console, &list, "", &FieldErrors::default());
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    let mut preferences = console.can.session().preferences.clone();
    preferences.views.retain(|view| view.name != form.name);
    if own_account::set_preferences(&console.can.weaken(), &preferences).await? {
        console.flash(format!("The view \u{201c}{}\u{201d} was forgotten.", form.name), None);
    }
    Ok(Answer::Redirect("/users/views".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(status: &str) -> ListState {
        let query = ListQuery { status: Some(status.to_owned()), ..Default::default() };
        ListState::read(&query, 50)
    }

    #[test]
    fn a_view_has_a_name_and_something_to_show() {
        let before = Preferences::default();
        let saved = with_view(&before, " Locked out ", &list("locked")).unwrap();
        assert_eq!(saved.views[0].name, "Locked out");
        assert_eq!(link(&saved.views[0]).0, "/users?status=locked");
        let again = with_view(&saved, "Locked out", &list("ended")).unwrap();
        assert_eq!(again.views.iter().map(|view| view.query.as_str()).collect::<Vec<_>>(), ["status=ended"]);
        assert_eq!(with_view(&before, "  ", &list("locked")), Err(Message::Blank));
        assert!(with_view(&before, "All", &list("")).is_err());
        assert!(with_view(&before, &"x".repeat(41), &list("locked")).is_err());
        assert!(with_view(&before, "a\u{202e}b", &list("locked")).is_err());
    }

    #[test]
    fn there_are_ten_views_at_most() {
        let mut preferences = Preferences::default();
        for number in 0..10 {
            preferences = with_view(&preferences, &number.to_string(), &list("locked")).unwrap();
        }
        assert!(with_view(&preferences, "10", &list("locked")).is_err());
        assert!(with_view(&preferences, "3", &list("ended")).is_ok(), "in the place of another");
    }
}
