-- What an account goes through between its first day and its last, and the trail of it.

-- From when until when an account may be used; null is always. A superuser's is not bounded, so that
-- the clock cannot take the last one away.
ALTER TABLE users ADD COLUMN valid_from INTEGER CHECK (valid_from IS NULL OR is_superuser = 0);
ALTER TABLE users ADD COLUMN valid_until INTEGER CHECK (valid_until IS NULL OR is_superuser = 0);
ALTER TABLE users ADD COLUMN must_change_password INTEGER NOT NULL DEFAULT 0
    CHECK (must_change_password IN (0, 1));
ALTER TABLE users ADD COLUMN password_changed_at INTEGER;
-- How the user likes the console, as JSON; empty for the defaults.
ALTER TABLE users ADD COLUMN preferences TEXT NOT NULL DEFAULT '';

-- A third carrier, and where and how a session was opened. SQLite cannot change a check, so the table
-- is written anew.
CREATE TABLE sessions_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    carrier TEXT NOT NULL CHECK (carrier IN ('cookie', 'token', 'named')),
    secret_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- When its user last gave their password.
    confirmed_at INTEGER NOT NULL,
    address TEXT NOT NULL,
    device TEXT NOT NULL,
    -- Of a named API token.
    name TEXT NOT NULL,
    read_only INTEGER NOT NULL CHECK (read_only IN (0, 1))
) STRICT;
INSERT INTO sessions_new
    SELECT id, user_id, carrier, secret_hash, created_at, last_seen_at, expires_at, created_at, '', '', '', 0
    FROM sessions;
DROP TABLE sessions;
ALTER TABLE sessions_new RENAME TO sessions;
CREATE UNIQUE INDEX sessions_secret_hash ON sessions (secret_hash);
CREATE INDEX sessions_user_id ON sessions (user_id, id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- What happened. Rows are written in the transaction of what they tell of. Names are those of that
-- moment. `changes` is a JSON object of fields with old and new value, `details` one of further facts.
-- Position and seal are written later, in batches: they chain all entries in an order of their own.
CREATE TABLE audit_entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    happened_at INTEGER NOT NULL,
    action TEXT NOT NULL,
    actor_id INTEGER,
    actor_name TEXT NOT NULL,
    target_id INTEGER,
    target_name TEXT NOT NULL,
    changes TEXT NOT NULL,
    details TEXT NOT NULL,
    door TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    batch_id INTEGER,
    -- The entry that this one takes back.
    undoes INTEGER,
    -- The names again, case folded, for searching.
    actor_folded TEXT NOT NULL,
    target_folded TEXT NOT NULL,
    position INTEGER,
    seal BLOB
) STRICT;
CREATE INDEX audit_entries_happened_at ON audit_entries (happened_at, id);
CREATE INDEX audit_entries_target_id ON audit_entries (target_id, id);
-- What happened to a user but for coming and going, which may be most of it.
CREATE INDEX audit_entries_changes ON audit_entries (target_id, id)
    WHERE action NOT IN ('account_blocked', 'password_confirmation_failed', 'password_confirmed',
                         'sign_in', 'sign_in_failed', 'sign_out');
CREATE INDEX audit_entries_actor_id ON audit_entries (actor_id, id);
CREATE INDEX audit_entries_actor_folded ON audit_entries (actor_folded, id);
CREATE INDEX audit_entries_target_folded ON audit_entries (target_folded, id);
CREATE INDEX audit_entries_action ON audit_entries (action, id);
CREATE INDEX audit_entries_batch_id ON audit_entries (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE UNIQUE INDEX audit_entries_undoes ON audit_entries (undoes) WHERE undoes IS NOT NULL;
CREATE UNIQUE INDEX audit_entries_position ON audit_entries (position) WHERE position IS NOT NULL;
CREATE INDEX audit_entries_not_sealed ON audit_entries (id) WHERE position IS NULL;

-- One run of an action on many users, and what became of each.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    action TEXT NOT NULL,
    actor_id INTEGER NOT NULL,
    actor_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    -- The batch that this one takes back.
    undoes INTEGER
) STRICT;
CREATE UNIQUE INDEX batches_undoes ON batches (undoes) WHERE undoes IS NOT NULL;
CREATE TABLE batch_items (
    batch_id INTEGER NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('pending', 'done', 'unchanged', 'refused')),
    -- The code of the reason, where nothing was done.
    reason TEXT NOT NULL,
    -- The entry of the trail, where something was done.
    entry_id INTEGER,
    PRIMARY KEY (batch_id, user_id)
) STRICT, WITHOUT ROWID;

-- Links that set a password, each good for one use: the row is deleted by it.
CREATE TABLE links (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('setup', 'reset')),
    secret_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- The secret, sealed with that of the session that may be shown it; empty once it was.
    sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX links_secret_hash ON links (secret_hash);
CREATE INDEX links_user_id ON links (user_id);
CREATE INDEX links_expires_at ON links (expires_at);
-- A link that was forgotten is asked for by e-mail address.
CREATE INDEX users_email_folded ON users (email_folded);

-- Messages, and what became of them. The text is never stored: it holds a link's secret.
CREATE TABLE mails (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('setup', 'reset')),
    recipient TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'accepted', 'refused')),
    -- What the mail server said.
    response TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX mails_user_id ON mails (user_id, id);
