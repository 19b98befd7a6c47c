-- The whole current schema. A fresh store is made from this file, an old one by migrations/;
-- a test compares the two. Times are whole milliseconds since the epoch, money whole nano-dollars.

CREATE TABLE jobs (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  state           TEXT    NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired', 'held')),
  due             INTEGER NOT NULL DEFAULT 1 CHECK (due IN (0, 1, 2, 3)),  -- queued, but 0: waits for not_before_ms, 2: is under a hold of its own, 3: waits for its batch
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
  most_web_searches INTEGER NOT NULL CHECK (most_web_searches >= 0),
  terms           INTEGER NOT NULL CHECK (terms >= 0),      -- what it asks for that decides its prices: domain.usage.Terms
  prefix          TEXT,                                     -- names the cacheable part of the request
  base            TEXT GENERATED ALWAYS AS (CASE WHEN instr(substr(prefix, 1, instr(prefix || '/', '/') - 1), ':') = 0
                                            THEN substr(prefix, 1, instr(prefix || '/', '/') - 1) END) VIRTUAL,  -- its tools and system
  pack            TEXT,                                     -- prompt@version as which it may share a call; NULL: it goes alone
  batched         INTEGER NOT NULL DEFAULT 0 CHECK (batched IN (0, 1)),  -- it goes by Message Batches
  batch_returns   INTEGER NOT NULL DEFAULT 0,               -- how often it came back from one unanswered
  fallback_model  TEXT,                                     -- the cheaper model that could answer, if any
  asked_model     TEXT,                                     -- set while `model` answers instead of this one
  fallback_reason TEXT,                                     -- why it does
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
  trying_ms       INTEGER NOT NULL DEFAULT 0,               -- spent on the attempts used up and the waits after them
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
  attended        TEXT CHECK (attended IN ('cancel', 'finish')),  -- its caller waits on the line: what becomes of it when that breaks
  dialect         TEXT CHECK (dialect IS NULL OR json_valid(dialect)),         -- how its caller speaks with the API: headers and query
  mailbox         TEXT,                                     -- uuid of the mailbox that it came by, whose dedupe keys are its own
  CHECK ((prompt_name IS NULL) = (prompt_version IS NULL)),
  CHECK ((asked_model IS NULL) = (fallback_reason IS NULL)),
  CHECK (due <> 3 OR batched = 1),
  CHECK ((state = 'running') = (lease_token IS NOT NULL)),
  CHECK ((lease_token IS NULL) = (lease_owner IS NULL) AND (lease_token IS NULL) = (lease_until_ms IS NULL)),
  CHECK ((state IN ('succeeded', 'failed', 'cancelled', 'expired')) = (finished_ms IS NOT NULL)),
  CHECK (state <> 'succeeded' OR stop_reason IS NOT NULL),
  CHECK (state <> 'failed' OR error IS NOT NULL)
) STRICT;

CREATE INDEX jobs_due ON jobs (lane, workflow, model, priority DESC, ifnull(deadline_ms, 9223372036854775807), id)
  WHERE state = 'queued' AND due = 1;
CREATE INDEX jobs_waiting ON jobs (not_before_ms) WHERE state = 'queued' AND due = 0;
CREATE INDEX jobs_queued_age ON jobs (lane, due, model, id) WHERE state = 'queued';
CREATE INDEX jobs_deadline ON jobs (deadline_ms) WHERE state = 'queued' AND deadline_ms IS NOT NULL;
CREATE INDEX jobs_running ON jobs (lane, lease_owner, id) WHERE state = 'running';
CREATE INDEX jobs_in_batches ON jobs (lease_token) WHERE state = 'running' AND lease_owner = 'batch';
CREATE INDEX jobs_batch_deadline ON jobs (deadline_ms)
  WHERE state = 'running' AND lease_owner = 'batch' AND deadline_ms IS NOT NULL;
CREATE INDEX jobs_for_batches ON jobs (lane, workflow, model, base, priority DESC, ifnull(deadline_ms, 9223372036854775807), id, input_bytes, submitted_ms,
  not_before_ms) WHERE state = 'queued' AND due = 3;
CREATE INDEX jobs_fallback ON jobs (asked_model, id) WHERE state = 'queued' AND fallback_model IS NOT NULL;
CREATE INDEX jobs_attended ON jobs (id) WHERE attended IS NOT NULL AND state IN ('queued', 'held');
CREATE INDEX jobs_unsuccessful ON jobs (state)
  WHERE state = 'failed' OR state = 'cancelled' OR state = 'expired' OR state = 'held';
