-- The day since which a document is in force by its own words, such as `2026-03-01`. It is shown, and
-- does not decide whether the document answers.
ALTER TABLE revisions ADD COLUMN stated_effective TEXT;
