-- The first schema.

CREATE TABLE jobs (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  state           TEXT    NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired', 'held')),
  due             INTEGER NOT NULL DEFAULT 1 CHECK (due IN (0, 1)),  -- 0: queued, but waits for not_before_ms
  lane            TEXT    NOT NULL,
  workflow        TEXT    NOT NULL,
  model           TEXT    NOT NULL,
  priority        INTEGER NOT NULL DEFAULT 0,
  submitted_ms    INTEGER NOT NULL,
  not_before_ms   INTEGER NOT NULL DEFAULT 0,
  deadline_ms     INTEGER,
  max_tokens      INTEGER NOT NULL CHECK (max_tokens >= 0),
  input_bytes     INTEGER NOT NULL CHECK (input_bytes >= 0),
  most_input_tokens INTEGER NOT NULL CHECK (most_input_tokens >= 0),  -- the most its input can count
  prefix          TEXT,                                     -- names the cacheable part of the request
  prompt_name     TEXT,
  prompt_version  TEXT REFERENCES prompt_versions (version),
  dedupe_key      TEXT,
  metadata        TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
  traceparent     TEXT,
  submitted_by    TEXT,
  attempts        INTEGER NOT NULL DEFAULT 0,               -- tries that used up an attempt
  tries           INTEGER NOT NULL DEFAULT 0,               -- every try ever begun
  crash_count     INTEGER NOT NULL DEFAULT 0,
  first_attempt_ms INTEGER,
  started_ms      INTEGER,
  finished_ms     INTEGER,
  lease_token     INTEGER,                                  -- the call the lease was given for: grows monotonically
  lease_owner     TEXT,
  lease_until_ms  INTEGER,
  wait_reason     TEXT,
  stop_reason     TEXT,
  error           TEXT CHECK (error IS NULL OR json_valid(error)),
  cost_nanousd    INTEGER NOT NULL DEFAULT 0,
  body            BLOB,                                     -- NULL: in blobs
  answer          BLOB,                                     -- NULL: none yet, or in blobs
  CHECK ((prompt_name IS NULL) = (prompt_version IS NULL)),
  CHECK ((state = 'running') = (lease_token IS NOT NULL)),
  CHECK ((lease_token IS NULL) = (lease_owner IS NULL) AND (lease_token IS NULL) = (lease_until_ms IS NULL)),
  CHECK ((state IN ('succeeded', 'failed', 'cancelled', 'expired')) = (finished_ms IS NOT NULL)),
  CHECK (state <> 'succeeded' OR stop_reason IS NOT NULL),
  CHECK (state <> 'failed' OR error IS NOT NULL)
) STRICT;

CREATE INDEX jobs_due ON jobs (lane, workflow, model, priority DESC, id) WHERE state = 'queued' AND due = 1;
CREATE INDEX jobs_waiting ON jobs (not_before_ms) WHERE state = 'queued' AND due = 0;
CREATE INDEX jobs_queued_age ON jobs (lane, id) WHERE state = 'queued';
CREATE INDEX jobs_deadline ON jobs (deadline_ms) WHERE state = 'queued' AND deadline_ms IS NOT NULL;
CREATE INDEX jobs_running ON jobs (lane, id) WHERE state = 'running';
CREATE UNIQUE INDEX jobs_dedupe ON jobs (workflow, dedupe_key) WHERE dedupe_key IS NOT NULL;

-- Bodies and answers too large to live in their job's row.
CREATE TABLE blobs (
  job_id  INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  part    TEXT    NOT NULL CHECK (part IN ('body', 'answer')),
  data    BLOB    NOT NULL,
  PRIMARY KEY (job_id, part)
) STRICT;

-- The stable part of each prompt template that jobs were submitted with, kept once.
CREATE TABLE prompt_versions (
  version        TEXT PRIMARY KEY,
  name           TEXT    NOT NULL,
  template       TEXT    NOT NULL CHECK (json_valid(template)),
  first_used_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- API requests: written before they leave, settled with their result. The unit of the invoice.
CREATE TABLE calls (
  id                     INTEGER PRIMARY KEY AUTOINCREMENT,
  state                  TEXT    NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'unknown')),
  pool                   TEXT    NOT NULL,
  model                  TEXT    NOT NULL,
  owner                  TEXT    NOT NULL,
  opened_ms              INTEGER NOT NULL,
  ended_ms               INTEGER,
  reserved_nanousd       INTEGER NOT NULL CHECK (reserved_nanousd >= 0),  -- the most it can cost
  cost_nanousd           INTEGER,
  uncached_nanousd       INTEGER,
  outcome                TEXT,
  http_status            INTEGER,
  request_id             TEXT,
  input_tokens           INTEGER,
  cache_write_5m_tokens  INTEGER,
  cache_write_1h_tokens  INTEGER,
  cache_read_tokens      INTEGER,
  output_tokens          INTEGER,
  thinking_tokens        INTEGER,
  raw_usage              TEXT,
  CHECK ((state = 'open') = (ended_ms IS NULL)),
  CHECK ((state = 'settled') = (cost_nanousd IS NOT NULL))
) STRICT;

-- Spelled with OR: SQLite does not see that a single state implies an IN list.
CREATE INDEX calls_not_settled ON calls (state, id) WHERE state = 'open' OR state = 'unknown';

-- One row per try at a job: which call served it and what came of it.
CREATE TABLE attempts (
  job_id        INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number        INTEGER NOT NULL CHECK (number >= 1),
  call_id       INTEGER NOT NULL REFERENCES calls (id),
  outcome       TEXT    NOT NULL,
  used_attempt  INTEGER NOT NULL CHECK (used_attempt IN (0, 1)),
  ended_ms      INTEGER NOT NULL,
  cost_nanousd  INTEGER NOT NULL,
  error         TEXT CHECK (error IS NULL OR json_valid(error)),
  PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

-- Scopes that may not go out, and why.
CREATE TABLE holds (
  scope        TEXT PRIMARY KEY,   -- 'all' or 'model:NAME'
  cause        TEXT    NOT NULL,
  reason       TEXT    NOT NULL,
  since_ms     INTEGER NOT NULL,
  probe_at_ms  INTEGER
) STRICT, WITHOUT ROWID;

-- What was learned and is worth keeping over a restart, as JSON.
CREATE TABLE memory (
  name      TEXT PRIMARY KEY,
  value     TEXT    NOT NULL CHECK (json_valid(value)),
  saved_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
