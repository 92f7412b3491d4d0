//! The users whose pages a browser opened last.

use crate::http::cookies::CookieName;
use crate::model::error::Result;
use crate::model::permission::{ManageUsers, Permission};
use crate::model::user::UserId;
use crate::operations::{Can, users};
use crate::web::layout::ConsoleSession;
use crate::web::view::RecentUser;

/// So many are remembered.
const MOST: usize = 8;

/// Those of the viewer, the latest first. Another person's in the same browser are not shown.
fn ids<P: Permission>(console: &ConsoleSession<'_, P>) -> Vec<i64> {
    let kept = console.jar.value(CookieName::Recent).and_then(|value| value.split_once('-'));
    let own = kept.filter(|(viewer, _)| viewer.parse() == Ok(console.can.user().id.0));
    own.map(|(_, ids)| ids.split('.').take(MOST).filter_map(|id| id.parse().ok()).collect())
        .unwrap_or_default()
}

/// Remembers that the viewer has opened a user's page. The cookie has primary keys only.
pub(super) fn remember<P: Permission>(console: &ConsoleSession<'_, P>, opened: UserId) {
    let before = ids(console);
    if before.first() == Some(&opened.0) {
        return;
    }
    let others = before.iter().filter(|id| **id != opened.0).take(MOST - 1);
    let ids: Vec<String> = std::iter::once(&opened.0).chain(others).map(i64::to_string).collect();
    console.jar.set(CookieName::Recent, format!("{}-{}", console.can.user().id, ids.join(".")));
}

/// The users, the latest first.
pub(in crate::web) async fn users<P: Permission>(
    console: &ConsoleSession<'_, P>,
    can: &Can<ManageUsers>,
) -> Result<Vec<RecentUser>> {
    let ids: Vec<UserId> = ids(console).into_iter().map(UserId).collect();
    let found = users::by_ids(can, &ids).await?;
    let named = |id: &UserId| {
        let user = found.iter().find(|user| user.id == *id)?;
        Some(RecentUser { id: id.0, name: user.display_name() })
    };
    Ok(ids.iter().filter_map(named).collect())
}
