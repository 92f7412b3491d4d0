-- Who has yet to choose a password: there is none, or another one is demanded. Computed by the database, so that no
-- write can forget it.
ALTER TABLE users ADD COLUMN is_invited INTEGER GENERATED ALWAYS AS
    (password = '' OR substr(password, 1, 1) = '!' OR must_change_password = 1) VIRTUAL;
CREATE INDEX users_invited ON users (is_invited, id) WHERE is_invited = TRUE;
