-- Vectors by the model that made them, so that another model's can be made beside those in use.
CREATE TABLE embedders (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 TEXT    NOT NULL UNIQUE,
    state  TEXT    NOT NULL                          -- whole, filling, aside
);
INSERT INTO embedders (sha256, state) SELECT DISTINCT embedder, 'aside' FROM revisions;
-- Where an earlier version was cut short while it replaced vectors, there are two models, and
-- neither has made all.
UPDATE embedders
SET state = CASE WHEN (SELECT COUNT(*) FROM embedders) = 1 THEN 'whole' ELSE 'filling' END
WHERE sha256 = (SELECT embedder FROM revisions ORDER BY id DESC LIMIT 1);

ALTER TABLE passages RENAME TO passages_with_vectors;
DROP INDEX passages_by_revision;
CREATE TABLE passages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,   -- also the sequence number that the indexes follow
    revision_id BIGINT NOT NULL REFERENCES revisions (id) ON DELETE CASCADE,
    draft       TEXT   NOT NULL                      -- text, spans, headings and sentences as JSON
);
CREATE INDEX passages_by_revision ON passages (revision_id);
CREATE TABLE vectors (
    passage_id  BIGINT NOT NULL REFERENCES passages (id) ON DELETE CASCADE,
    embedder_id BIGINT NOT NULL REFERENCES embedders (id) ON DELETE CASCADE,
    vector      BLOB   NOT NULL,                     -- little-endian f32
    PRIMARY KEY (passage_id, embedder_id)
);
INSERT INTO passages (id, revision_id, draft)
SELECT id, revision_id, draft FROM passages_with_vectors;
INSERT INTO vectors (passage_id, embedder_id, vector)
SELECT p.id, e.id, p.vector FROM passages_with_vectors p
JOIN revisions r ON r.id = p.revision_id
JOIN embedders e ON e.sha256 = r.embedder;
DROP TABLE passages_with_vectors;
ALTER TABLE revisions DROP COLUMN embedder;
