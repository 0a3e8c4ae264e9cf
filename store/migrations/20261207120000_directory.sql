-- People of the site's directory. They have no password here.
ALTER TABLE users ADD COLUMN directory_key TEXT;             -- entryUUID or objectGUID; NULL: a local account
ALTER TABLE users ADD COLUMN directory_checked_at BIGINT;    -- when the directory last confirmed the account
CREATE UNIQUE INDEX users_by_directory_key ON users (directory_key) WHERE directory_key IS NOT NULL;
