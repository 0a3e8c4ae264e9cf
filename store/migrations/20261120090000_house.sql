-- People and what they may do.
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, so that old audit records keep their meaning
    name          TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,                  -- Argon2id, PHC string
    disabled      BOOLEAN NOT NULL DEFAULT FALSE,
    failed_tries  BIGINT  NOT NULL DEFAULT 0,
    locked_until  BIGINT,                            -- milliseconds since 1970
    created_at    BIGINT  NOT NULL
);
CREATE TABLE user_roles (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role    TEXT   NOT NULL,
    PRIMARY KEY (user_id, role)
);
CREATE TABLE groups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,
    created_at BIGINT  NOT NULL
);
CREATE TABLE memberships (
    group_id BIGINT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX memberships_by_user ON memberships (user_id);

CREATE TABLE sessions (
    id           TEXT   PRIMARY KEY,                 -- SHA-256 of the cookie's secret
    user_id      BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE TABLE setup_links (
    id         TEXT   PRIMARY KEY,                   -- SHA-256 of the link's secret
    expires_at BIGINT NOT NULL
);

-- Collections and who may read them.
CREATE TABLE collections (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,              -- the folder's name in the inbox
    composed   BOOLEAN NOT NULL DEFAULT TRUE,        -- whether the model may write below the quotes
    created_at BIGINT  NOT NULL
);
CREATE TABLE grants (
    collection_id BIGINT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    group_id      BIGINT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (collection_id, group_id)
);

-- Files of the inbox, and the work on them.
CREATE TABLE files (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id BIGINT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    path          TEXT   NOT NULL,
    state         TEXT   NOT NULL,                   -- waiting, reading, embedding, ready, quarantined, removed
    hash          TEXT,
    size          BIGINT NOT NULL,
    modified_at   BIGINT NOT NULL,
    pages_done    BIGINT NOT NULL DEFAULT 0,
    pages_total   BIGINT NOT NULL DEFAULT 0,
    reason        TEXT,                              -- why it is quarantined
    attempts      BIGINT NOT NULL DEFAULT 0,
    lease_until   BIGINT,                            -- who works on it must renew before this moment
    seen_at       BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    took_ms       BIGINT,
    UNIQUE (collection_id, path)
);
CREATE INDEX files_by_state ON files (state, id);

-- What files became.
CREATE TABLE documents (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id BIGINT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    path          TEXT   NOT NULL,
    deleted_at    BIGINT,
    created_at    BIGINT NOT NULL,
    UNIQUE (collection_id, path)
);
CREATE TABLE revisions (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id    BIGINT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    hash           TEXT   NOT NULL,
    size           BIGINT NOT NULL,
    title          TEXT   NOT NULL,
    format         TEXT   NOT NULL,
    language       TEXT,
    pages          BIGINT NOT NULL,
    warnings       TEXT   NOT NULL,                  -- JSON array of sentences
    embedder       TEXT   NOT NULL,                  -- SHA-256 of the model that made the vectors
    effective_from BIGINT NOT NULL,
    superseded_at  BIGINT
);
CREATE INDEX revisions_by_document ON revisions (document_id, superseded_at);
CREATE TABLE pages (
    revision_id BIGINT NOT NULL REFERENCES revisions (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    content     TEXT   NOT NULL,                     -- the page as JSON
    PRIMARY KEY (revision_id, number)
);
CREATE TABLE passages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,   -- also the sequence number that the indexes follow
    revision_id BIGINT NOT NULL REFERENCES revisions (id) ON DELETE CASCADE,
    draft       TEXT   NOT NULL,                     -- text, spans, headings and sentences as JSON
    vector      BLOB   NOT NULL                      -- little-endian f32
);
CREATE INDEX passages_by_revision ON passages (revision_id);
