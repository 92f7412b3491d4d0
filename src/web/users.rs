//! The pages of the users: the list, a new one, one user.

mod edit;
mod found;
mod list;
mod new;
mod query;

use rocket::{Route, routes};

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
    ]
}
