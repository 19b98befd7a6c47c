CREATE TABLE inbox (
  -- One row asks for one job. Write the columns of the second part and no others; claudeflow writes the first part:
  --
  --   INSERT INTO inbox (request) VALUES ('{"model": "claude-haiku-5-5", "max_tokens": 500,
  --     "messages": [{"role": "user", "content": "Which team should get this ticket? ..."}]}');
  --   INSERT INTO inbox (prompt, input, deadline) VALUES ('ticket-triage', '{"ticket": "..."}', '+2h');
  --
  -- A row is read within a fraction of a second while the daemon runs. Then `state` and `job_id` say what became
  -- of it, and the answer comes as a row of `outbox` with this id as `inbox_id`. Until it is accepted a row may
  -- be changed, or deleted to take it back; afterwards it is history, and is deleted after some days.
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  state        TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'accepted', 'answered', 'refused')),
  job_id       INTEGER,           -- once accepted: `claudeflow show ID` tells more
  nonce        TEXT NOT NULL DEFAULT (lower(hex(randomblob(12)))),  -- tells rows apart that had the same id
  created_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  accepted_at  TEXT,              -- from here on the job cannot be lost; request and input are emptied
  -- Yours. All may be left out, but for `request`, or `prompt` with `input`. docs/mailboxes.md tells more.
  lane         TEXT,              -- one of the lanes of this mailbox; default: its first
  workflow     TEXT,              -- that of this mailbox, or left out
  priority     INTEGER CHECK (priority BETWEEN -100 AND 100),  -- higher goes first, within the workflow; default 0
  not_before   TEXT,              -- earliest start: '2026-11-22T09:00:00Z', or from now: '+45s', '+30m', '+2h', '+1d'
  deadline     TEXT,              -- the same; after it the job expires instead of running, and costs nothing
  dedupe_key   TEXT,              -- up to 200 characters: rows with the same key get the answer of one job
  traceparent  TEXT,              -- a W3C trace context
  metadata     TEXT,              -- a JSON object of strings: comes back in outbox
  prompt       TEXT,              -- the name of a prompt template
  input        TEXT,              -- its variables: a JSON object
  request      TEXT,              -- a whole Messages body: a JSON object
  CONSTRAINT "write either request, or prompt with input"
    CHECK (state <> 'new' OR (request IS NULL) <> (prompt IS NULL))
) STRICT;

CREATE INDEX inbox_new ON inbox (id) WHERE state = 'new';

CREATE TABLE outbox (
  -- One row is the end of one row of inbox. Read it, then delete it or set `read_at`; what nobody reads is deleted
  -- after some days. `state` is 'succeeded', 'failed', 'cancelled' or 'expired'; 'refused': it never became a job.
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  inbox_id      INTEGER NOT NULL,
  job_id        INTEGER,
  state         TEXT NOT NULL CHECK (state IN ('succeeded', 'failed', 'cancelled', 'expired', 'refused')),
  text          TEXT,             -- what Claude wrote, for convenience: the text of the answer, joined
  stop_reason   TEXT,             -- 'end_turn', 'max_tokens' (the answer is cut off), ...
  error_code    TEXT,             -- set unless it succeeded: 'invalid_job' if refused, else of the API or claudeflow
  error_message TEXT,             -- what is wrong, and the way out
  errors        TEXT,             -- if refused: every mistake, as JSON: [{"field": "...", "message": "..."}]
  model         TEXT,             -- that answered
  input_tokens  INTEGER,          -- uncached; tokens and cost are those of all attempts together
  cache_write_tokens INTEGER,
  cache_read_tokens  INTEGER,
  output_tokens INTEGER,
  cost_nanousd  INTEGER,          -- in billionths of a US dollar: exact
  cost_usd      REAL,             -- the same in US dollars
  metadata      TEXT,             -- as it was given
  submitted_at  TEXT,             -- times in UTC, like '2026-11-22T09:00:00.000Z'
  started_at    TEXT,
  finished_at   TEXT,
  written_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  read_at       TEXT,             -- yours: set it and the row is deleted soon
  answer        TEXT              -- the Message as the API sent it: JSON
) STRICT;

CREATE INDEX outbox_inbox_id ON outbox (inbox_id);

CREATE TABLE receipts (
  -- claudeflow's own, please leave it alone: which rows of inbox have had their row of outbox.
  inbox_id    INTEGER NOT NULL,
  nonce       TEXT NOT NULL,
  written_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (inbox_id, nonce)
) STRICT, WITHOUT ROWID;

CREATE TABLE mailbox (
  -- claudeflow's own: which mailbox this file is.
  uuid        TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  created_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT, WITHOUT ROWID;
