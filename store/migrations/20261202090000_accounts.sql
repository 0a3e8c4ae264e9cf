-- A person without a password has an empty hash, which no password matches. They set one with an
-- activation link.
CREATE TABLE activation_links (
    user_id    BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE, -- a new link replaces the previous one
    id         TEXT   NOT NULL UNIQUE,               -- SHA-256 of the link's secret
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- What a person sees of their own sessions.
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';
-- When the person last typed their password.
ALTER TABLE sessions ADD COLUMN authenticated_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX sessions_by_user ON sessions (user_id);

-- Personal API tokens. Rows of revoked and expired tokens are deleted; the audit log has them.
CREATE TABLE api_tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, as the audit log names tokens by it
    user_id      BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash         TEXT   NOT NULL UNIQUE,             -- SHA-256 of the secret
    name         TEXT   NOT NULL,
    scopes       TEXT   NOT NULL,                    -- names separated by spaces
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

-- The second factor of a person: a secret for time-based one-time passwords (TOTP).
CREATE TABLE second_factors (
    user_id      BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret       BLOB   NOT NULL,                    -- encrypted with a key outside the database
    confirmed_at BIGINT,                             -- not in use before the person has confirmed it
    last_step    BIGINT NOT NULL DEFAULT 0           -- the time step of the last code, which is not accepted again
);
CREATE TABLE recovery_codes (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    TEXT   NOT NULL,                         -- SHA-256 of a code of 80 random bits
    PRIMARY KEY (user_id, hash)
);

-- Changes of accounts that wait for a second administrator.
CREATE TABLE account_requests (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    change       TEXT   NOT NULL,                    -- roles, activation-link, second-factor
    roles        TEXT   NOT NULL,                    -- the new roles, names separated by spaces
    requested_by BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    requested_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    UNIQUE (user_id, change)
);
