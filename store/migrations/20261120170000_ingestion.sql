-- A file may lie in another file: an attachment in a mail.
ALTER TABLE files ADD COLUMN parent_id BIGINT REFERENCES files (id) ON DELETE CASCADE;
CREATE INDEX files_by_parent ON files (parent_id);
-- What a document.toml says of the file, as JSON.
ALTER TABLE files ADD COLUMN labels TEXT;
-- The same when the revision was read, and with what the file says of itself.
ALTER TABLE revisions ADD COLUMN file_labels TEXT;
ALTER TABLE revisions ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
-- How a collection's files are read: languages of scanned pages and passwords, JSON arrays.
ALTER TABLE collections ADD COLUMN languages TEXT NOT NULL DEFAULT '[]';
ALTER TABLE collections ADD COLUMN passwords TEXT NOT NULL DEFAULT '[]';
-- What an administrator has set while the appliance runs.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
