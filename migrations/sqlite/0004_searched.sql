-- What a search looks at, apart from the wide rows of the table: whoever the trigrams find is looked at here,
-- in a fraction of the pages.
CREATE INDEX users_searched ON users (id, is_active, is_staff, is_superuser, name_folded, searchable);
