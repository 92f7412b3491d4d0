//! The pages of the users: the list, a new one, one user.

mod edit;
mod list;
mod new;
mod query;
mod sessions;

use rocket::{Route, routes};

pub(super) use self::query::encode;

/// Their routes.
pub(super) fn routes() -> Vec<Route> {
    routes![
        list::list,
        new::form,
        new::create,
        edit::page,
        edit::save,
        edit::deactivate,
        edit::reactivate,
        edit::password_form,
        edit::set_password,
        sessions::end,
        sessions::end_all,
    ]
}
