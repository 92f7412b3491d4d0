-- How many users there are, kept so that nobody has to count them.
CREATE TABLE user_counts (
    slot INTEGER PRIMARY KEY,
    users INTEGER NOT NULL
) STRICT;

INSERT INTO user_counts SELECT 0, count(*) FROM users;

CREATE TRIGGER users_count_insert AFTER INSERT ON users BEGIN
    UPDATE user_counts SET users = users + 1;
END;

CREATE TRIGGER users_count_delete AFTER DELETE ON users BEGIN
    UPDATE user_counts SET users = users - 1;
END;

-- Which users have which three characters in a row in what a search looks at. It holds no text of its
-- own, and not where in the text they stand: the column itself is looked at for that.
CREATE VIRTUAL TABLE users_search USING fts5 (
    searchable,
    content = 'users',
    content_rowid = 'id',
    tokenize = 'trigram case_sensitive 1',
    detail = 'none',
    columnsize = 0
);

INSERT INTO users_search (users_search) VALUES ('rebuild');

CREATE TRIGGER users_search_insert AFTER INSERT ON users BEGIN
    INSERT INTO users_search (rowid, searchable) VALUES (NEW.id, NEW.searchable);
END;

CREATE TRIGGER users_search_update AFTER UPDATE OF searchable ON users
WHEN OLD.searchable <> NEW.searchable
BEGIN
    INSERT INTO users_search (users_search, rowid, searchable) VALUES ('delete', OLD.id, OLD.searchable);
    INSERT INTO users_search (rowid, searchable) VALUES (NEW.id, NEW.searchable);
END;

CREATE TRIGGER users_search_delete AFTER DELETE ON users BEGIN
    INSERT INTO users_search (users_search, rowid, searchable) VALUES ('delete', OLD.id, OLD.searchable);
END;

-- The few among the many. The flag itself is a column, so that the index is entered like any other.
CREATE INDEX users_inactive ON users (is_active, id) WHERE is_active = FALSE;
CREATE INDEX users_staff ON users (is_staff, id) WHERE is_staff = TRUE;
CREATE INDEX users_all_superusers ON users (is_superuser, id) WHERE is_superuser = TRUE;
