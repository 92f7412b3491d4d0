-- Tries at a password that were let through and not decided yet, and until when they count.
ALTER TABLE throttles ADD COLUMN undecided BIGINT NOT NULL DEFAULT 0;
ALTER TABLE throttles ADD COLUMN undecided_until BIGINT NOT NULL DEFAULT 0;
