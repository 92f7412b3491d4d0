//! Pages by number. The database reads what it skips: lists that go on are read by cursors.

use super::parts::Part;
use super::table::Listed;
use super::{Reach, estimate, fetch, push_walk};
use crate::db::{Db, Result};
use crate::model::filter::Filter;

/// At most `limit` records of a list, after the first `skipped` ones. Only for orders by fields that have a value in
/// every record and are no flags: their lists are one part.
pub async fn page_at<L: Listed>(
    db: &Db,
    filter: &Filter<L::Table>,
    skipped: i64,
    limit: i64,
) -> Result<Vec<L>> {
    estimate::refuse_endless(db, filter).await?;
    let part = Part::whole(filter);
    fetch(db, Reach::All, |sql| {
        push_walk::<L>(sql, db.dialect(), &part, None, limit);
        sql.push(" OFFSET ").push_value(skipped);
    })
    .await
}
