-- Passkeys: what the authenticator of a factor has told. Nothing of it is secret.
CREATE TABLE passkeys (
    factor_id INTEGER PRIMARY KEY REFERENCES factors (id) ON DELETE CASCADE,
    credential_id BLOB NOT NULL,
    public_key BLOB NOT NULL,
    sign_count INTEGER NOT NULL,
    transports TEXT NOT NULL,
    backup_eligible INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
    backed_up INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
    user_verified INTEGER NOT NULL CHECK (user_verified IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX passkeys_credential_id ON passkeys (credential_id);

-- The random names by which authenticators know users.
CREATE TABLE user_handles (
    user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    handle BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX user_handles_handle ON user_handles (handle);

-- Challenges that were answered: none is accepted twice. A row may go once its challenge has run out.
CREATE TABLE spent_challenges (
    challenge BLOB PRIMARY KEY,
    runs_out_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_challenges_runs_out_at ON spent_challenges (runs_out_at);
