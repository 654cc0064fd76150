-- The ledger: an index of the journal plus the state of work. Version 4.
-- Everything but attempts, leases and gates can be rebuilt from the journal and the store.
-- Times are RFC 3339 UTC text; states and reasons are the words of CONTRACT.

-- One row: what the ledger has taken in of the journal, and which root it belongs to.
CREATE TABLE position (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    applied INTEGER NOT NULL,              -- number of the last journal line taken in
    digest TEXT NOT NULL                   -- digest of that line
) STRICT;

CREATE TABLE snapshots (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    as_of TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    finished_at TEXT,                      -- NULL while it is open
    manifest TEXT                          -- sha256 of its manifest.json
) STRICT;

-- The state of a hub's listing within a snapshot; outcome ``waiting``: for a page that was kept and
-- is lost, and that ``next_cursor`` asks for again.
CREATE TABLE listings (
    snapshot INTEGER NOT NULL REFERENCES snapshots (seq),
    hub TEXT NOT NULL,
    outcome TEXT NOT NULL DEFAULT 'running', -- running complete limited cut unreachable not_asked
    reason TEXT,
    scope TEXT NOT NULL DEFAULT '{}',
    listed INTEGER NOT NULL DEFAULT 0,
    unparsed INTEGER NOT NULL DEFAULT 0,
    drift TEXT NOT NULL DEFAULT '[]',      -- JSON list of [field, change, records]
    first_page_at TEXT,
    last_page_at TEXT,
    trouble_at TEXT,                       -- when it was first found cut off or unreachable
    next_cursor TEXT,                      -- of the page that follows the last one kept
    PRIMARY KEY (snapshot, hub)
) STRICT, WITHOUT ROWID;

-- Listing pages (and answers about one package), in the order they were received, a hub at a time.
CREATE TABLE pages (
    seq INTEGER PRIMARY KEY,
    snapshot INTEGER NOT NULL REFERENCES snapshots (seq),
    hub TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    received_at TEXT NOT NULL
) STRICT;

CREATE TABLE packages (
    id INTEGER PRIMARY KEY,
    hub TEXT NOT NULL,
    package_id TEXT NOT NULL,
    name TEXT NOT NULL,
    former_names TEXT NOT NULL DEFAULT '[]', -- JSON list, oldest first
    origin INTEGER REFERENCES origins (id),
    page INTEGER NOT NULL REFERENCES pages (seq),
    raw_index INTEGER NOT NULL,
    status TEXT NOT NULL,
    first_seen INTEGER NOT NULL REFERENCES snapshots (seq),
    last_seen INTEGER NOT NULL REFERENCES snapshots (seq),
    downloads INTEGER,
    used_bytes INTEGER,
    fingerprint TEXT,
    twin TEXT,                             -- what stays when the hub renames it
    UNIQUE (hub, package_id)
) STRICT;
CREATE INDEX packages_by_page ON packages (page, raw_index);
CREATE INDEX packages_by_origin ON packages (origin, hub);
CREATE INDEX packages_by_twin ON packages (hub, twin) WHERE twin IS NOT NULL;

CREATE TABLE origins (
    id INTEGER PRIMARY KEY,
    key INTEGER NOT NULL,
    url TEXT NOT NULL UNIQUE,
    predecessor INTEGER REFERENCES origins (id), -- where its packages were before a rename
    moved_to INTEGER REFERENCES origins (id),
    visit TEXT,                            -- sha256 of the newest visit
    head TEXT,                             -- commit that visit's HEAD leads to
    holding TEXT,                          -- sha256 of its holding
    pack_bytes INTEGER NOT NULL DEFAULT 0,
    is_complete INTEGER NOT NULL DEFAULT 0,
    lacks INTEGER NOT NULL DEFAULT 0,      -- blobs that visit names as not held
    fingerprint TEXT,                      -- what the hub said of the state that was visited
    depth INTEGER NOT NULL DEFAULT 0,
    is_shelf INTEGER NOT NULL DEFAULT 0,   -- whether a hub's listing was read from its files
    observed_at TEXT
) STRICT;

CREATE INDEX origins_moved ON origins (id, moved_to) WHERE moved_to IS NOT NULL;

