-- The day from which a revision is in force, ISO 8601: the one that is said, or that of taking it in.
ALTER TABLE revisions ADD COLUMN in_force_from TEXT NOT NULL DEFAULT '';
UPDATE revisions SET in_force_from =
    COALESCE(json_extract(labels, '$.effective'), date(effective_from / 1000, 'unixepoch'));
-- A revision answers from its day on, and the one before it until then.
UPDATE revisions SET effective_from =
    MAX(effective_from, COALESCE(CAST(strftime('%s', in_force_from) AS INTEGER) * 1000, 0));
UPDATE revisions SET superseded_at = (
    SELECT MIN(later.effective_from) FROM revisions later
    WHERE later.document_id = revisions.document_id AND later.id > revisions.id)
WHERE superseded_at IS NOT NULL;
CREATE INDEX revisions_by_day ON revisions (document_id, in_force_from);
