-- Second factors. What is secret of one is sealed. The step is that of the last code that was accepted: no code is
-- accepted twice.
CREATE TABLE factors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    last_step INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX factors_user_id ON factors (user_id, id);

-- Codes for users who have lost their factor: a row is deleted when its code is used.
CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL,
    PRIMARY KEY (user_id, code_hash)
) STRICT, WITHOUT ROWID;

-- Whether a user has a factor, and whether one was shown for a session: read with every request.
ALTER TABLE users ADD COLUMN has_factor INTEGER NOT NULL DEFAULT 0 CHECK (has_factor IN (0, 1));
ALTER TABLE sessions ADD COLUMN second_factor INTEGER NOT NULL DEFAULT 0 CHECK (second_factor IN (0, 1));
