-- What a job remembers. One process, one connection; every state change is one transaction.
PRAGMA user_version = 2;

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
    slots     INTEGER NOT NULL CHECK (slots BETWEEN 1 AND 18),   -- answers asked for; grows while more are worth it
    free      INTEGER NOT NULL CHECK (free >= 0),                -- places that nobody has
    busy      INTEGER NOT NULL DEFAULT 0 CHECK (busy >= 0),      -- places under a live lease
    taken     INTEGER NOT NULL DEFAULT 0 CHECK (taken >= 0),     -- places whose answer is in
    lost      INTEGER NOT NULL DEFAULT 0 CHECK (lost >= 0),      -- places that declines, or the first panel, left empty
    declines  INTEGER NOT NULL DEFAULT 0 CHECK (declines >= 0),  -- as many as slots, and it is sent to nobody else
    input     TEXT,           -- JSON; what a Lambda function made of the object for the worker's page
    published TEXT NOT NULL,
    opened    TEXT,           -- when it came before people; NULL while MaxConcurrentTaskCount others are open
    frozen    TEXT,           -- from when on no answer is taken: its batch is being consolidated
    closed    TEXT,           -- when consolidated, failed or withdrawn; NULL again while a second panel answers
    again     INTEGER,        -- batch of the second panel of a repeated object
    again_slots INTEGER NOT NULL DEFAULT 0 CHECK (again_slots BETWEEN 0 AND 9 AND slots - again_slots BETWEEN 1 AND 9),
    CHECK (free + busy + taken + lost = slots)
);
CREATE INDEX task_open ON task (batch) WHERE closed IS NULL;
CREATE INDEX task_unfrozen ON task (COALESCE(again, batch)) WHERE frozen IS NULL;
CREATE INDEX task_queued ON task (COALESCE(again, batch), object) WHERE opened IS NULL AND frozen IS NULL;
CREATE INDEX task_working ON task (object)
    WHERE opened IS NOT NULL AND frozen IS NULL AND (busy > 0 OR (free > 0 AND declines < slots));

CREATE TABLE lease (         -- one worker's right to answer one object until a deadline
    id       INTEGER PRIMARY KEY AUTOINCREMENT,  -- the fencing token: never used again
    object   INTEGER NOT NULL REFERENCES task (object),
    worker   TEXT NOT NULL,
    accepted TEXT NOT NULL,
    expires  TEXT NOT NULL CHECK (expires > accepted),
    state    TEXT NOT NULL DEFAULT 'active'
             CHECK (state IN ('active', 'submitted', 'returned', 'declined', 'expired')),
    ended    TEXT CHECK ((ended IS NULL) = (state = 'active'))
);
CREATE UNIQUE INDEX lease_once ON lease (object, worker) WHERE state IN ('active', 'submitted', 'declined');
CREATE INDEX lease_seen ON lease (object, worker);
CREATE INDEX lease_worker ON lease (worker);
CREATE INDEX lease_held ON lease (worker) WHERE state = 'active';
CREATE INDEX lease_deadline ON lease (expires) WHERE state = 'active';

-- Places are counted by the leases themselves: a place that is not there cannot be taken, and none is lost.
CREATE TRIGGER lease_starts_active BEFORE INSERT ON lease WHEN NEW.state != 'active'
BEGIN
    SELECT RAISE(ABORT, 'a lease starts active');
END;
CREATE TRIGGER lease_takes_a_place AFTER INSERT ON lease
BEGIN
    UPDATE task SET free = free - 1, busy = busy + 1 WHERE object = NEW.object;
END;
CREATE TRIGGER lease_ends_once BEFORE UPDATE ON lease WHEN OLD.state != 'active'
BEGIN
    SELECT RAISE(ABORT, 'a lease that has ended stays as it is');
END;
CREATE TRIGGER lease_is_kept BEFORE DELETE ON lease
BEGIN
    SELECT RAISE(ABORT, 'a lease is never forgotten');
END;
CREATE TRIGGER lease_gives_its_place_back AFTER UPDATE ON lease
    WHEN NEW.state IN ('returned', 'declined', 'expired')
BEGIN
    UPDATE task SET free = free + 1, busy = busy - 1, declines = declines + (NEW.state = 'declined')
    WHERE object = NEW.object;
END;
CREATE TRIGGER lease_spends_its_place AFTER UPDATE ON lease WHEN NEW.state = 'submitted'
BEGIN
    UPDATE task SET busy = busy - 1, taken = taken + 1 WHERE object = NEW.object;
END;

