-- What is tried again: the link of a message, and when its next try is due, while there is one.
ALTER TABLE mails ADD COLUMN link_id INTEGER;
ALTER TABLE mails ADD COLUMN retry_at INTEGER;
CREATE INDEX mails_retry_at ON mails (retry_at) WHERE retry_at IS NOT NULL;
-- No secret of a link is stored, so that a message which is sent again has another secret of the same link.
ALTER TABLE links ADD COLUMN resent_hash BLOB;
CREATE UNIQUE INDEX links_resent_hash ON links (resent_hash) WHERE resent_hash IS NOT NULL;
