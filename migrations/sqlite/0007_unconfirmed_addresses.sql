-- Addresses that users gave themselves and have not shown to be theirs: until then links and messages go to the one
-- before. A row counts only while the user has that address.
CREATE TABLE unconfirmed_addresses (
    user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    -- Empty if there was none.
    mail_to TEXT NOT NULL,
    mail_to_folded TEXT NOT NULL,
    -- Of the secret in the link that was sent to the address.
    secret_hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX unconfirmed_addresses_secret_hash ON unconfirmed_addresses (secret_hash);
CREATE INDEX unconfirmed_addresses_mail_to ON unconfirmed_addresses (mail_to_folded);
