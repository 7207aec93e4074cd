-- A workspace is deleted while a user that names it is inserted. Two variants of the same three tables:
-- `workspaces` as it was found (the race leaves nothing behind: 179 users, 179 workspaces, 183 memberships, no orphan)
-- and `workspaces_dangling`, where a clean-up deleted the workspace without its membership.
-- In both, workspace_members.user_id names users.privy_did, and no constraint says so.
CREATE SCHEMA workspaces;
COMMENT ON SCHEMA workspaces IS 'A user insert lost a race against the delete of its workspace: nothing is left to see';

CREATE TABLE workspaces.workspaces (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    slug text NOT NULL CONSTRAINT workspaces_slug_unique UNIQUE,
    plan text NOT NULL DEFAULT 'free',
    created_at timestamptz NOT NULL
);

CREATE TABLE workspaces.users (
    id uuid PRIMARY KEY,
    privy_did text NOT NULL CONSTRAINT users_privy_did_unique UNIQUE,
    email text,
    display_name text NOT NULL,
    primary_workspace_id uuid
        CONSTRAINT users_primary_workspace_id_workspaces_id_fk REFERENCES workspaces.workspaces (id),
    created_at timestamptz NOT NULL
);
COMMENT ON COLUMN workspaces.users.privy_did IS 'The identity provider''s id; memberships name this one';

CREATE TABLE workspaces.workspace_members (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL
        CONSTRAINT workspace_members_workspace_id_workspaces_id_fk
        REFERENCES workspaces.workspaces (id) ON DELETE CASCADE,
    user_id text NOT NULL,
    role text NOT NULL,
    joined_at timestamptz NOT NULL,
    CONSTRAINT workspace_members_workspace_id_user_id_unique UNIQUE (workspace_id, user_id)
);
COMMENT ON TABLE workspaces.workspace_members IS 'Who belongs to which workspace';

INSERT INTO workspaces.workspaces
SELECT pg_temp.uuid_of('workspace ' || n), pg_temp.person(n + 200) || '''s workspace',
    replace(pg_temp.login(n + 200), '.', '-'), pg_temp.pick(ARRAY['free', 'free', 'team', 'business'], n * 7 % 31),
    timestamptz '2025-01-06 08:30:00+00' + n * interval '23 hours 19 minutes 5 seconds'
FROM generate_series(1, 179) n;

INSERT INTO workspaces.users
SELECT pg_temp.uuid_of('workspace user ' || n), 'did:privy:cm' || substr(md5('privy ' || n), 1, 23),
    pg_temp.email(n + 200), pg_temp.person(n + 200), pg_temp.uuid_of('workspace ' || n),
    timestamptz '2025-01-06 08:30:01+00' + n * interval '23 hours 19 minutes 5 seconds'
FROM generate_series(1, 179) n;

-- Everybody owns one workspace; four are guests in a second one.
INSERT INTO workspaces.workspace_members
SELECT pg_temp.uuid_of('membership ' || n),
    pg_temp.uuid_of('workspace ' || CASE WHEN n <= 179 THEN n ELSE (n - 179) * 40 END),
    'did:privy:cm' || substr(md5('privy ' || CASE WHEN n <= 179 THEN n ELSE (n - 179) * 37 END), 1, 23),
    CASE WHEN n <= 179 THEN 'owner' ELSE 'guest' END,
    timestamptz '2025-01-06 08:30:02+00' + n * interval '23 hours 19 minutes 5 seconds'
FROM generate_series(1, 183) n;

CREATE SCHEMA workspaces_dangling;
COMMENT ON SCHEMA workspaces_dangling IS 'The same tables after a clean-up that left a membership without its workspace';

CREATE TABLE workspaces_dangling.workspaces (LIKE workspaces.workspaces INCLUDING DEFAULTS);
CREATE TABLE workspaces_dangling.users (LIKE workspaces.users);
CREATE TABLE workspaces_dangling.workspace_members (LIKE workspaces.workspace_members);
INSERT INTO workspaces_dangling.workspaces SELECT * FROM workspaces.workspaces;
INSERT INTO workspaces_dangling.users SELECT * FROM workspaces.users;
INSERT INTO workspaces_dangling.workspace_members SELECT * FROM workspaces.workspace_members;
INSERT INTO workspaces_dangling.workspaces
VALUES ('a7189b92-ba75-4160-8fa0-426bfe8fa33a', 'Launch week', 'launch-week', 'team', '2025-06-23 09:14:27+00');
INSERT INTO workspaces_dangling.workspace_members
SELECT pg_temp.uuid_of('membership 184'), 'a7189b92-ba75-4160-8fa0-426bfe8fa33a', privy_did, 'guest',
    '2025-06-24 15:40:09+00'
FROM workspaces_dangling.users WHERE id = pg_temp.uuid_of('workspace user 58');

ALTER TABLE workspaces_dangling.workspaces
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT workspaces_slug_unique UNIQUE (slug);
ALTER TABLE workspaces_dangling.users
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT users_privy_did_unique UNIQUE (privy_did),
    ADD CONSTRAINT users_primary_workspace_id_workspaces_id_fk
        FOREIGN KEY (primary_workspace_id) REFERENCES workspaces_dangling.workspaces (id);
-- Not CASCADE here: this is the schema whose delete rule is still to be changed.
ALTER TABLE workspaces_dangling.workspace_members
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT workspace_members_workspace_id_user_id_unique UNIQUE (workspace_id, user_id),
    ADD CONSTRAINT workspace_members_workspace_id_workspaces_id_fk
        FOREIGN KEY (workspace_id) REFERENCES workspaces_dangling.workspaces (id) DEFERRABLE;
COMMENT ON TABLE workspaces_dangling.workspace_members IS 'Who belongs to which workspace';
COMMENT ON CONSTRAINT workspace_members_workspace_id_workspaces_id_fk ON workspaces_dangling.workspace_members
    IS 'Deferrable so that a workspace can be moved to another id in one transaction';

SET LOCAL session_replication_role = replica;
DELETE FROM workspaces_dangling.workspaces WHERE id = 'a7189b92-ba75-4160-8fa0-426bfe8fa33a';
SET LOCAL session_replication_role = origin;
