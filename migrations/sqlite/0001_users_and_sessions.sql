-- Times are microseconds since 1970-01-01T00:00:00Z. Columns named *_folded hold the case-folded
-- text, username_key the canonical name, name_folded the name that
-- the console shows, searchable all that its search looks at; the application fills them.

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL,
    username_folded TEXT NOT NULL,
    password TEXT NOT NULL,
    first_name TEXT NOT NULL,
    first_name_folded TEXT NOT NULL,
    last_name TEXT NOT NULL,
    last_name_folded TEXT NOT NULL,
    email TEXT NOT NULL,
    email_folded TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    searchable TEXT NOT NULL,
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    is_staff INTEGER NOT NULL CHECK (is_staff IN (0, 1)),
    is_superuser INTEGER NOT NULL CHECK (is_superuser IN (0, 1)),
    date_joined INTEGER NOT NULL,
    last_login INTEGER,
    version INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX users_username_key ON users (username_key);
CREATE INDEX users_username ON users (username);
CREATE INDEX users_first_name ON users (first_name, id);
CREATE INDEX users_last_name ON users (last_name, id);
CREATE INDEX users_email ON users (email, id);
CREATE INDEX users_name_folded ON users (name_folded, id);
CREATE INDEX users_date_joined ON users (date_joined, id);
CREATE INDEX users_last_login ON users (last_login, id);
CREATE INDEX users_superusers ON users (id) WHERE is_superuser = 1 AND is_active = 1;

-- There is always an active superuser once there has been one. A rule of the database, so that no
-- two changes at the same instant can get around it.
CREATE TRIGGER users_last_superuser_update
BEFORE UPDATE OF is_active, is_superuser ON users
WHEN OLD.is_active = 1 AND OLD.is_superuser = 1 AND NOT (NEW.is_active = 1 AND NEW.is_superuser = 1)
    AND NOT EXISTS (SELECT 1 FROM users WHERE is_superuser = 1 AND is_active = 1 AND id <> OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'users_last_superuser');
END;

CREATE TRIGGER users_last_superuser_delete
BEFORE DELETE ON users
WHEN OLD.is_active = 1 AND OLD.is_superuser = 1
    AND NOT EXISTS (SELECT 1 FROM users WHERE is_superuser = 1 AND is_active = 1 AND id <> OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'users_last_superuser');
END;

-- A session is ended by deleting its row: every credential made from it is dead at the next request.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    carrier TEXT NOT NULL CHECK (carrier IN ('cookie', 'token')),
    secret_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX sessions_secret_hash ON sessions (secret_hash);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- Failed sign-ins, by account and by address. The key is a hash: names that do not exist are
-- counted like those that do.
CREATE TABLE throttles (
    key BLOB PRIMARY KEY,
    failures INTEGER NOT NULL,
    consecutive INTEGER NOT NULL,
    last_failure_at INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX throttles_last_failure_at ON throttles (last_failure_at);

-- What belongs to the installation as a whole, such as the key that signs tokens.
CREATE TABLE installation (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
