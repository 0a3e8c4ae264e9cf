-- What the reading of a revision left out on purpose (`left-out`), and what it did not understand
-- (`not-understood`), by kind. A revision with a row of the second sort is incomplete.
CREATE TABLE reading_accounts (
    revision_id BIGINT NOT NULL REFERENCES revisions (id) ON DELETE CASCADE,
    finding     TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    count       BIGINT NOT NULL,
    PRIMARY KEY (revision_id, finding, kind)
);
