//! Copies everything from one database to another, of either kind, row by row.
//!
//! Tables and columns are read from the catalogues of both, so that a migration has nothing to add here.

use std::borrow::Cow;

use sqlx::{Column as _, ColumnIndex, Decode, FromRow, Row, Type, TypeInfo as _};

use super::{Db, Dialect, Error, Sql, Tx, Value};

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is something in the other database already.
    #[error("the other database is not empty: there are rows in {0}")]
    NotEmpty(String),
    /// The two were not made by the same migrations.
    #[error("the schemas of the two databases differ")]
    Schema,
    /// One of the databases failed.
    #[error(transparent)]
    Database(#[from] Error),
}

type Result<T> = std::result::Result<T, CopyError>;

/// What is not copied: what each database keeps of its own migrations, and counts that its triggers keep.
const OWN: [&str; 2] = ["_sqlx_migrations", "user_counts"];

/// The keys of an installation.
const INSTALLATION: &str = "installation";

/// Rows that are read and written at once.
const BATCH: i64 = 500;

/// A table that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its name.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
}

/// Copies all tables, with the numbers that were given to rows which are gone. All or nothing is written. Writers of
/// an SQLite file wait meanwhile; of PostgreSQL the state of one instant is copied.
///
/// # Errors
/// [`CopyError`]
pub async fn copy(from: &Db, to: &Db) -> Result<Vec<Copied>> {
    let mut source = from.begin().await?;
    if source.dialect() == Dialect::Postgres {
        source.execute(Sql::new("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")).await?;
    }
    let mut target = to.begin().await?;
    let tables = tables(&mut source).await?;
    let mut theirs = self::tables(&mut target).await?;
    theirs.sort();
    let mut sorted = tables.clone();
    sorted.sort();
    if sorted != theirs {
        return Err(CopyError::Schema);
    }
    for table in tables.iter().filter(|table| *table != INSTALLATION) {
        if count(&mut target, table).await? > 0 {
            return Err(CopyError::NotEmpty(table.clone()));
        }
    }
    // What a start without users has made there is of no use.
    target.execute(Sql::new("DELETE FROM installation")).await?;
    let mut copied = Vec::new();
    for table in tables {
        let rows = copy_table(&mut source, &mut target, &table).await?;
        if let Some(last) = last_number(&mut source, &table).await? {
            continue_after(&mut target, &table, last).await?;
        }
        copied.push(Copied { table, rows });
    }
    target.commit().await?;
    Ok(copied)
}

/// A statement whose text has names of the catalogue in it.
fn named(text: String) -> Sql {
    Sql { text: Cow::Owned(text), ..Sql::new("") }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables, those that others refer to first.
async fn tables(tx: &mut Tx) -> Result<Vec<String>> {
    let (all, references) = match tx.dialect() {
        Dialect::Sqlite => (
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
             AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name",
            "SELECT tables.name, keys.\"table\" FROM pragma_table_list AS tables \
             JOIN pragma_foreign_key_list(tables.name) AS keys WHERE tables.schema = 'main'",
        ),
        Dialect::Postgres => (
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() \
             AND table_type = 'BASE TABLE' ORDER BY table_name",
            "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint \
             WHERE contype = 'f' AND connamespace = current_schema()::regnamespace",
        ),
    };
    let all = tx.all::<(String,)>(Sql::new(all)).await?.into_iter().map(|(name,)| name);
    let mut waiting: Vec<String> = all.filter(|name| !OWN.contains(&name.as_str())).collect();
    let references = tx.all::<(String, String)>(Sql::new(references)).await?;
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let waits = |name: &String| {
            let mut others = references.iter().filter(|(from, _)| from == name);
            others.any(|(_, to)| to != name && waiting.contains(to))
        };
        let (later, next): (Vec<String>, Vec<String>) = waiting.iter().cloned().partition(waits);
        if next.is_empty() {
            return Err(Error::Corrupt("tables refer to each other in a circle".into()).into());
        }
        ordered.extend(next);
        waiting = later;
    }
    Ok(ordered)
}

async fn count(tx: &mut Tx, table: &str) -> Result<i64> {
    let sql = named(format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT 1) AS found", quoted(table)));
    Ok(tx.optional::<(i64,)>(sql).await?.map_or(0, |(count,)| count))
}

/// A column and whether it holds truth values.
struct Column {
    name: String,
    is_flag: bool,
}

async fn columns(tx: &mut Tx, table: &str) -> Result<Vec<Column>> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT name, type FROM pragma_table_info($1) ORDER BY name",
        Dialect::Postgres => {
            "SELECT column_name::text, data_type::text FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = $1 \
             AND is_generated = 'NEVER' ORDER BY column_name"
        }
    };
    let rows = tx.all::<(String, String)>(Sql::new(sql).bind(table)).await?;
    let mut columns: Vec<Column> =
        rows.into_iter().map(|(name, kind)| Column { name, is_flag: kind == "boolean" }).collect();
    columns.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(columns)
}