CREATE TABLE answer (        -- one worker's answer to one object; content NULL is a decline
    object    INTEGER NOT NULL REFERENCES task (object),
    worker    TEXT NOT NULL,
    panel     INTEGER NOT NULL DEFAULT 1 CHECK (panel IN (1, 2)),  -- 2: measures, and never makes a label
    content   TEXT,
    submitted TEXT NOT NULL,
    seconds   REAL,
    extra     TEXT NOT NULL,
    lease     INTEGER UNIQUE REFERENCES lease (id),  -- NULL: it came from a file or a program
    PRIMARY KEY (object, worker)
) WITHOUT ROWID;
CREATE TRIGGER answer_fits_its_lease BEFORE INSERT ON answer
    WHEN NEW.lease IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM lease WHERE id = NEW.lease AND object = NEW.object AND worker = NEW.worker
        AND state = CASE WHEN NEW.content IS NULL THEN 'declined' ELSE 'submitted' END
    )
BEGIN
    SELECT RAISE(ABORT, 'an answer needs the lease of its own object and worker');
END;
CREATE TRIGGER answer_is_in_time BEFORE INSERT ON answer
    WHEN (SELECT frozen FROM task WHERE object = NEW.object) IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'no answer is taken any more');
END;
CREATE TRIGGER answer_is_final BEFORE UPDATE ON answer
    WHEN (SELECT frozen FROM task WHERE object = NEW.object) IS NOT NULL
      OR OLD.panel = 1 AND EXISTS (SELECT 1 FROM label WHERE object = NEW.object)
      OR NEW.panel != OLD.panel OR (NEW.object, NEW.worker) != (OLD.object, OLD.worker) OR NEW.lease IS NOT OLD.lease
BEGIN
    SELECT RAISE(ABORT, 'only the content of an open answer can be revised');
END;

CREATE TABLE guess (         -- what the model thought of an object when people were asked about it
    object    INTEGER PRIMARY KEY REFERENCES task (object),
    label     TEXT NOT NULL,  -- JSON
    treatment TEXT NOT NULL CHECK (treatment IN ('shown', 'blind', 'planted'))  -- planted: shown, and wrong on purpose
);
CREATE TRIGGER guess_is_never_in_a_measure BEFORE INSERT ON guess
    WHEN (SELECT purpose FROM task WHERE object = NEW.object) IN ('audit', 'gold')
BEGIN
    SELECT RAISE(ABORT, 'who measures is not told what the model thinks');
END;

CREATE TABLE revision (      -- what an answer said before its worker changed it; nothing is overwritten
    lease     INTEGER NOT NULL REFERENCES lease (id),
    number    INTEGER NOT NULL CHECK (number >= 1),
    content   TEXT NOT NULL,
    submitted TEXT NOT NULL,
    seconds   REAL,
    PRIMARY KEY (lease, number)
) WITHOUT ROWID;

CREATE TABLE late_answer (   -- came after its lease had ended: kept, neither counted nor paid
    lease     INTEGER PRIMARY KEY REFERENCES lease (id),
    content   TEXT NOT NULL,
    submitted TEXT NOT NULL,
    seconds   REAL
);

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

CREATE TABLE review_page (   -- a grid of machine labels of one class that somebody was shown
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    worker    TEXT NOT NULL,
    label     TEXT NOT NULL,   -- JSON; what every cell is said to be
    objects   TEXT NOT NULL,   -- JSON list, in the order of the cells
    planted   TEXT NOT NULL,   -- JSON list of the cells that were put there to see whether anybody looks
    shown     TEXT NOT NULL
);

CREATE TABLE review (        -- one answer a cell: what a reviewer says of one machine label
    page      INTEGER NOT NULL REFERENCES review_page (id),
    cell      INTEGER NOT NULL,
    object    INTEGER NOT NULL,
    worker    TEXT NOT NULL,
    planted   INTEGER NOT NULL CHECK (planted IN (0, 1)),
    accepted  INTEGER NOT NULL CHECK (accepted IN (0, 1)),
    label     TEXT CHECK (label IS NULL OR NOT accepted),  -- JSON; what it is instead, if the reviewer said so
    seconds   REAL NOT NULL,
    micro_usd INTEGER NOT NULL,
    submitted TEXT NOT NULL,
    PRIMARY KEY (page, cell)
) WITHOUT ROWID;
CREATE UNIQUE INDEX review_once ON review (object, worker) WHERE NOT planted;

CREATE TABLE event (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     TEXT NOT NULL,
    kind   TEXT NOT NULL,
    detail TEXT NOT NULL     -- JSON
);
