-- What a person asked, for themselves. Quotes are kept as places, not as words: they are read again
-- with the rights of the day, so that what may no longer be read is no longer shown.
CREATE TABLE turns (
    receipt         TEXT    PRIMARY KEY,
    conversation_id TEXT    NOT NULL,
    user_id         BIGINT  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    asked_at        BIGINT  NOT NULL,
    question        TEXT    NOT NULL,                -- as typed, personal data masked
    understood      TEXT,                            -- as it stood alone, where it was rewritten
    quotes          TEXT    NOT NULL,                -- JSON array of places
    sentences       TEXT    NOT NULL DEFAULT '[]'    -- JSON array of what the model wrote
);
CREATE INDEX turns_by_person ON turns (user_id, conversation_id, asked_at);
CREATE INDEX turns_by_age ON turns (asked_at);
