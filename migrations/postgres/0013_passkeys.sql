-- Passkeys: what the authenticator of a factor has told. Nothing of it is secret.
CREATE TABLE passkeys (
    factor_id BIGINT PRIMARY KEY REFERENCES factors (id) ON DELETE CASCADE,
    credential_id BYTEA NOT NULL,
    public_key BYTEA NOT NULL,
    sign_count BIGINT NOT NULL,
    transports TEXT NOT NULL,
    backup_eligible BOOLEAN NOT NULL,
    backed_up BOOLEAN NOT NULL,
    user_verified BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX passkeys_credential_id ON passkeys (credential_id);

-- The random names by which authenticators know users.
CREATE TABLE user_handles (
    user_id BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    handle BYTEA NOT NULL
);
CREATE UNIQUE INDEX user_handles_handle ON user_handles (handle);

-- Challenges that were answered: none is accepted twice. A row may go once its challenge has run out.
CREATE TABLE spent_challenges (
    challenge BYTEA PRIMARY KEY,
    runs_out_at BIGINT NOT NULL
);
CREATE INDEX spent_challenges_runs_out_at ON spent_challenges (runs_out_at);