CREATE UNIQUE INDEX jobs_dedupe ON jobs (workflow, dedupe_key, ifnull(submitted_by, ''), ifnull(mailbox, ''))
  WHERE dedupe_key IS NOT NULL;

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

-- What was handed to Message Batches: written before it leaves. Times of the API's own are its own; the counts are
-- what it told last. `name` begins the custom_id of each of its requests.
CREATE TABLE batches (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  state         TEXT    NOT NULL DEFAULT 'filling'
                CHECK (state IN ('filling', 'ready', 'creating', 'in_progress', 'canceling', 'ended', 'done', 'lost')),
  name          TEXT    NOT NULL UNIQUE,
  api_id        TEXT UNIQUE,
  warms         TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(warms)),   -- prefixes that it is to write for others
  marks         TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(marks)),   -- prefixes that its requests mark
  made_ms       INTEGER NOT NULL,
  attempted_ms  INTEGER,                                    -- when a create left last
  created_ms    INTEGER,
  expires_ms    INTEGER,
  ended_ms      INTEGER,
  done_ms       INTEGER,
  requests      INTEGER NOT NULL DEFAULT 0,
  bytes         INTEGER NOT NULL DEFAULT 0,
  booked        INTEGER NOT NULL DEFAULT 0,                 -- requests whose end is in the books
  left          INTEGER NOT NULL DEFAULT 0,                 -- requests whose jobs wait for them no more
  cancel_by     TEXT,                                       -- who wants it stopped
  processing    INTEGER NOT NULL DEFAULT 0,
  succeeded     INTEGER NOT NULL DEFAULT 0,
  errored       INTEGER NOT NULL DEFAULT 0,
  canceled      INTEGER NOT NULL DEFAULT 0,
  expired       INTEGER NOT NULL DEFAULT 0,
  problem       TEXT,
  CHECK (api_id IS NOT NULL OR state IN ('filling', 'ready', 'creating', 'lost', 'done')),
  CHECK ((api_id IS NULL) = (created_ms IS NULL)),
  CHECK ((state IN ('done', 'lost')) = (done_ms IS NOT NULL))
) STRICT;

CREATE INDEX batches_open ON batches (id) WHERE done_ms IS NULL;

-- API requests: written before they leave, settled with their result. The unit of the invoice.
-- Tokens and money are NULL until the call is settled. `kind` says what it was sent for.
CREATE TABLE calls (
  id                     INTEGER PRIMARY KEY AUTOINCREMENT,
  state                  TEXT    NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'unknown')),
  kind                   TEXT    NOT NULL DEFAULT 'message' CHECK (kind IN ('message', 'prewarm', 'pack', 'canary')),
  pool                   TEXT    NOT NULL,
  model                  TEXT    NOT NULL,
  lane                   TEXT    NOT NULL,
  workflow               TEXT    NOT NULL,
  prompt_name            TEXT,
  prompt_version         TEXT,
  prefix                 TEXT,
  owner                  TEXT    NOT NULL,
  opened_ms              INTEGER NOT NULL,
  ended_ms               INTEGER,
  reserved_nanousd       INTEGER NOT NULL CHECK (reserved_nanousd >= 0),  -- the most it can cost
  cost_nanousd           INTEGER,
  uncached_nanousd       INTEGER,  -- the same without prompt caching
  unbatched_nanousd      INTEGER,  -- the same without the discount of batches
  plain_nanousd          INTEGER,  -- the same without either
  outcome                TEXT,
  http_status            INTEGER,
  request_id             TEXT,
  message_id             TEXT,
  input_tokens           INTEGER,
  cache_write_5m_tokens  INTEGER,
  cache_write_1h_tokens  INTEGER,
  split_known            INTEGER CHECK (split_known IN (0, 1)),  -- 0: the API did not say at which TTL; then all is under the longest asked for
  cache_read_tokens      INTEGER,
  output_tokens          INTEGER,
  thinking_tokens        INTEGER,
  web_searches           INTEGER,
  web_fetches            INTEGER,
  service_tier           TEXT    NOT NULL DEFAULT 'standard',   -- 'batch' for Message Batches
  speed                  TEXT    NOT NULL DEFAULT 'standard',
  inference_geo          TEXT,
  raw_usage              TEXT,
  batch_id               INTEGER REFERENCES batches (id),   -- the batch that carries it, for the job beside
  job_id                 INTEGER,
  submitted_by           TEXT,                              -- of its job; NULL: it has none, or several
  CHECK ((batch_id IS NULL) = (job_id IS NULL)),
  CHECK ((state = 'open') = (ended_ms IS NULL)),
  CHECK ((state = 'settled') = (cost_nanousd IS NOT NULL))
) STRICT;

