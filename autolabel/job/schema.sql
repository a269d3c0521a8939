-- What a job remembers. One process, one connection; every state change is one transaction.
PRAGMA user_version = 1;

CREATE TABLE fact (          -- single values: status, created, modified, failure reason, reference code
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL      -- JSON
) WITHOUT ROWID;

CREATE TABLE step (          -- work that is done once; `inputs` chains every step to all before it
    position INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    inputs   TEXT NOT NULL,
    result   TEXT NOT NULL,  -- JSON
    arrays   TEXT,           -- sha256 of steps/<name>.safetensors, if it has arrays
    seconds  REAL NOT NULL,
    finished TEXT NOT NULL
);

CREATE TABLE task (          -- an object that people were asked to label; asked once in a job's life, but for repeats
    object    INTEGER PRIMARY KEY,
    batch     INTEGER NOT NULL,
    purpose   TEXT NOT NULL CHECK (purpose IN ('train', 'gold', 'audit', 'rest')),
    slots     INTEGER NOT NULL CHECK (slots BETWEEN 1 AND 18),     -- answers asked for; grows while more are worth it
    free      INTEGER NOT NULL CHECK (free BETWEEN 0 AND slots),
    published TEXT NOT NULL,
    closed    TEXT,           -- when consolidated, failed or withdrawn; NULL again while a second panel answers
    again     INTEGER,        -- batch of the second panel of a repeated object
    again_slots INTEGER NOT NULL DEFAULT 0 CHECK (again_slots BETWEEN 0 AND 9 AND slots - again_slots BETWEEN 1 AND 9)
);
CREATE INDEX task_open ON task (batch) WHERE closed IS NULL;

CREATE TABLE answer (        -- one worker's answer to one object; content NULL is a decline
    object    INTEGER NOT NULL REFERENCES task (object),
    worker    TEXT NOT NULL,
    panel     INTEGER NOT NULL DEFAULT 1 CHECK (panel IN (1, 2)),  -- 2: measures, and never makes a label
    content   TEXT,
    submitted TEXT NOT NULL,
    seconds   REAL,
    extra     TEXT NOT NULL,
    PRIMARY KEY (object, worker)
) WITHOUT ROWID;

CREATE TABLE label (         -- labels by people, and labels that stood in the input manifest
    object     INTEGER PRIMARY KEY,
    label      TEXT NOT NULL, -- JSON
    confidence REAL NOT NULL,
    source     TEXT NOT NULL CHECK (source IN ('people', 'chained-people', 'chained-machine')),
    batch      INTEGER NOT NULL,
    created    TEXT NOT NULL
);

CREATE TABLE failure (       -- objects that will have no label, and why
    object  INTEGER PRIMARY KEY,
    reason  TEXT NOT NULL,
    retries INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL
);

CREATE TABLE ledger (        -- money, in millionths of a dollar; nothing can be paid twice
    object   INTEGER NOT NULL REFERENCES task (object),
    worker   TEXT NOT NULL,     -- '' unless kind is 'answer'
    kind     TEXT NOT NULL CHECK (kind IN ('answer', 'human-object')),
    quantity REAL NOT NULL,
    micro_usd INTEGER NOT NULL,
    PRIMARY KEY (object, kind, worker)
) WITHOUT ROWID;

CREATE TABLE event (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     TEXT NOT NULL,
    kind   TEXT NOT NULL,
    detail TEXT NOT NULL     -- JSON
);