-- Origins that packages name today, where they are today, and shelves. The others are history.
CREATE VIEW named (origin) AS
SELECT coalesce(o.moved_to, o.id) FROM packages AS p JOIN origins AS o ON o.id = p.origin
UNION
SELECT coalesce(moved_to, id) FROM origins WHERE is_shelf;

-- Every visit that counted, newest last; `snapshot` is the one it was made in.
CREATE TABLE visits (
    origin INTEGER NOT NULL REFERENCES origins (id),
    snapshot INTEGER NOT NULL REFERENCES snapshots (seq),
    visit TEXT NOT NULL,
    holding TEXT NOT NULL,
    commits INTEGER,                       -- reachable ones, once the build has counted them
    told INTEGER REFERENCES snapshots (seq), -- the finished one whose facts tell of it, or NULL
    PRIMARY KEY (origin, snapshot)
) STRICT, WITHOUT ROWID;

-- Commits that earlier told visits of an origin reach and its newest told visit does not.
CREATE TABLE lost (
    origin INTEGER NOT NULL REFERENCES origins (id),
    oid TEXT NOT NULL,
    PRIMARY KEY (origin, oid)
) STRICT, WITHOUT ROWID;

-- Blobs that heads stand for: LFS objects, and large files kept in git.
CREATE TABLE objects (
    sha256 TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    held INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX objects_missing ON objects (sha256) WHERE held = 0;

CREATE TABLE wanted (
    origin INTEGER NOT NULL REFERENCES origins (id),
    path BLOB NOT NULL,                    -- bytes, as git has them
    sha256 TEXT NOT NULL REFERENCES objects (sha256),
    size INTEGER NOT NULL,                 -- what the pointer there says
    PRIMARY KEY (origin, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX wanted_by_object ON wanted (sha256);

-- Files that packages need and that are in no repository; known by URL before their bytes are.
CREATE TABLE assets (
    url TEXT PRIMARY KEY,
    sha256_prefix TEXT,                    -- what its name promises
    sha256 TEXT REFERENCES objects (sha256), -- of the bytes received, once they are held
    observed_at TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX assets_by_object ON assets (sha256) WHERE sha256 IS NOT NULL;

-- Work: one row an item; its key is an origin's URL, a sha256, an asset's URL, or HUB:PACKAGE_ID.
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    stage TEXT NOT NULL CHECK (stage IN ('ask', 'visit', 'object', 'asset')),
    key TEXT NOT NULL,
    hub TEXT NOT NULL,
    snapshot INTEGER NOT NULL REFERENCES snapshots (seq),
    state TEXT NOT NULL CHECK (
        state IN ('todo', 'leased', 'postponed', 'done', 'skipped', 'failed')
    ),
    reason TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,    -- seconds since the epoch
    bytes INTEGER NOT NULL DEFAULT 0,      -- received for it in this snapshot
    place TEXT NOT NULL GENERATED ALWAYS AS ( -- where it must be asked: the host of a URL, or the hub
        CASE WHEN stage IN ('visit', 'asset')
        THEN substr(key, 9, instr(substr(key, 9) || '/', '/') - 1) ELSE hub END
    ) VIRTUAL,
    UNIQUE (stage, key)
) STRICT;
CREATE INDEX items_due ON items (stage, snapshot, state, place, not_before);

-- Plans that were made, so that a restart does not go through everything again to find nothing new.
CREATE TABLE plans (
    snapshot INTEGER NOT NULL REFERENCES snapshots (seq),
    hub TEXT NOT NULL,
    about TEXT NOT NULL,                   -- JSON: what was asked for, and the last page it knew
    PRIMARY KEY (snapshot, hub, about)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    snapshot INTEGER NOT NULL REFERENCES snapshots (seq),
    hub TEXT NOT NULL,
    stage TEXT NOT NULL,
    item TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    http_status INTEGER,
    bytes INTEGER NOT NULL,
    seconds REAL NOT NULL,
    at TEXT NOT NULL,
    tool TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_by_snapshot ON attempts (snapshot, id);

-- What hosts allowed when we last heard of it, so that a restart does not begin with a full budget.
CREATE TABLE gates (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The figures of a snapshot as they were last counted. Whatever is written to the ledger empties it,
-- so what is here is what counting again would find.
CREATE TABLE figures (
    snapshot INTEGER PRIMARY KEY REFERENCES snapshots (seq),
    counted TEXT NOT NULL                  -- JSON, as ledger/figures.py writes it
) STRICT;
