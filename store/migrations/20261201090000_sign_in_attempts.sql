-- Attempts to sign in, by account and network. A network that fails waits longer and longer, and it
-- does not make other networks wait. `account` is `user:` and an id, or a keyed hash of a name that
-- does not exist.
CREATE TABLE sign_in_attempts (
    account      TEXT   NOT NULL,
    network      TEXT   NOT NULL,
    failures     BIGINT NOT NULL,                    -- attempts since the last successful one
    delay_ms     BIGINT NOT NULL,                    -- the next attempt is allowed after this delay
    attempted_at BIGINT NOT NULL,
    succeeded_at BIGINT,
    PRIMARY KEY (account, network)
);
CREATE INDEX sign_in_attempts_by_age ON sign_in_attempts (attempted_at);
ALTER TABLE users DROP COLUMN failed_tries;
ALTER TABLE users DROP COLUMN locked_until;
