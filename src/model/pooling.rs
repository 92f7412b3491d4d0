//! Whether PostgreSQL is reached through a connection pooler, such as `PgBouncer`.

use serde::{Deserialize, Serialize};

/// How connections to PostgreSQL are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooler {
    /// As is found out at the start.
    #[default]
    Auto,
    /// Without a pooler: limits are set once for each connection, and statements are prepared once.
    None,
    /// Through one that may hand each transaction to another connection of its own: everything is said within the
    /// transaction.
    Transaction,
}
