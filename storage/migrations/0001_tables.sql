-- "ushr": how the file says that it is a store (see checkOurs).
PRAGMA application_id = 1970497650;

-- Times are microseconds since 1970 UTC. A directory is a world of its own:
-- nothing refers across. Documents are JSON objects that only their owner,
-- above this package, understands.

-- The directories that have been seeded; users may live in others, too.
CREATE TABLE directory (
    name      TEXT    NOT NULL PRIMARY KEY,
    seeded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- password_hash is '' while there is no password. password_version is a random
-- number, another one whenever another password is set.
CREATE TABLE "user" (
    directory        TEXT    NOT NULL,
    id               TEXT    NOT NULL,
    realm            TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    email            TEXT    NOT NULL,
    password_hash    TEXT    NOT NULL,
    password_version INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER,
    document         TEXT    NOT NULL,
    PRIMARY KEY (directory, id),
    UNIQUE (directory, name, realm) -- in this order, since names are looked for without a realm, too
) STRICT;

CREATE UNIQUE INDEX user_email ON "user" (directory, email) WHERE email <> '';

-- No key to role: a name that no role has is kept, and grants nothing.
CREATE TABLE user_role (
    directory TEXT    NOT NULL,
    user_id   TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    role      TEXT    NOT NULL,
    PRIMARY KEY (directory, user_id, position),
    FOREIGN KEY (directory, user_id) REFERENCES "user" (directory, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE role (
    directory  TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    document   TEXT    NOT NULL,
    PRIMARY KEY (directory, id),
    UNIQUE (directory, name)
) STRICT;

CREATE TABLE token (
    sha256     BLOB    NOT NULL PRIMARY KEY,
    directory  TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    FOREIGN KEY (directory, user_id) REFERENCES "user" (directory, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX token_user ON token (directory, user_id, expires_at);

CREATE TABLE policy (
    directory  TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    is_default INTEGER NOT NULL,
    document   TEXT    NOT NULL,
    PRIMARY KEY (directory, id)
) STRICT, WITHOUT ROWID;

-- No keys: an event outlives those it is about. AUTOINCREMENT, so that a
-- reader's place in the trail stays good if the trail is ever cut.
CREATE TABLE event (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    directory   TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    actor_id    TEXT    NOT NULL,
    actor_name  TEXT    NOT NULL,
    target_id   TEXT    NOT NULL,
    target_name TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    request     TEXT    NOT NULL,
    result      TEXT    NOT NULL
) STRICT;

CREATE INDEX event_directory ON event (directory, id);
