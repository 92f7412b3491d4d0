-- Users who are to be erased, and what is left of those who were: no value of the person. The row in `users` goes, and
-- its key is never given again.
CREATE TABLE erasures (
    user_id BIGINT PRIMARY KEY,
    requested_at BIGINT NOT NULL,
    requested_by BIGINT,
    due_at BIGINT NOT NULL,
    blocks_username BOOLEAN NOT NULL,
    -- What cancelling gives back.
    was_active BOOLEAN NOT NULL,
    -- Of the record, for clients that still have its key.
    date_joined BIGINT NOT NULL,
    version BIGINT NOT NULL,
    -- Null while it can be cancelled.
    erased_at BIGINT,
    -- The last entry of the audit log that was looked at.
    last_entry BIGINT NOT NULL DEFAULT 0,
    -- When no entry was left to look at.
    finished_at BIGINT
);
CREATE INDEX erasures_open ON erasures (due_at) WHERE finished_at IS NULL;

-- Keyed hashes of canonical user names that no user may be given again.
CREATE TABLE blocked_usernames (
    name_hash bytea PRIMARY KEY
);
