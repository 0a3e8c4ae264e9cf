-- The day of a document's last change as it says itself, ISO 8601; absent where it does not.
ALTER TABLE revisions ADD COLUMN dated TEXT;
