-- Which member of staff made a link; null for one that was requested as forgotten, or made before this was noted.
ALTER TABLE links ADD COLUMN made_by INTEGER REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX links_made_by ON links (made_by) WHERE made_by IS NOT NULL;

-- Browsers that signed in to an account: what others try does not block them. A browser's cookie has the number.
CREATE TABLE known_browsers (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number_hash BLOB NOT NULL,
    signed_in_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX known_browsers_number_hash ON known_browsers (user_id, number_hash);
CREATE INDEX known_browsers_signed_in_at ON known_browsers (signed_in_at);
