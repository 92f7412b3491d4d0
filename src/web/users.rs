//! The pages of the users: the list, a new one, one user.

mod bulk;
mod edit;
mod erase;
mod export;
mod factors;
mod form;
mod history;
mod import;
mod link;
mod list;
mod lookup;
mod new;
mod notes;
mod password;
mod query;
pub(super) mod recent;
mod search_results;
mod selection;
mod sessions;
mod undo;
mod unlock;
mod views;
pub(super) mod words;

use rocket::{Route, routes};

pub(super) use self::lookup::find;
pub(super) use self::query::{ListQuery, ListState};
pub(super) use self::search_results::COUNTED;

/// Their routes.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = routes![
        list::list,
        new::form,
        new::create,
        edit::page,
        edit::save,
        edit::deactivate,
        edit::reactivate,
        password::form,
        password::set,
        history::history,
        history::sign_ins,
        notes::page,
        notes::add,
        undo::take_back,
        bulk::confirm,
        bulk::run,
        bulk::outcome,
        bulk::undo,
        export::page,
        export::download,
        link::make,
        link::check,
        sessions::ask,
        sessions::end,
        sessions::end_all,
        unlock::end_block,
        views::page,
        views::save,
        views::forget,
        factors::page,
        factors::remove,
        erase::page,
        erase::request,
        erase::cancel,
    ];
    routes.extend(import::routes());
    routes
}