/// The columns of the primary key.
async fn key(tx: &mut Tx, table: &str) -> Result<Vec<String>> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk",
        Dialect::Postgres => {
            "SELECT attname::text FROM pg_index, unnest(indkey) WITH ORDINALITY AS part (attnum, n) \
             JOIN pg_attribute USING (attnum) \
             WHERE indrelid = to_regclass($1) AND indisprimary AND attrelid = indrelid ORDER BY n"
        }
    };
    Ok(tx.all::<(String,)>(Sql::new(sql).bind(table)).await?.into_iter().map(|(name,)| name).collect())
}

/// A row of any table, in the order of what was asked for.
struct Cells(Vec<Value>);

impl<'r, R> FromRow<'r, R> for Cells
where
    R: Row,
    usize: ColumnIndex<R>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> std::result::Result<Self, sqlx::Error> {
        let cell = |at: usize| {
            Ok(match row.columns()[at].type_info().name() {
                "BOOL" | "BOOLEAN" => Value::Flag(row.try_get(at)?),
                "TEXT" => Value::OptionalText(row.try_get(at)?),
                "BLOB" | "BYTEA" => Value::OptionalBytes(row.try_get(at)?),
                _ => Value::OptionalInteger(row.try_get(at)?),
            })
        };
        (0..row.columns().len()).map(cell).collect::<std::result::Result<_, _>>().map(Self)
    }
}

async fn copy_table(source: &mut Tx, target: &mut Tx, table: &str) -> Result<u64> {
    let columns = columns(source, table).await?;
    let theirs = self::columns(target, table).await?;
    let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    if names(&columns) != names(&theirs) {
        return Err(CopyError::Schema);
    }
    let key = key(source, table).await?;
    let places: Vec<usize> =
        key.iter().filter_map(|name| columns.iter().position(|column| column.name == *name)).collect();
    if key.is_empty() || places.len() != key.len() {
        return Err(Error::Corrupt(format!("{table} has no primary key")).into());
    }
    let list = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let (all, key, name) = (list(&names(&columns)), list(&key), quoted(table));
    let mut reached: Option<Vec<Value>> = None;
    let mut copied = 0;
    loop {
        let after = match &reached {
            None => String::new(),
            Some(values) => {
                let marks: Vec<_> = (1..=values.len()).map(|n| format!("${n}")).collect();
                format!("WHERE ({key}) > ({})", marks.join(", "))
            }
        };
        let mut sql = named(format!("SELECT {all} FROM {name} {after} ORDER BY {key} LIMIT {BATCH}"));
        sql.values.extend(reached.take().into_iter().flatten());
        let rows = source.all::<Cells>(sql).await?;
        let Some(Cells(end)) = rows.last() else { return Ok(copied) };
        reached = Some(places.iter().map(|place| end[*place].clone()).collect());
        copied += rows.len() as u64;
        write(target, &format!("INSERT INTO {name} ({all}) VALUES "), &theirs, rows).await?;
    }
}

async fn write(target: &mut Tx, begin: &str, columns: &[Column], rows: Vec<Cells>) -> Result<()> {
    let dialect = target.dialect();
    for part in rows.chunks(Dialect::ROWS_AT_ONCE) {
        let mut sql = named(begin.to_owned());
        let row = |Cells(cells): &Cells| {
            let fitting = cells.iter().zip(columns).map(|(cell, column)| match cell {
                Value::OptionalInteger(Some(number)) if column.is_flag => Value::Flag(*number != 0),
                other => other.clone(),
            });
            fitting.collect::<Vec<_>>()
        };
        sql.push_rows(dialect, part.iter().map(row));
        target.execute(sql).await?;
    }
    Ok(())
}

/// The last number that was given to a row, whether or not that row is still there.
async fn last_number(tx: &mut Tx, table: &str) -> Result<Option<i64>> {
    let sequence = match tx.dialect() {
        Dialect::Sqlite => {
            let sql = Sql::new("SELECT seq FROM sqlite_sequence WHERE name = $1").bind(table);
            return Ok(tx.optional::<(i64,)>(sql).await?.map(|(last,)| last));
        }
        Dialect::Postgres => {
            let sql = "SELECT coalesce(max(pg_get_serial_sequence($1, column_name)), '') \
                       FROM information_schema.columns WHERE table_schema = current_schema() \
                       AND table_name = $1 AND is_identity = 'YES'";
            tx.optional::<(String,)>(Sql::new(sql).bind(table)).await?.map(|(name,)| name).unwrap_or_default()
        }
    };
    if sequence.is_empty() {
        return Ok(None);
    }
    // The catalogue has quoted it where it must be.
    let sql = named(format!("SELECT last_value - 1 + is_called::int FROM {sequence}"));
    Ok(tx.optional::<(i64,)>(sql).await?.map(|(last,)| last))
}

/// Lets the next row of a table get a number above this.
async fn continue_after(tx: &mut Tx, table: &str, last: i64) -> Result<()> {
    match tx.dialect() {
        Dialect::Sqlite => {
            let delete = Sql::new("DELETE FROM sqlite_sequence WHERE name = $1").bind(table);
            tx.execute(delete).await?;
            let insert = Sql::new("INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)");
            tx.execute(insert.bind(table).bind(last)).await?;
            Ok(())
        }
        Dialect::Postgres if last < 1 => Ok(()),
        Dialect::Postgres => {
            let sql = Sql::new("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)");
            tx.execute(sql.bind(table).bind(last)).await?;
            Ok(())
        }
    }
}