-- Spelled with OR: SQLite does not see that a single state implies an IN list.
CREATE INDEX calls_not_settled ON calls (state, id) WHERE state = 'open' OR state = 'unknown';
CREATE INDEX calls_in_batches ON calls (batch_id, id) WHERE batch_id IS NOT NULL;

-- What was used in each hour in which calls were opened (UTC). The triggers keep it equal to the calls.
CREATE TABLE usage_hours (
  hour_ms                INTEGER NOT NULL,
  workflow               TEXT    NOT NULL,
  lane                   TEXT    NOT NULL,
  model                  TEXT    NOT NULL,
  prompt_name            TEXT    NOT NULL,   -- '' for none, as in the columns below
  prompt_version         TEXT    NOT NULL,
  service_tier           TEXT    NOT NULL,
  speed                  TEXT    NOT NULL,
  inference_geo          TEXT    NOT NULL,
  kind                   TEXT    NOT NULL,
  calls                  INTEGER NOT NULL DEFAULT 0,   -- settled ones
  unknown_calls          INTEGER NOT NULL DEFAULT 0,
  unknown_bound_nanousd  INTEGER NOT NULL DEFAULT 0,
  unsplit_calls          INTEGER NOT NULL DEFAULT 0,   -- whose cache writes were not told by TTL
  input_tokens           INTEGER NOT NULL DEFAULT 0,
  cache_write_5m_tokens  INTEGER NOT NULL DEFAULT 0,
  cache_write_1h_tokens  INTEGER NOT NULL DEFAULT 0,
  cache_read_tokens      INTEGER NOT NULL DEFAULT 0,
  output_tokens          INTEGER NOT NULL DEFAULT 0,
  thinking_tokens        INTEGER NOT NULL DEFAULT 0,
  web_searches           INTEGER NOT NULL DEFAULT 0,
  web_fetches            INTEGER NOT NULL DEFAULT 0,
  cost_nanousd           INTEGER NOT NULL DEFAULT 0,
  uncached_nanousd       INTEGER NOT NULL DEFAULT 0,
  unbatched_nanousd      INTEGER NOT NULL DEFAULT 0,
  plain_nanousd          INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (hour_ms, workflow, lane, model, prompt_name, prompt_version, service_tier, speed, inference_geo, kind)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER calls_settled AFTER UPDATE OF state ON calls WHEN new.state = 'settled'
BEGIN
  INSERT INTO usage_hours (hour_ms, workflow, lane, model, prompt_name, prompt_version, service_tier, speed,
         inference_geo, kind, calls, unsplit_calls, input_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
         cache_read_tokens, output_tokens, thinking_tokens, web_searches, web_fetches, cost_nanousd,
         uncached_nanousd, unbatched_nanousd, plain_nanousd)
  VALUES (new.opened_ms - new.opened_ms % 3600000, new.workflow, new.lane, new.model,
         ifnull(new.prompt_name, ''), ifnull(new.prompt_version, ''), new.service_tier, new.speed,
         ifnull(new.inference_geo, ''), new.kind, 1, new.split_known IS 0, new.input_tokens, new.cache_write_5m_tokens,
         new.cache_write_1h_tokens, new.cache_read_tokens, new.output_tokens, new.thinking_tokens,
         new.web_searches, new.web_fetches, new.cost_nanousd, new.uncached_nanousd, new.unbatched_nanousd,
         new.plain_nanousd)
  ON CONFLICT DO UPDATE SET
         calls = calls + 1,
         unsplit_calls = unsplit_calls + excluded.unsplit_calls,
         input_tokens = input_tokens + excluded.input_tokens,
         cache_write_5m_tokens = cache_write_5m_tokens + excluded.cache_write_5m_tokens,
         cache_write_1h_tokens = cache_write_1h_tokens + excluded.cache_write_1h_tokens,
         cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
         output_tokens = output_tokens + excluded.output_tokens,
         thinking_tokens = thinking_tokens + excluded.thinking_tokens,
         web_searches = web_searches + excluded.web_searches,
         web_fetches = web_fetches + excluded.web_fetches,
         cost_nanousd = cost_nanousd + excluded.cost_nanousd,
         uncached_nanousd = uncached_nanousd + excluded.uncached_nanousd,
         unbatched_nanousd = unbatched_nanousd + excluded.unbatched_nanousd,
         plain_nanousd = plain_nanousd + excluded.plain_nanousd;
END;

CREATE TRIGGER calls_unknown AFTER UPDATE OF state ON calls WHEN new.state = 'unknown'
BEGIN
  INSERT INTO usage_hours (hour_ms, workflow, lane, model, prompt_name, prompt_version, service_tier, speed,
         inference_geo, kind, unknown_calls, unknown_bound_nanousd)
  VALUES (new.opened_ms - new.opened_ms % 3600000, new.workflow, new.lane, new.model,
         ifnull(new.prompt_name, ''), ifnull(new.prompt_version, ''), 'standard', 'standard', '', new.kind,
         1, new.reserved_nanousd)
  ON CONFLICT DO UPDATE SET
         unknown_calls = unknown_calls + 1,
         unknown_bound_nanousd = unknown_bound_nanousd + excluded.unknown_bound_nanousd;
END;

-- A call that was given up may still be heard of.
CREATE TRIGGER calls_known_after_all AFTER UPDATE OF state ON calls
WHEN old.state = 'unknown' AND new.state = 'settled'
BEGIN
  UPDATE usage_hours
  SET unknown_calls = unknown_calls - 1, unknown_bound_nanousd = unknown_bound_nanousd - old.reserved_nanousd
  WHERE hour_ms = old.opened_ms - old.opened_ms % 3600000 AND workflow = old.workflow AND lane = old.lane
    AND model = old.model AND prompt_name = ifnull(old.prompt_name, '')
    AND prompt_version = ifnull(old.prompt_version, '') AND service_tier = 'standard' AND speed = 'standard'
    AND inference_geo = '' AND kind = old.kind;
END;

-- One row per try at a job: which call served it and what came of it. A call that served `items` jobs is shared:
-- then the tokens are this job's part; NULL: all that the call used.
CREATE TABLE attempts (
  job_id        INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number        INTEGER NOT NULL CHECK (number >= 1),
  call_id       INTEGER NOT NULL REFERENCES calls (id),
  outcome       TEXT    NOT NULL,
  used_attempt  INTEGER NOT NULL CHECK (used_attempt IN (0, 1)),
  ended_ms      INTEGER NOT NULL,
  cost_nanousd  INTEGER NOT NULL,
  error         TEXT CHECK (error IS NULL OR json_valid(error)),
  items         INTEGER NOT NULL DEFAULT 1 CHECK (items >= 1),
  slot          TEXT,                                       -- its id in the pack
  call_ms       INTEGER,                                    -- its part of the call's duration
  input_tokens        INTEGER,
  cache_write_tokens  INTEGER,
  cache_read_tokens   INTEGER,
  output_tokens       INTEGER,
  PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempts_packed ON attempts (call_id) WHERE items > 1;

-- Scopes that may not go out, and why: at most one that a person set and one other for each scope.
CREATE TABLE holds (
  scope        TEXT    NOT NULL,   -- 'all', or 'pool:', 'model:', 'lane:', 'workflow:', 'job:' and a name
  by_hand      INTEGER NOT NULL CHECK (by_hand = (cause = 'manual')),
  cause        TEXT    NOT NULL,
  reason       TEXT    NOT NULL,
  since_ms     INTEGER NOT NULL,
  probe_at_ms  INTEGER,
  until_ms     INTEGER CHECK (until_ms IS NULL OR by_hand),
  set_by       TEXT,
  probed_ms    TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(probed_ms)),   -- the last few probes
  PRIMARY KEY (scope, by_hand)
) STRICT, WITHOUT ROWID;

-- Who held and released what, when and why. Only added to.
CREATE TABLE hold_audit (
  id        INTEGER PRIMARY KEY,
  at_ms     INTEGER NOT NULL,
  action    TEXT    NOT NULL CHECK (action IN ('set', 'changed', 'released')),
  scope     TEXT    NOT NULL,
  cause     TEXT    NOT NULL,
  reason    TEXT    NOT NULL,
  who       TEXT    NOT NULL,
  until_ms  INTEGER
) STRICT;

-- What happened to budgets, when and why. Only added to: what is in force follows from it.
CREATE TABLE budget_changes (
  id                  INTEGER PRIMARY KEY,
  at_ms               INTEGER NOT NULL,
  budget              TEXT    NOT NULL,
  act                 TEXT    NOT NULL CHECK (act IN ('set', 'released', 'reached', 'ended')),
  reason              TEXT    NOT NULL,
  who                 TEXT    NOT NULL,
  limit_nanousd       INTEGER NOT NULL CHECK (limit_nanousd > 0),   -- then in force, for 'set' the new one
  until_ms            INTEGER,
  threshold           TEXT,
  configured_nanousd  INTEGER,
  CHECK ((threshold IS NULL) = (act IN ('set', 'released'))),
  CHECK ((configured_nanousd IS NOT NULL) = (act = 'set'))
) STRICT;

-- What was learned and is worth keeping over a restart, as JSON.
CREATE TABLE memory (
  name      TEXT PRIMARY KEY,
  value     TEXT    NOT NULL CHECK (json_valid(value)),
  saved_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What requests with an Idempotency-Key were answered: a repeated one is answered the same.
CREATE TABLE receipts (
  id           INTEGER PRIMARY KEY,
  caller       TEXT    NOT NULL,
  key          TEXT    NOT NULL,
  fingerprint  BLOB    NOT NULL,   -- a hash over all that was asked
  status       INTEGER NOT NULL,
  location     TEXT,
  answer       BLOB    NOT NULL,
  at_ms        INTEGER NOT NULL,
  UNIQUE (caller, key)
) STRICT;

-- How many jobs of each submitter are in the queue. The triggers keep it equal to the jobs.
CREATE TABLE submitters (
  submitted_by  TEXT PRIMARY KEY,
  queued        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER jobs_submitted AFTER INSERT ON jobs WHEN new.submitted_by IS NOT NULL AND new.state = 'queued'
BEGIN
  INSERT INTO submitters VALUES (new.submitted_by, 1) ON CONFLICT DO UPDATE SET queued = queued + 1;
END;

CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs
WHEN new.submitted_by IS NOT NULL AND (old.state = 'queued') <> (new.state = 'queued')
BEGIN
  INSERT INTO submitters VALUES (new.submitted_by, iif(new.state = 'queued', 1, -1))
  ON CONFLICT DO UPDATE SET queued = queued + excluded.queued;
END;

CREATE TRIGGER jobs_deleted AFTER DELETE ON jobs WHEN old.submitted_by IS NOT NULL AND old.state = 'queued'
BEGIN
  UPDATE submitters SET queued = queued - 1 WHERE submitted_by = old.submitted_by;
END;

-- What the calls for each submitter's jobs cost that were opened on a day (UTC): settled, and at most those of unknown
-- cost and those under way. Shared calls are here by their parts once they have ended. The triggers keep it so.
CREATE TABLE submitter_days (
  submitted_by     TEXT    NOT NULL,
  day_ms           INTEGER NOT NULL,
  cost_nanousd     INTEGER NOT NULL DEFAULT 0,
  unknown_nanousd  INTEGER NOT NULL DEFAULT 0,
  open_nanousd     INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (submitted_by, day_ms)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER calls_opened AFTER INSERT ON calls WHEN new.submitted_by IS NOT NULL AND new.state = 'open'
BEGIN
  INSERT INTO submitter_days (submitted_by, day_ms, open_nanousd)
  VALUES (new.submitted_by, new.opened_ms - new.opened_ms % 86400000, new.reserved_nanousd)
  ON CONFLICT DO UPDATE SET open_nanousd = open_nanousd + excluded.open_nanousd;
END;

CREATE TRIGGER calls_ended AFTER UPDATE OF state ON calls WHEN new.submitted_by IS NOT NULL
BEGIN
  UPDATE submitter_days SET
    cost_nanousd = cost_nanousd + ifnull(new.cost_nanousd, 0) - ifnull(old.cost_nanousd, 0),
    unknown_nanousd = unknown_nanousd + ((new.state = 'unknown') - (old.state = 'unknown')) * new.reserved_nanousd,
    open_nanousd = open_nanousd + ((new.state = 'open') - (old.state = 'open')) * new.reserved_nanousd
  WHERE submitted_by = new.submitted_by AND day_ms = new.opened_ms - new.opened_ms % 86400000;
END;

CREATE TRIGGER calls_dropped AFTER DELETE ON calls WHEN old.submitted_by IS NOT NULL AND old.state = 'open'
BEGIN
  UPDATE submitter_days SET open_nanousd = open_nanousd - old.reserved_nanousd
  WHERE submitted_by = old.submitted_by AND day_ms = old.opened_ms - old.opened_ms % 86400000;
END;

CREATE TRIGGER attempts_shared AFTER INSERT ON attempts WHEN new.items > 1
BEGIN
  INSERT INTO submitter_days (submitted_by, day_ms, cost_nanousd, unknown_nanousd)
  SELECT j.submitted_by, c.opened_ms - c.opened_ms % 86400000, new.cost_nanousd,
         iif(c.state = 'settled', 0, c.reserved_nanousd / new.items)
  FROM jobs AS j JOIN calls AS c ON c.id = new.call_id
  WHERE j.id = new.job_id AND j.submitted_by IS NOT NULL AND c.submitted_by IS NULL
  ON CONFLICT DO UPDATE SET cost_nanousd = cost_nanousd + excluded.cost_nanousd,
         unknown_nanousd = unknown_nanousd + excluded.unknown_nanousd;
END;

CREATE TRIGGER attempts_shared_and_charged_late AFTER UPDATE OF cost_nanousd ON attempts WHEN new.items > 1
BEGIN
  UPDATE submitter_days SET cost_nanousd = cost_nanousd + new.cost_nanousd - old.cost_nanousd
  WHERE submitted_by = (SELECT submitted_by FROM jobs WHERE id = new.job_id)
    AND day_ms = (SELECT opened_ms - opened_ms % 86400000 FROM calls WHERE id = new.call_id AND submitted_by IS NULL);
END;

CREATE TRIGGER calls_shared_and_known_after_all AFTER UPDATE OF state ON calls
WHEN old.state = 'unknown' AND new.state = 'settled' AND new.kind = 'pack' AND new.submitted_by IS NULL
BEGIN
  UPDATE submitter_days SET unknown_nanousd = unknown_nanousd
    - (SELECT ifnull(sum(new.reserved_nanousd / a.items), 0) FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id
       WHERE a.call_id = new.id AND a.items > 1 AND j.submitted_by = submitter_days.submitted_by)
  WHERE day_ms = new.opened_ms - new.opened_ms % 86400000;
END;

-- Secrets that callers may show. Only a hash is kept: a secret of 256 random bits cannot be guessed from it.
CREATE TABLE tokens (
  id            INTEGER PRIMARY KEY,
  name          TEXT    NOT NULL,
  hash          BLOB    NOT NULL CHECK (length(hash) = 32),
  allows        TEXT    NOT NULL CHECK (json_valid(allows)),   -- policy.access.settings.GrantSettings
  created_ms    INTEGER NOT NULL,
  created_by    TEXT    NOT NULL,
  expires_ms    INTEGER,
  revoked_ms    INTEGER,
  revoked_by    TEXT,
  last_used_ms  INTEGER,                                        -- to the hour
  CHECK ((revoked_ms IS NULL) = (revoked_by IS NULL))
) STRICT;

CREATE UNIQUE INDEX tokens_in_force ON tokens (name) WHERE revoked_ms IS NULL;

-- Which row of which mailbox became which job. `mailbox` is its uuid; a row stays until its answer was written, and then
-- so long as the row of the inbox may be seen again.
CREATE TABLE mailbox_jobs (
  mailbox     TEXT    NOT NULL,
  inbox_id    INTEGER NOT NULL,
  nonce       TEXT    NOT NULL,
  job_id      INTEGER NOT NULL,
  noted_ms    INTEGER NOT NULL,
  written_ms  INTEGER,                                      -- when its answer was written to the outbox
  PRIMARY KEY (mailbox, inbox_id, nonce)
) STRICT, WITHOUT ROWID;

CREATE INDEX mailbox_jobs_owed ON mailbox_jobs (mailbox, job_id) WHERE written_ms IS NULL;
CREATE INDEX mailbox_jobs_written ON mailbox_jobs (written_ms) WHERE written_ms IS NOT NULL;
