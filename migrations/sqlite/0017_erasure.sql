-- Users who are to be erased, and what is left of those who were: no value of the person. The row in `users` goes, and
-- its key is never given again.
CREATE TABLE erasures (
    user_id INTEGER PRIMARY KEY,
    requested_at INTEGER NOT NULL,
    requested_by INTEGER,
    due_at INTEGER NOT NULL,
    blocks_username INTEGER NOT NULL CHECK (blocks_username IN (0, 1)),
    -- What cancelling gives back.
    was_active INTEGER NOT NULL CHECK (was_active IN (0, 1)),
    -- Of the record, for clients that still have its key.
    date_joined INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- Null while it can be cancelled.
    erased_at INTEGER,
    -- The last entry of the audit log that was looked at.
    last_entry INTEGER NOT NULL DEFAULT 0,
    -- When no entry was left to look at.
    finished_at INTEGER
) STRICT;
CREATE INDEX erasures_open ON erasures (due_at) WHERE finished_at IS NULL;

-- Keyed hashes of canonical user names that no user may be given again.
CREATE TABLE blocked_usernames (
    name_hash BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
