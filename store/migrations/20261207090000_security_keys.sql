-- Security keys and passkeys (WebAuthn) of people, as second factors.
CREATE TABLE security_keys (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, as the audit log names keys by it
    user_id       BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential_id BLOB   NOT NULL UNIQUE,            -- a key belongs to one person
    name          TEXT   NOT NULL,                   -- how the person recognises it
    credential    TEXT   NOT NULL,                   -- its public key and properties, as JSON
    counter       BIGINT NOT NULL DEFAULT 0,         -- signatures that the key says it has made
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT,
    UNIQUE (user_id, name)
);
