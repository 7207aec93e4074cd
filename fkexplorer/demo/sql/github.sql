-- Linking a GitHub account: a sign-in holds the id of a user who is not in this database, and the link is refused.
-- The refused insert leaves no row, so every edge here is clean.
CREATE SCHEMA github;
COMMENT ON SCHEMA github IS 'A user whose session outlived the account links a GitHub installation';

CREATE TABLE github."user" (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL CONSTRAINT user_email_unique UNIQUE,
    email_verified boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE github."user" IS 'People who signed in at least once';

CREATE TABLE github.session (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT session_user_id_user_id_fk REFERENCES github."user" (id) ON DELETE CASCADE,
    token text NOT NULL CONSTRAINT session_token_unique UNIQUE,
    ip_address inet,
    user_agent text,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE github.account (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT account_user_id_user_id_fk REFERENCES github."user" (id) ON DELETE CASCADE,
    provider_id text NOT NULL,
    account_id text NOT NULL,
    access_token text,
    scope text,
    created_at timestamptz NOT NULL
);

CREATE TABLE github.installation (
    id uuid PRIMARY KEY,
    github_id bigint NOT NULL CONSTRAINT installation_github_id_unique UNIQUE,
    account_login text NOT NULL,
    account_type text NOT NULL,
    suspended_at timestamptz,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE github.installation IS 'The GitHub app as installed by an organization or a person';

CREATE TABLE github.user_github_installation (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL
        CONSTRAINT user_github_installation_user_id_user_id_fk REFERENCES github."user" (id) ON DELETE CASCADE,
    installation_id uuid NOT NULL
        CONSTRAINT user_github_installation_installation_id_installation_id_fk
        REFERENCES github.installation (id) ON DELETE CASCADE,
    role text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT user_github_installation_user_id_installation_id_unique UNIQUE (user_id, installation_id)
);
COMMENT ON TABLE github.user_github_installation IS 'Who may use which installation';

CREATE TABLE github.repository (
    id bigint PRIMARY KEY,
    installation_id uuid NOT NULL
        CONSTRAINT repository_installation_id_installation_id_fk REFERENCES github.installation (id) ON DELETE CASCADE,
    full_name text NOT NULL CONSTRAINT repository_full_name_unique UNIQUE,
    private boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX repository_installation_id_idx ON github.repository (installation_id);

INSERT INTO github."user"
SELECT pg_temp.uuid_of('github user ' || n), pg_temp.person(n), pg_temp.email(n), pg_temp.roll('verified' || n, 8) > 0,
    timestamptz '2024-09-02 07:12:40+00' + n * interval '38 hours 7 minutes 11 seconds'
FROM generate_series(1, 160) n;

INSERT INTO github.session
SELECT pg_temp.uuid_of('github session ' || n),
    pg_temp.uuid_of('github user ' || 1 + pg_temp.roll('session of' || n, 160)),
    md5('github token ' || n) || md5('token github ' || n),
    ('203.0.113.' || 1 + pg_temp.roll('ip' || n, 254))::inet,
    pg_temp.pick(ARRAY['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15',
        'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
        'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0'], pg_temp.roll('agent' || n, 3)),
    timestamptz '2025-06-02 08:00:00+00' + n * interval '97 minutes' + interval '7 days',
    timestamptz '2025-06-02 08:00:00+00' + n * interval '97 minutes'
FROM generate_series(1, 210) n;

INSERT INTO github.account
SELECT pg_temp.uuid_of('github account ' || n), pg_temp.uuid_of('github user ' || n), 'github',
    (20000000 + n * 31337)::text, 'gho_' || md5('github access ' || n), 'read:user,user:email',
    timestamptz '2024-09-02 07:12:41+00' + n * interval '38 hours 7 minutes 11 seconds'
FROM generate_series(1, 160) n;

INSERT INTO github.installation
SELECT pg_temp.uuid_of('github installation ' || n), 51200000 + n * 4177,
    lower(replace(pg_temp.company(n), ' ', '-')), pg_temp.pick(ARRAY['Organization', 'Organization', 'User'], n),
    CASE WHEN n IN (9, 31) THEN timestamptz '2025-04-17 16:20:00+00' END,
    timestamptz '2024-09-10 10:31:00+00' + n * interval '149 hours 23 minutes'
FROM generate_series(1, 45) n;

INSERT INTO github.user_github_installation
SELECT pg_temp.uuid_of('github link ' || n), pg_temp.uuid_of('github user ' || n),
    pg_temp.uuid_of('github installation ' || 1 + n % 45), pg_temp.pick(ARRAY['owner', 'member', 'member'], n),
    timestamptz '2024-09-12 11:05:00+00' + n * interval '45 hours 13 minutes'
FROM generate_series(1, 130) n;

INSERT INTO github.repository
SELECT 710000000 + n * 6151, pg_temp.uuid_of('github installation ' || 1 + n % 45),
    lower(replace(pg_temp.company(1 + n % 45), ' ', '-')) || '/'
        || pg_temp.pick(ARRAY['api', 'web', 'docs', 'infra', 'mobile', 'billing', 'design-system', 'etl'], n / 45)
        || '-' || n,
    pg_temp.roll('private' || n, 3) > 0,
    timestamptz '2024-09-11 09:00:00+00' + n * interval '29 hours 41 minutes'
FROM generate_series(1, 190) n;
