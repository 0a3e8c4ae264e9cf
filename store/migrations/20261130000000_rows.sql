-- A row of a table is a passage of its own for the search. This is the passage that contains it and
-- that is shown in its place.
ALTER TABLE passages ADD COLUMN row_of BIGINT REFERENCES passages (id) ON DELETE CASCADE;
