-- An index over many users takes longer than a statement of a request may.
SET LOCAL statement_timeout = 0;

-- The overview counts users by status: these indexes have all that it looks at, so that no row of the table is read.
DROP INDEX users_last_login;
CREATE INDEX users_last_login ON users (last_login, id) INCLUDE (is_active, is_invited, valid_from, valid_until);
DROP INDEX users_inactive;
CREATE INDEX users_inactive ON users (is_active, id) INCLUDE (is_invited, valid_from, valid_until)
    WHERE is_active = FALSE;
DROP INDEX users_invited;
CREATE INDEX users_invited ON users (is_invited, id) INCLUDE (valid_from, valid_until) WHERE is_invited = TRUE;
-- The few accounts that have an end, and the few messages that were refused.
CREATE INDEX users_valid_until ON users (valid_until, id) WHERE valid_until IS NOT NULL;
CREATE INDEX mails_refused ON mails (changed_at) WHERE state = 'refused';
