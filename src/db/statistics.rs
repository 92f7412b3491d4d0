//! What SQLite knows of how many rows there are: by that it chooses indexes. PostgreSQL sees to it itself.

use super::{Dialect, Result, Sql, Tx};

/// Counts anew, by samples, what has grown much since the last time. A table that was tiny then would be read from end to end
/// for each of its entries.
pub async fn refresh(tx: &mut Tx) -> Result<()> {
    if tx.dialect() == Dialect::Sqlite {
        tx.execute(Sql::new("PRAGMA analysis_limit = 400")).await?;
        // All tables (0x10000) that need it are analysed (0x02).
        tx.execute(Sql::new("PRAGMA optimize = 0x10002")).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Db, audit, testing};
    use crate::model::audit::{Action, Author, Entry};
    use crate::model::clock::Timestamp;
    use crate::model::origin::Origin;

    #[rocket::async_test]
    async fn a_table_that_was_tiny_when_it_was_counted_is_counted_anew() {
        let (figment, _directory) = testing::sqlite().await;
        let db = Db::open(&figment.focus("databases.main")).await.unwrap();
        let entry = Entry::new(Action::SignOut, Author::anonymous(&Origin::command_line()));
        let counted = async |count: usize| {
            let mut tx = db.begin().await.unwrap();
            audit::insert_all(&mut tx, &vec![entry.clone(); count], Timestamp::from_micros(0)).await.unwrap();
            tx.commit().await.unwrap();
            let mut tx = db.begin().await.unwrap();
            refresh(&mut tx).await.unwrap();
            let sql = "SELECT stat FROM sqlite_stat1 WHERE idx = 'audit_entries_not_sealed'";
            let (stat,): (String,) = tx.optional(Sql::new(sql)).await.unwrap().unwrap();
            tx.commit().await.unwrap();
            stat.split(' ').next().unwrap().parse::<i64>().unwrap()
        };
        assert_eq!(counted(1).await, 1);
        assert!(counted(5_000).await > 1_000);
    }
}
