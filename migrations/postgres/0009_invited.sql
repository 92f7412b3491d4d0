-- All users are written anew, and an index over them takes longer than a statement of a request may.
SET LOCAL statement_timeout = 0;

-- Who has yet to choose a password: there is none, or another one is demanded. Computed by the database, so that no
-- write can forget it.
ALTER TABLE users ADD COLUMN is_invited BOOLEAN GENERATED ALWAYS AS
    (password = '' OR substr(password, 1, 1) = '!' OR must_change_password) STORED;
CREATE INDEX users_invited ON users (is_invited, id) WHERE is_invited = TRUE;
