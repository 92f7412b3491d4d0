-- Indexes over many users take longer than a statement of a request may.
SET LOCAL statement_timeout = 0;

-- How many users there are, kept so that nobody has to count them: the sum over all slots. A
-- transaction locks the slot that it changes until its end; with several, few wait for each other.
CREATE TABLE user_counts (
    slot BIGINT PRIMARY KEY,
    users BIGINT NOT NULL
);

INSERT INTO user_counts SELECT slot, 0 FROM generate_series(0, 15) AS slot;
UPDATE user_counts SET users = (SELECT count(*) FROM users) WHERE slot = 0;

CREATE FUNCTION users_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    difference BIGINT;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT count(*) INTO difference FROM changed;
    ELSE
        SELECT -count(*) INTO difference FROM changed;
    END IF;
    IF difference <> 0 THEN
        UPDATE user_counts SET users = users + difference WHERE slot = pg_backend_pid() % 16;
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER users_count_insert AFTER INSERT ON users
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION users_count();

CREATE TRIGGER users_count_delete AFTER DELETE ON users
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION users_count();

-- Which users have which three characters in a row in what a search looks at. Where the extension is
-- not to be had, searches do without: docs/operations.md says how to add it later.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'pg_trgm is not available: searches will read all users (%)', SQLERRM;
END;
$$;

DO $$
DECLARE
    home TEXT;
BEGIN
    SELECT nspname INTO home FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'pg_trgm';
    IF home IS NOT NULL THEN
        EXECUTE format('CREATE INDEX users_search ON users USING gin (searchable %I.gin_trgm_ops)', home);
    END IF;
END;
$$;

-- The few among the many.
CREATE INDEX users_inactive ON users (is_active, id) WHERE is_active = FALSE;
CREATE INDEX users_staff ON users (is_staff, id) WHERE is_staff = TRUE;
CREATE INDEX users_all_superusers ON users (is_superuser, id) WHERE is_superuser = TRUE;
