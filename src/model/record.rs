//! A user as programs see it.

use serde::Serialize;

use crate::model::clock::Timestamp;
use crate::model::user::{User, UserId};

/// A user as clients see it: these ten members in this order, and never anything of the password.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
    username: &'a str,
    pk: UserId,
    last_login: Option<Timestamp>,
    is_superuser: bool,
    first_name: &'a str,
    last_name: &'a str,
    email: &'a str,
    is_staff: bool,
    is_active: bool,
    date_joined: Timestamp,
}

impl<'a> From<&'a User> for Record<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            username: user.username.as_str(),
            pk: user.id,
            last_login: user.last_login,
            is_superuser: user.is_superuser,
            first_name: &user.first_name,
            last_name: &user.last_name,
            email: &user.email,
            is_staff: user.is_staff,
            is_active: user.is_active,
            date_joined: user.date_joined,
        }
    }
}
