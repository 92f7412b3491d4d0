-- Indexes over many users take longer than a statement of a request may.
SET LOCAL statement_timeout = 0;

-- What a provisioning client, which is the user who acts for it, calls a user.
CREATE TABLE external_ids (
    client_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    external_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (client_id, user_id)
);
CREATE UNIQUE INDEX external_ids_external_id ON external_ids (client_id, external_id);
CREATE INDEX external_ids_user_id ON external_ids (user_id);

-- Whether a provisioning client deleted the account, which is then inactive. Few are.
ALTER TABLE users ADD COLUMN is_deprovisioned BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX users_deprovisioned ON users (id) WHERE is_deprovisioned = TRUE;

-- When the record was last edited; null if it never was since this is noted.
ALTER TABLE users ADD COLUMN modified_at BIGINT;
