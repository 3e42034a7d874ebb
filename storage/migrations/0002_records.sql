-- Roles are one kind of records, of which there are as many as their owners
-- want to name. A user holds those of kind 'role' by name.
CREATE TABLE record (
    directory  TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    document   TEXT    NOT NULL,
    PRIMARY KEY (directory, kind, id),
    UNIQUE (directory, kind, name)
) STRICT;

INSERT INTO record (directory, kind, id, name, created_at, updated_at, document)
SELECT directory, 'role', id, name, created_at, updated_at, document FROM role;

DROP TABLE role;

-- Who holds a role: asked when the role goes.
CREATE INDEX user_role_role ON user_role (directory, role);

-- When the password was set, NULL while there is none, and whether by the user.
ALTER TABLE "user" ADD COLUMN password_set_at INTEGER;
ALTER TABLE "user" ADD COLUMN password_own INTEGER NOT NULL DEFAULT 0;

UPDATE "user" SET password_set_at = created_at WHERE password_hash <> '';

-- The trail knows of every password since the first. It may also know of an
-- earlier user of the same id, all before this one was made.
UPDATE "user" SET password_set_at = e.at, password_own = e.actor_id = e.target_id
FROM event e
WHERE e.id IN (
        SELECT max(id) FROM event
        WHERE kind IN ('user-created', 'user-deleted', 'password-changed', 'password-set')
        GROUP BY directory, target_id
    )
    AND e.kind IN ('password-changed', 'password-set')
    AND e.directory = "user".directory AND e.target_id = "user".id AND "user".password_hash <> '';

-- Passwords that were replaced, as many as the policy in force forbids to come
-- back, the latest at the greatest position. Times would not do: clocks are set
-- back, and two changes may come within one tick.
CREATE TABLE password_history (
    directory     TEXT    NOT NULL,
    user_id       TEXT    NOT NULL,
    position      INTEGER NOT NULL,
    password_hash TEXT    NOT NULL,
    PRIMARY KEY (directory, user_id, position),
    FOREIGN KEY (directory, user_id) REFERENCES "user" (directory, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- A token may last for ever (expires_at NULL), be renewed by each use (idle: by
-- so much; 0: it is not), outlive its user's password (lasting), and be listed
-- (id, '' if it is not; document).
ALTER TABLE token RENAME TO token_1;
DROP INDEX token_user;

CREATE TABLE token (
    sha256     BLOB    NOT NULL PRIMARY KEY,
    directory  TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    idle       INTEGER NOT NULL,
    lasting    INTEGER NOT NULL,
    document   TEXT    NOT NULL,
    FOREIGN KEY (directory, user_id) REFERENCES "user" (directory, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

INSERT INTO token (sha256, directory, user_id, kind, id, created_at, expires_at, idle, lasting, document)
SELECT sha256, directory, user_id, kind, '', created_at, expires_at, 0, 0, '{}' FROM token_1;

DROP TABLE token_1;

CREATE INDEX token_user ON token (directory, user_id, expires_at);
CREATE INDEX token_kind ON token (directory, kind, user_id);
CREATE UNIQUE INDEX token_id ON token (directory, kind, id) WHERE id <> '';
