-- sessions.user_id is text and users.id is uuid: the constraint sessions_user_id_fkey cannot be implemented (42804),
-- so it is not there. 3 values are no uuid at all; 5 are one that no user has; 1 is a user's id in capitals, which
-- text calls different and uuid calls the same.
CREATE SCHEMA nextauth;
COMMENT ON SCHEMA nextauth IS 'Sign-in fails: sessions.user_id is text, users.id is uuid, no constraint can be made';

CREATE TABLE nextauth.users (
    id uuid PRIMARY KEY,
    name text,
    email text NOT NULL CONSTRAINT users_email_key UNIQUE,
    email_verified timestamptz,
    image text
);

CREATE TABLE nextauth.accounts (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    type text NOT NULL,
    provider text NOT NULL,
    provider_account_id text NOT NULL,
    refresh_token text,
    access_token text,
    id_token text,
    token_type text,
    scope text,
    expires_at bigint,
    CONSTRAINT accounts_provider_provider_account_id_key UNIQUE (provider, provider_account_id)
);

CREATE TABLE nextauth.sessions (
    id uuid PRIMARY KEY,
    session_token text NOT NULL CONSTRAINT sessions_session_token_key UNIQUE,
    user_id text NOT NULL,
    expires timestamptz NOT NULL
);
COMMENT ON TABLE nextauth.sessions IS 'Its migration stopped before sessions_user_id_fkey';
CREATE INDEX sessions_user_id_idx ON nextauth.sessions (user_id);

CREATE TABLE nextauth.verification_tokens (
    identifier text NOT NULL,
    token text NOT NULL,
    expires timestamptz NOT NULL,
    CONSTRAINT verification_tokens_identifier_token_key UNIQUE (identifier, token)
);

INSERT INTO nextauth.users
SELECT pg_temp.uuid_of('nextauth user ' || n), pg_temp.person(n + 480), pg_temp.email(n + 480),
    CASE WHEN n % 4 > 0 THEN timestamptz '2025-02-03 12:00:00+00' + n * interval '31 hours' END,
    CASE WHEN n % 3 = 0 THEN 'https://avatars.example/u/' || 9000 + n * 17 END
FROM generate_series(1, 120) n;

INSERT INTO nextauth.accounts
SELECT pg_temp.uuid_of('nextauth account ' || n), pg_temp.uuid_of('nextauth user ' || n), 'oauth',
    pg_temp.pick(ARRAY['google', 'github'], n), (880000000 + n * 7907)::text,
    '1//0' || md5('refresh ' || n), 'ya29.' || md5('access ' || n) || md5('more ' || n),
    CASE WHEN n % 2 = 0 THEN 'eyJ' || md5('id ' || n) || '.' || md5('claims ' || n) END,
    'bearer', 'openid email profile',
    1751270400 + n * 3600
FROM generate_series(1, 120) n;

-- Checked by hand to be clean, and never validated.
ALTER TABLE nextauth.accounts ADD CONSTRAINT accounts_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES nextauth.users (id) ON DELETE CASCADE NOT VALID;

INSERT INTO nextauth.sessions
SELECT pg_temp.uuid_of('nextauth session ' || n), md5('session token ' || n) || md5('token session ' || n),
    CASE
        WHEN n = 21 THEN 'undefined'
        WHEN n = 74 THEN 'guest'
        WHEN n = 118 THEN 'user_' || 42
        WHEN n IN (12, 46, 80, 101, 133) THEN pg_temp.uuid_of('user of the old database ' || n)::text
        WHEN n = 64 THEN upper(pg_temp.uuid_of('nextauth user 64')::text)
        ELSE pg_temp.uuid_of('nextauth user ' || 1 + (n - 1) % 120)::text
    END,
    timestamptz '2025-07-01 00:00:00+00' + n * interval '5 hours 11 minutes'
FROM generate_series(1, 148) n;

INSERT INTO nextauth.verification_tokens
SELECT pg_temp.email(n + 480), md5('verify ' || n), timestamptz '2025-07-01 06:00:00+00' + n * interval '50 minutes'
FROM generate_series(1, 12) n;
