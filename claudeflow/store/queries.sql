-- Every statement of the store. `-- name:` begins one; the line after it says what it is for.

-- name: insert_job
-- A new job. It is a no-op when its submitter, by the same door, has one of this workflow and dedupe_key.
INSERT INTO jobs (due, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms, max_tokens,
                  input_bytes, most_input_tokens, most_web_searches, terms, prefix, prompt_name, prompt_version,
                  dedupe_key, metadata, traceparent, submitted_by, wait_reason, body, fallback_model, asked_model,
                  fallback_reason, pack, batched, attended, dialect, mailbox)
VALUES (:due, :lane, :workflow, :model, :priority, :submitted_ms, :not_before_ms, :deadline_ms, :max_tokens,
        :input_bytes, :most_input_tokens, :most_web_searches, :terms, :prefix, :prompt_name, :prompt_version,
        :dedupe_key, :metadata, :traceparent, :submitted_by, :wait_reason, :body, :fallback_model, :asked_model,
        :fallback_reason, :pack, :batched, :attended, :dialect, :mailbox)
ON CONFLICT (workflow, dedupe_key, ifnull(submitted_by, ''), ifnull(mailbox, '')) WHERE dedupe_key IS NOT NULL DO NOTHING
RETURNING id;

-- name: job_by_dedupe_key
-- The job that its submitter sent under this key, by the same mailbox or by none.
SELECT id FROM jobs WHERE workflow = :workflow AND dedupe_key = :dedupe_key
   AND ifnull(submitted_by, '') = ifnull(:submitted_by, '') AND ifnull(mailbox, '') = ifnull(:mailbox, '');

-- name: count_queued_up_to
-- How many jobs wait in a lane, counted no further than :limit.
SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND lane = :lane LIMIT :limit);

-- name: insert_blob
-- A body or an answer that is too large for its job's row.
INSERT OR REPLACE INTO blobs (job_id, part, data) VALUES (:job_id, :part, :data);

-- name: blob
-- A large body or answer.
SELECT data FROM blobs WHERE job_id = :job_id AND part = :part;

-- name: insert_prompt_version
-- The stable part of a template, once per version.
INSERT INTO prompt_versions (version, name, template, first_used_ms)
VALUES (:version, :name, :template, :now_ms) ON CONFLICT (version) DO NOTHING;

-- name: prompt_version
-- A template as it was when its jobs were submitted.
SELECT template FROM prompt_versions WHERE version = :version;

-- name: flow_head
-- The first due jobs of one workflow and model in one lane: priority, then the earliest deadline, then age.
SELECT id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
       most_input_tokens, most_web_searches, terms, pack, batched, submitted_by
FROM jobs
WHERE state = 'queued' AND due = 1 AND lane = :lane AND workflow = :workflow AND model = :model
ORDER BY priority DESC, ifnull(deadline_ms, 9223372036854775807), id LIMIT :limit;

-- name: lane_eldest
-- The due jobs of one model in one lane that were submitted first.
SELECT id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
       most_input_tokens, most_web_searches, terms, pack, batched, submitted_by
FROM jobs WHERE state = 'queued' AND lane = :lane AND due = 1 AND model = :model ORDER BY id LIMIT :limit;

-- name: due_flows
-- The flows that have due jobs: read once, at start.
SELECT DISTINCT lane, workflow, model FROM jobs WHERE state = 'queued' AND due = 1;

-- name: open_call
-- A job's call, written before it leaves.
INSERT INTO calls (pool, model, lane, workflow, prompt_name, prompt_version, prefix, owner, opened_ms, reserved_nanousd,
                   submitted_by)
SELECT :pool, model, lane, workflow, prompt_name, prompt_version, prefix, :owner, :now_ms, :reserved_nanousd,
       submitted_by
FROM jobs WHERE id = :job_id
RETURNING id;

-- name: lease_job
-- A queued job becomes running under the lease of call :token, unless its deadline has passed or it was moved to
-- another model or lane.
UPDATE jobs SET state = 'running', lease_token = :token, lease_owner = :owner, lease_until_ms = :lease_until_ms,
       first_attempt_ms = coalesce(first_attempt_ms, :now_ms), started_ms = coalesce(started_ms, :now_ms),
       tries = tries + 1, wait_reason = NULL
WHERE id = :id AND model = :model AND lane = :lane AND state = 'queued' AND due = 1
  AND (deadline_ms IS NULL OR deadline_ms > :now_ms)
RETURNING max_tokens, body, prompt_name, prompt_version, first_attempt_ms, attempts, tries, traceparent, trying_ms, dialect;

-- name: drop_call
-- A call whose job was not to be had after all: it never left.
DELETE FROM calls WHERE id = :id AND state = 'open';

-- name: renew_leases
-- All leases of this process, at once.
UPDATE jobs SET lease_until_ms = :lease_until_ms WHERE state = 'running' AND lease_owner = :owner;

-- name: settle_call
-- A call's end, with what it drew and cost. One that was given up as unknown may still be heard of.
UPDATE calls SET state = 'settled', ended_ms = :now_ms, outcome = :outcome, http_status = :http_status,
       request_id = :request_id, message_id = :message_id, cost_nanousd = :cost_nanousd,
       uncached_nanousd = :uncached_nanousd, unbatched_nanousd = :unbatched_nanousd,
       plain_nanousd = :plain_nanousd, input_tokens = :input_tokens,
       cache_write_5m_tokens = :cache_write_5m_tokens, cache_write_1h_tokens = :cache_write_1h_tokens,
       split_known = :split_known, cache_read_tokens = :cache_read_tokens, output_tokens = :output_tokens,
       thinking_tokens = :thinking_tokens, web_searches = :web_searches, web_fetches = :web_fetches,
       service_tier = :service_tier, speed = :speed, inference_geo = :inference_geo, raw_usage = :raw_usage
WHERE id = :id AND state IN ('open', 'unknown');

-- name: close_call_unknown
-- A call whose cost only the other side knows: at most what was reserved.
UPDATE calls SET state = 'unknown', ended_ms = :now_ms, outcome = :outcome, http_status = :http_status,
       request_id = :request_id
WHERE id = :id AND state = 'open';

-- name: insert_attempt
-- One try at a job and what came of it.
INSERT INTO attempts (job_id, number, call_id, outcome, used_attempt, ended_ms, cost_nanousd, error, call_ms)
VALUES (:job_id, :number, :call_id, :outcome, :used_attempt, :now_ms, :cost_nanousd, :error, :call_ms);

-- name: insert_crashed_attempt
-- A try at a job that a dead process left running, by a call for so many :items; what came of it nobody knows.
INSERT INTO attempts (job_id, number, call_id, outcome, used_attempt, ended_ms, cost_nanousd, items)
VALUES (:job_id, :number, :call_id, 'crashed', 0, :now_ms, 0, :items);

-- name: insert_shared_attempt
-- One try at a job by a call that it shared with others, and its part of what that used.
INSERT INTO attempts (job_id, number, call_id, outcome, used_attempt, ended_ms, cost_nanousd, error, call_ms, items, slot,
                      input_tokens, cache_write_tokens, cache_read_tokens, output_tokens)
VALUES (:job_id, :number, :call_id, :outcome, :used_attempt, :now_ms, :cost_nanousd, :error, :call_ms, :items, :slot,
        :input_tokens, :cache_write_tokens, :cache_read_tokens, :output_tokens);

-- name: packed_with
-- The jobs that shared a call.
SELECT job_id FROM attempts WHERE call_id = :call_id AND items > 1 ORDER BY job_id;

-- name: charge_attempt
-- An attempt whose cost was not known when it was given up.
UPDATE attempts SET cost_nanousd = :cost_nanousd
WHERE job_id = :job_id AND call_id = :call_id AND cost_nanousd = 0;

-- name: charge_job
-- A job costs so much more.
UPDATE jobs SET cost_nanousd = cost_nanousd + :cost_nanousd WHERE id = :id;

-- name: finish_job
-- A running job's final state. Only the holder of the lease may write it.
UPDATE jobs SET state = :state, finished_ms = :now_ms, lease_token = NULL, lease_owner = NULL, lease_until_ms = NULL,
       attempts = attempts + :used_attempt, stop_reason = :stop_reason, error = :error, answer = :answer,
       cost_nanousd = cost_nanousd + :cost_nanousd
WHERE id = :id AND state = 'running' AND lease_token = :token;

-- name: requeue_job
-- A running job goes back to the queue: only the holder of the lease may write it. No attempt used, no retry window begun.
-- One that shared a call goes alone from now on if :alone says so; :batched is whether it goes by a batch, NULL: as before.
UPDATE jobs SET state = 'queued', not_before_ms = :not_before_ms, wait_reason = :wait_reason,
       due = CASE WHEN EXISTS (SELECT 1 FROM holds WHERE scope = 'job:' || :id) THEN 2
                  WHEN :due THEN 1 + 2 * ifnull(:batched, batched) ELSE 0 END,
       pack = CASE WHEN :alone THEN NULL ELSE pack END, batched = ifnull(:batched, batched),
       batch_returns = batch_returns + :batch_returns,
       lease_token = NULL, lease_owner = NULL, lease_until_ms = NULL, attempts = attempts + :used_attempt,
       trying_ms = trying_ms + :trying_ms,
       first_attempt_ms = CASE WHEN attempts + :used_attempt > 0 THEN first_attempt_ms END,
       error = :error, cost_nanousd = cost_nanousd + :cost_nanousd
WHERE id = :id AND state = 'running' AND lease_token = :token;

-- name: wake_due_jobs
-- Waiting jobs whose time has come.
UPDATE jobs SET due = 1 + 2 * batched WHERE id IN
  (SELECT id FROM jobs WHERE state = 'queued' AND due = 0 AND not_before_ms <= :now_ms
   ORDER BY not_before_ms LIMIT :limit)
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by;

-- name: next_waking
-- When the next waiting job becomes due.
SELECT min(not_before_ms) FROM jobs WHERE state = 'queued' AND due = 0;

-- name: near_deadline
-- Queued jobs whose deadline is not later than :before_ms, the earliest first.
SELECT id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
       most_input_tokens, most_web_searches, terms, pack, batched, submitted_by
FROM jobs WHERE state = 'queued' AND deadline_ms IS NOT NULL AND deadline_ms <= :before_ms
ORDER BY deadline_ms LIMIT :limit;

-- name: candidate
-- One job as the scheduler sees it, if it is due.
SELECT id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
       most_input_tokens, most_web_searches, terms, pack, batched, submitted_by
FROM jobs WHERE id = :id AND state = 'queued' AND due = 1;

-- name: ahead_in_workflow
-- The due jobs of a workflow that go before one of its jobs, by model.
SELECT model, count(*) FROM jobs INDEXED BY jobs_due
WHERE state = 'queued' AND due = 1 AND lane = :lane AND workflow = :workflow
  AND (priority > :priority OR (priority = :priority
       AND (ifnull(deadline_ms, 9223372036854775807), id) < (ifnull(:deadline_ms, 9223372036854775807), :id)))
GROUP BY model;

-- name: end_queued
-- A job that waits ends without a call: expired, or failed because it can never go.
UPDATE jobs SET state = :state, finished_ms = :now_ms, wait_reason = NULL, error = :error
WHERE id = :id AND state = 'queued'
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by, due;

-- name: move_job
-- A job that waits goes to another lane, or to another place in it.
UPDATE jobs SET lane = :lane, priority = :priority WHERE id = :id AND state IN ('queued', 'held')
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by, state = 'queued' AND due IN (1, 3), batch_returns,
          attended IS NOT NULL;

-- name: job
-- One job without payload.
SELECT id, state, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms, started_ms, finished_ms,
       attempts, tries, crash_count, wait_reason, stop_reason, error, cost_nanousd, prompt_name, prompt_version,
       dedupe_key, metadata, submitted_by, asked_model, fallback_reason, batched, pack
FROM jobs WHERE id = :id;

-- name: list_jobs
-- Jobs, newest first.
SELECT id, state, lane, workflow, model, priority, submitted_ms, not_before_ms, deadline_ms, started_ms, finished_ms,
       attempts, tries, crash_count, wait_reason, stop_reason, error, cost_nanousd, prompt_name, prompt_version,
       dedupe_key, metadata, submitted_by, asked_model, fallback_reason, batched, pack
FROM jobs
WHERE id < :before_id AND (:state IS NULL OR state = :state) AND (:lane IS NULL OR lane = :lane)
  AND (:workflow IS NULL OR workflow = :workflow) AND (:submitted_by IS NULL OR submitted_by = :submitted_by)
ORDER BY id DESC LIMIT :limit;

-- name: newest_job
-- The highest id there is.
SELECT max(id) FROM jobs;

-- name: answer
-- The answer in the job's row, if it is small.
SELECT state, answer FROM jobs WHERE id = :id;

-- name: cancel_job
-- A job that is not running is cancelled at once.
UPDATE jobs SET state = 'cancelled', finished_ms = :now_ms, wait_reason = NULL, error = :error
WHERE id = :id AND state IN ('queued', 'held')
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by;

-- name: revive_job
-- A job that ended without success, or was parked, is queued again with a fresh retry window.
UPDATE jobs SET state = 'queued', due = 1 + 2 * batched, not_before_ms = 0, finished_ms = NULL, error = NULL, stop_reason = NULL,
       wait_reason = NULL, attempts = 0, crash_count = 0, first_attempt_ms = NULL, trying_ms = 0,
       deadline_ms = NULL, attended = NULL
WHERE id = :id AND state IN ('failed', 'cancelled', 'expired', 'held')
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by;

-- name: orphans
-- Jobs that a dead process left running. Those in a batch run on without us.
SELECT id, lease_token, tries, crash_count FROM jobs WHERE state = 'running' AND lease_owner <> 'batch';

-- name: requeue_orphan
-- A dead process's job: queued again, or held when it was there at too many crashes. After two it shares no call any
-- more, so that no job is held for another's fault.
UPDATE jobs SET state = :state, crash_count = crash_count + 1, wait_reason = :wait_reason,
       pack = CASE WHEN crash_count >= 1 THEN NULL ELSE pack END,
       due = CASE WHEN EXISTS (SELECT 1 FROM holds WHERE scope = 'job:' || :id) THEN 2 ELSE 1 + 2 * batched END,
       lease_token = NULL, lease_owner = NULL, lease_until_ms = NULL
WHERE id = :id AND state = 'running';

-- name: cancel_deserted
-- Jobs whose callers waited on the line of a dead process, and wanted them for nobody else.
UPDATE jobs SET state = 'cancelled', finished_ms = :now_ms, wait_reason = NULL, error = :error
WHERE state IN ('queued', 'held') AND attended IS NOT NULL AND attended = 'cancel';

-- name: open_calls
-- Calls that a dead process left open, but for those in batches.
SELECT id FROM calls WHERE state = 'open' AND batch_id IS NULL;

-- name: put_hold
-- A scope may not go out.
INSERT INTO holds (scope, by_hand, cause, reason, since_ms, probe_at_ms, until_ms, set_by, probed_ms)
VALUES (:scope, :by_hand, :cause, :reason, :since_ms, :probe_at_ms, :until_ms, :set_by, :probed_ms)
ON CONFLICT (scope, by_hand) DO UPDATE SET cause = excluded.cause, reason = excluded.reason,
  since_ms = excluded.since_ms, probe_at_ms = excluded.probe_at_ms, until_ms = excluded.until_ms,
  set_by = excluded.set_by, probed_ms = excluded.probed_ms;

-- name: drop_hold
-- A scope may go out again, as far as this hold goes.
DELETE FROM holds WHERE scope = :scope AND by_hand = :by_hand;

-- name: holds
-- Every hold, the oldest first.
SELECT scope, cause, reason, since_ms, probe_at_ms, until_ms, set_by, probed_ms FROM holds ORDER BY since_ms, scope;

-- name: insert_hold_change
-- Somebody held or released something.
INSERT INTO hold_audit (at_ms, action, scope, cause, reason, who, until_ms)
VALUES (:at_ms, :action, :scope, :cause, :reason, :who, :until_ms);

-- name: hold_changes
-- Who held and released what, the newest first.
SELECT at_ms, action, scope, cause, reason, who, until_ms FROM hold_audit ORDER BY id DESC LIMIT :limit;

-- name: park_job
-- A queued job under a hold of its own is shown to nobody.
UPDATE jobs SET due = 2, wait_reason = 'it is held by hand' WHERE id = :id AND state = 'queued'
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by;

-- name: unpark_job
-- The hold of its own is over.
UPDATE jobs SET due = CASE WHEN not_before_ms <= :now_ms THEN 1 + 2 * batched ELSE 0 END,
       wait_reason = CASE WHEN not_before_ms > :now_ms THEN 'not before its time' END
WHERE id = :id AND state = 'queued' AND due = 2
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by, due, not_before_ms;

-- name: held_jobs_at_rest
-- Holds on jobs that will not go any more, held or not.
SELECT h.scope FROM holds AS h LEFT JOIN jobs AS j ON j.id = CAST(substr(h.scope, 5) AS INTEGER)
WHERE h.scope > 'job:' AND h.scope < 'job;' AND (j.state IS NULL OR j.state NOT IN ('queued', 'running'));

-- name: due_by_flow
-- How many jobs of each flow are due: what the holds over them hold back.
SELECT lane, workflow, model, count(*) FROM jobs WHERE state = 'queued' AND due = 1 GROUP BY lane, workflow, model;

-- name: fall_back
-- Waiting jobs of a scope are for the cheaper model from now on.
UPDATE jobs SET asked_model = model, model = fallback_model, fallback_reason = :reason
WHERE id IN (SELECT id FROM jobs WHERE state = 'queued' AND fallback_model IS NOT NULL AND asked_model IS NULL
             AND (:kind = 'all' OR (:kind = 'lane' AND lane = :name) OR (:kind = 'workflow' AND workflow = :name))
             ORDER BY id LIMIT :limit)
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by, due, asked_model;

-- name: fall_forward
-- Waiting jobs that no scope makes fall back any more are for the model that was asked for.
UPDATE jobs SET model = asked_model, asked_model = NULL, fallback_reason = NULL
WHERE id IN (SELECT id FROM jobs WHERE state = 'queued' AND fallback_model IS NOT NULL AND asked_model IS NOT NULL
             AND lane NOT IN (SELECT value FROM json_each(:lanes))
             AND workflow NOT IN (SELECT value FROM json_each(:workflows))
             ORDER BY id LIMIT :limit)
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by, due, fallback_model;

-- name: insert_budget_change
-- Something happened to a budget.
INSERT INTO budget_changes (at_ms, budget, act, reason, who, limit_nanousd, until_ms, threshold, configured_nanousd)
VALUES (:at_ms, :budget, :act, :reason, :who, :limit_nanousd, :until_ms, :threshold, :configured_nanousd);

-- name: budget_changes_in_force
-- Every limit that was set, and what else happened since :since_ms, the oldest first.
SELECT at_ms, budget, act, reason, who, limit_nanousd, until_ms, threshold, configured_nanousd FROM budget_changes
WHERE act = 'set' OR at_ms >= :since_ms ORDER BY id;

-- name: budget_changes
-- What happened to budgets, the newest first.
SELECT at_ms, budget, act, reason, who, limit_nanousd, until_ms, threshold, configured_nanousd FROM budget_changes
ORDER BY id DESC LIMIT :limit;

-- name: cost_by_hour
-- What each lane and workflow cost in each hour since :since_ms.
SELECT hour_ms, lane, workflow, sum(cost_nanousd) FROM usage_hours WHERE hour_ms >= :since_ms
GROUP BY hour_ms, lane, workflow;

-- name: put_memory
-- Something learned.
INSERT INTO memory (name, value, saved_ms) VALUES (:name, :value, :now_ms)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, saved_ms = excluded.saved_ms;

-- name: memory
-- Everything learned.
SELECT name, value FROM memory;

-- name: queue_by_lane
-- How many jobs wait in each lane, and the oldest of them.
SELECT q.lane, q.n, j.submitted_ms
FROM (SELECT lane, count(*) AS n, min(id) AS oldest FROM jobs WHERE state = 'queued' GROUP BY lane) AS q
JOIN jobs AS j ON j.id = q.oldest;

-- name: running_by_lane
-- How many jobs run in each lane.
SELECT lane, count(*), sum(lease_owner = 'batch') FROM jobs WHERE state = 'running' GROUP BY lane;

-- name: settled_spend
-- Everything in the books.
SELECT coalesce(sum(cost_nanousd), 0), coalesce(sum(uncached_nanousd), 0), count(*) FROM calls WHERE state = 'settled';

-- name: spent_by_day
-- What each lane's workflows spent on calls opened since :since_ms, by day (UTC): settled, and unknown at worst.
SELECT hour_ms - hour_ms % 86400000, lane, workflow, sum(cost_nanousd), sum(unknown_bound_nanousd)
FROM usage_hours WHERE hour_ms >= :since_ms GROUP BY 1, 2, 3;

-- name: unknown_spend
-- Calls whose cost is not known: how many, and at most how much.
SELECT count(*), coalesce(sum(reserved_nanousd), 0) FROM calls WHERE state = 'unknown';

-- name: recent_cache_readings
-- What the last settled calls read from the cache and wrote into it, the newest first.
SELECT workflow, prompt_name, prompt_version, prefix,
       input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens, cache_read_tokens, opened_ms,
       cache_write_5m_tokens + cache_write_1h_tokens
FROM (SELECT * FROM calls WHERE state = 'settled' ORDER BY id DESC LIMIT :limit);

-- name: waiting_prefixes
-- Tools and systems (first parts of prefixes) with which enough of a lane's jobs are due.
SELECT model, substr(prefix, 1, instr(prefix || '/', '/') - 1) AS first, count(*), min(id)
FROM jobs
WHERE state = 'queued' AND due = 1 AND lane = :lane AND prefix IS NOT NULL
  AND instr(prefix, ':') NOT BETWEEN 1 AND instr(prefix || '/', '/')
GROUP BY model, first HAVING count(*) >= :least_jobs ORDER BY count(*) DESC, model, first;

-- name: open_prewarm
-- The call that writes the prefix of a job that waits, written before it leaves. It is no try at the job.
INSERT INTO calls (kind, pool, model, lane, workflow, prompt_name, prompt_version, prefix, owner, opened_ms, reserved_nanousd)
SELECT 'prewarm', :pool, model, lane, workflow, prompt_name, prompt_version, :prefix, :owner, :now_ms, :reserved_nanousd
FROM jobs WHERE id = :job_id AND state = 'queued'
RETURNING id;

-- name: prewarm_source
-- What the request of a job that waits is made of.
SELECT body, prompt_name, prompt_version FROM jobs WHERE id = :id;

-- name: job_attempts
-- A job's tries, the first one first.
SELECT a.number, a.call_id, a.outcome, a.used_attempt, a.ended_ms, a.cost_nanousd, json_extract(a.error, '$.type'), c.state,
       c.reserved_nanousd, c.http_status, c.request_id, ifnull(a.input_tokens, c.input_tokens),
       ifnull(a.cache_write_tokens, c.cache_write_5m_tokens + c.cache_write_1h_tokens),
       ifnull(a.cache_read_tokens, c.cache_read_tokens), ifnull(a.output_tokens, c.output_tokens),
       a.items, a.slot, a.call_ms, b.id, b.api_id
FROM attempts AS a JOIN calls AS c ON c.id = a.call_id LEFT JOIN batches AS b ON b.id = c.batch_id WHERE a.job_id = :job_id ORDER BY a.number;

-- name: usage_by_day
-- What was settled in each day of a window in whole hours, by model and tier.
SELECT hour_ms - hour_ms % 86400000 AS day_ms, model, service_tier, sum(input_tokens), sum(cache_write_5m_tokens),
       sum(cache_write_1h_tokens), sum(cache_read_tokens), sum(output_tokens), sum(web_searches), sum(cost_nanousd)
FROM usage_hours WHERE hour_ms >= :since_ms AND hour_ms < :until_ms
GROUP BY day_ms, model, service_tier HAVING sum(calls) > 0;

-- name: loose_calls
-- Calls of a window whose cost is not known, or that ran (give or take :skew_ms) over a bound of a day or of the window.
SELECT model, service_tier, opened_ms, ended_ms, state, reserved_nanousd, input_tokens, cache_write_5m_tokens,
       cache_write_1h_tokens, cache_read_tokens, output_tokens, web_searches, cost_nanousd
FROM calls
WHERE id >= :first_id AND opened_ms >= :earliest_ms AND opened_ms < :until_ms + :skew_ms
  AND (state <> 'settled'
       OR (opened_ms - :skew_ms) / :day_ms <> (ended_ms + :skew_ms) / :day_ms
       OR (opened_ms - :skew_ms < :since_ms AND ended_ms + :skew_ms >= :since_ms)
       OR (opened_ms - :skew_ms < :until_ms AND ended_ms + :skew_ms >= :until_ms));

-- name: first_call_from
-- The first call with this id or a later one, and when it was opened.
SELECT id, opened_ms FROM calls WHERE id >= :id ORDER BY id LIMIT 1;

-- name: last_call_id
-- The last call's id.
SELECT coalesce(max(id), 0) FROM calls;

-- name: waiting_fast_by_model
-- How many jobs of each model wait or run that ask for fast mode. Terms: bit 1 is domain.usage.Terms.FAST.
SELECT model, count(*) FROM jobs WHERE state IN ('queued', 'running') AND terms & 1 GROUP BY model;

-- name: waiting_by_model
-- How many jobs of each model wait or run.
SELECT model, sum(n) FROM (SELECT model, count(*) AS n FROM jobs WHERE state = 'queued' GROUP BY model
  UNION ALL SELECT model, count(*) FROM jobs WHERE state = 'running' GROUP BY model) GROUP BY model;

-- name: open_pack_call
-- The call that several jobs share, written before it leaves: under the name of the first of them.
INSERT INTO calls (kind, pool, model, lane, workflow, prompt_name, prompt_version, prefix, owner, opened_ms, reserved_nanousd)
SELECT 'pack', :pool, model, lane, workflow, prompt_name, prompt_version, :prefix, :owner, :now_ms, :reserved_nanousd
FROM jobs WHERE id = :job_id
RETURNING id;

-- name: open_canary
-- A call that asks again, alone, what a pack has answered for a job. It is no try at the job.
INSERT INTO calls (kind, pool, model, lane, workflow, prompt_name, prompt_version, prefix, owner, opened_ms, reserved_nanousd)
SELECT 'canary', :pool, model, lane, workflow, prompt_name, prompt_version, prefix, :owner, :now_ms, :reserved_nanousd
FROM jobs WHERE id = :job_id
RETURNING id;

-- name: batch_groups
-- The jobs that wait for a batch, by what they have in common, and since when the first of them could go.
SELECT lane, workflow, model, base, count(*), sum(input_bytes), min(max(submitted_ms, not_before_ms)),
       min(ifnull(deadline_ms, 9223372036854775807))
FROM jobs WHERE state = 'queued' AND due = 3 GROUP BY lane, workflow, model, base;

-- name: waiting_for_batches
-- The jobs that wait for a batch, by lane, workflow and model, the most first.
SELECT lane, workflow, model, count(*) AS requests, sum(input_bytes), min(max(submitted_ms, not_before_ms))
FROM jobs WHERE state = 'queued' AND due = 3 GROUP BY lane, workflow, model
ORDER BY requests DESC, lane, workflow, model LIMIT :limit;

-- name: batch_head
-- The first jobs of a group that wait for a batch: priority, then the earliest deadline, then age.
SELECT id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
       most_input_tokens, most_web_searches, terms, pack, batched, submitted_by
FROM jobs WHERE state = 'queued' AND due = 3 AND lane = :lane AND workflow = :workflow AND model = :model AND base IS :base
ORDER BY priority DESC, ifnull(deadline_ms, 9223372036854775807), id LIMIT :limit OFFSET :skip;

-- name: batch_candidates
-- Jobs that wait for requests of a batch that are not booked, as the scheduler would see them, each with its call.
SELECT j.id, j.lane, j.workflow, j.model, j.priority, j.submitted_ms, j.deadline_ms, j.input_bytes, j.max_tokens, j.prefix,
       j.most_input_tokens, j.most_web_searches, j.terms, j.pack, j.batched, j.submitted_by, c.id
FROM calls AS c JOIN jobs AS j ON j.id = c.job_id AND j.lease_token = c.id
WHERE c.batch_id = :batch_id AND c.state = 'open' AND c.id > :after ORDER BY c.id LIMIT :limit;

-- name: begin_batch
-- A batch that is to be filled.
INSERT INTO batches (name, warms, marks, made_ms) VALUES (:name, :warms, :marks, :now_ms) RETURNING id;

-- name: open_batch_call
-- One request of a batch, written before it leaves.
INSERT INTO calls (pool, model, lane, workflow, prompt_name, prompt_version, prefix, owner, opened_ms, reserved_nanousd,
                   service_tier, batch_id, job_id, submitted_by)
SELECT :pool, model, lane, workflow, prompt_name, prompt_version, prefix, 'batch', :now_ms, :reserved_nanousd,
       'batch', :batch_id, id, submitted_by
FROM jobs WHERE id = :job_id
RETURNING id;

-- name: lease_to_batch
-- A job that waits for a batch goes into one, unless it was changed meanwhile.
UPDATE jobs SET state = 'running', lease_token = :token, lease_owner = 'batch', lease_until_ms = :now_ms,
       first_attempt_ms = coalesce(first_attempt_ms, :now_ms), started_ms = coalesce(started_ms, :now_ms),
       tries = tries + 1, wait_reason = NULL
WHERE id = :id AND model = :model AND lane = :lane AND state = 'queued' AND due = 3
  AND (deadline_ms IS NULL OR deadline_ms > :now_ms);

-- name: count_batch
-- How many requests of a batch are to leave, of which none is booked, and the jobs of how many wait no more.
UPDATE batches SET booked = 0, requests = (SELECT count(*) FROM calls WHERE batch_id = :id AND state = 'open'),
       left = (SELECT count(*) FROM calls AS c JOIN jobs AS j ON j.id = c.job_id
               WHERE c.batch_id = :id AND c.state = 'open' AND j.lease_token IS NOT c.id)
WHERE id = :id;

-- name: batch_items
-- The requests of a batch, in order, with what they are made of.
SELECT c.id, c.job_id, j.model, j.max_tokens, j.body, j.prompt_name, j.prompt_version, j.prefix, j.lease_token IS c.id
FROM calls AS c JOIN jobs AS j ON j.id = c.job_id
WHERE c.batch_id = :batch_id AND c.state = 'open' AND c.id > :after ORDER BY c.id LIMIT :limit;

-- name: batch_jobs
-- Requests of a batch that are not booked, with the jobs as they stand, by call.
SELECT c.id, c.opened_ms, c.pool, c.reserved_nanousd, j.id, c.lane, c.workflow, c.model, j.max_tokens, j.body, c.prompt_name,
       c.prompt_version, c.prefix, j.submitted_ms, ifnull(j.first_attempt_ms, c.opened_ms), j.deadline_ms, j.attempts, j.tries,
       j.traceparent, j.trying_ms, j.batch_returns, j.lease_token IS c.id, c.state, j.submitted_by
FROM calls AS c JOIN jobs AS j ON j.id = c.job_id
WHERE c.batch_id = :batch_id AND c.id IN (SELECT value FROM json_each(:calls)) AND c.state <> 'settled';

-- name: unbooked_batch_calls
-- The requests of a batch whose end nobody has told.
SELECT id FROM calls WHERE batch_id = :batch_id AND state = :state AND id > :after ORDER BY id LIMIT :limit;

-- name: late_batch_jobs
-- Jobs in batches whose deadline comes no later than :before_ms.
SELECT c.batch_id, c.id FROM jobs AS j JOIN calls AS c ON c.id = j.lease_token
WHERE j.state = 'running' AND j.lease_owner = 'batch' AND j.deadline_ms IS NOT NULL AND j.deadline_ms <= :before_ms
  AND c.batch_id IS NOT NULL ORDER BY j.deadline_ms LIMIT :limit;

-- name: first_batch_deadline
-- The earliest deadline of a job in a batch.
SELECT min(deadline_ms) FROM jobs WHERE state = 'running' AND lease_owner = 'batch' AND deadline_ms IS NOT NULL;

-- name: unlease_batch_jobs
-- The jobs of a batch that surely never left wait again, as if they had never been in it.
UPDATE jobs SET state = 'queued', tries = tries - 1, lease_token = NULL, lease_owner = NULL, lease_until_ms = NULL,
       due = CASE WHEN EXISTS (SELECT 1 FROM holds WHERE scope = 'job:' || jobs.id) THEN 2 ELSE 1 + 2 * :batched END,
       batched = :batched, batch_returns = batch_returns + :batch_returns,
       first_attempt_ms = CASE WHEN attempts > 0 THEN first_attempt_ms END
WHERE state = 'running' AND lease_owner = 'batch' AND lease_token IN (SELECT value FROM json_each(:calls))
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by, due;

-- name: drop_batch_calls
-- The requests of a batch that surely never left, but for those that are in the record of a job.
DELETE FROM calls WHERE batch_id = :batch_id AND state = 'open' AND id IN (SELECT value FROM json_each(:calls))
  AND NOT EXISTS (SELECT 1 FROM attempts WHERE job_id = calls.job_id AND call_id = calls.id);

-- name: drop_batch
-- A batch of which nothing left.
DELETE FROM batches WHERE id = :id AND NOT EXISTS (SELECT 1 FROM calls WHERE batch_id = :id);

-- name: batch_is_ready
-- Its jobs are fixed.
UPDATE batches SET state = 'ready', attempted_ms = NULL WHERE id = :id AND state IN ('filling', 'creating');

-- name: batch_is_leaving
-- A create is about to leave.
UPDATE batches SET state = 'creating', attempted_ms = :now_ms, bytes = :bytes WHERE id = :id AND state IN ('ready', 'creating');

-- name: batch_was_told
-- What the API tells of a batch.
UPDATE batches SET api_id = :api_id, created_ms = :created_ms, expires_ms = :expires_ms, ended_ms = :ended_ms,
       processing = :processing, succeeded = :succeeded, errored = :errored, canceled = :canceled, expired = :expired,
       state = CASE WHEN state IN ('done', 'lost') THEN state ELSE :state END, problem = NULL
WHERE id = :id;

-- name: batch_has_trouble
-- What stands in a batch's way.
UPDATE batches SET problem = :problem WHERE id = :id;

-- name: batch_ends
-- Nothing is left to do about a batch.
UPDATE batches SET state = :state, done_ms = :now_ms, problem = :problem WHERE id = :id AND done_ms IS NULL;

-- name: batch_was_booked
-- So many more of its requests are in the books.
UPDATE batches SET booked = booked + :booked WHERE id = :id;

-- name: batch_was_left
-- So many more of its jobs do not wait for it any more.
UPDATE batches SET left = left + :left WHERE id = :id;

-- name: ask_to_cancel_batch
-- Somebody wants it stopped.
UPDATE batches SET cancel_by = ifnull(cancel_by, :who) WHERE id = :id AND done_ms IS NULL;

-- name: batch
-- One batch.
SELECT id, state, name, api_id, warms, marks, made_ms, attempted_ms, created_ms, expires_ms, ended_ms, done_ms, requests, bytes,
       booked, left, cancel_by, processing, succeeded, errored, canceled, expired, problem
FROM batches WHERE id = :id;

-- name: open_batches
-- The batches about which something is left to do, the oldest first.
SELECT id, state, name, api_id, warms, marks, made_ms, attempted_ms, created_ms, expires_ms, ended_ms, done_ms, requests, bytes,
       booked, left, cancel_by, processing, succeeded, errored, canceled, expired, problem
FROM batches WHERE done_ms IS NULL ORDER BY id;

-- name: batches
-- Batches, the newest first.
SELECT id, state, name, api_id, warms, marks, made_ms, attempted_ms, created_ms, expires_ms, ended_ms, done_ms, requests, bytes,
       booked, left, cancel_by, processing, succeeded, errored, canceled, expired, problem
FROM batches WHERE id < :before_id ORDER BY id DESC LIMIT :limit;

-- name: batch_ids
-- What the API calls the batches made since then.
SELECT api_id FROM batches WHERE api_id IS NOT NULL AND made_ms >= :since_ms;

-- name: marked_batches
-- The batches since then whose requests mark prefixes.
SELECT id, state, name, api_id, warms, marks, made_ms, attempted_ms, created_ms, expires_ms, ended_ms, done_ms, requests, bytes,
       booked, left, cancel_by, processing, succeeded, errored, canceled, expired, problem
FROM batches WHERE made_ms >= :since_ms AND marks <> '[]' ORDER BY id;

-- name: spend_of_batch
-- What a batch's settled requests cost, what the others may, and what they read and wrote.
SELECT ifnull(sum(cost_nanousd), 0), ifnull(sum(CASE WHEN state <> 'settled' THEN reserved_nanousd ELSE 0 END), 0),
       ifnull(sum(unbatched_nanousd), 0), ifnull(sum(input_tokens), 0),
       ifnull(sum(cache_write_5m_tokens + cache_write_1h_tokens), 0), ifnull(sum(cache_read_tokens), 0), ifnull(sum(output_tokens), 0)
FROM calls WHERE batch_id = :id;

-- name: open_batch_spend
-- What the open requests of batches may cost, by batch, lane, workflow and day (UTC).
SELECT batch_id, lane, workflow, opened_ms - opened_ms % 86400000, count(*), sum(reserved_nanousd), min(opened_ms)
FROM calls WHERE batch_id IS NOT NULL AND state = 'open' GROUP BY 1, 2, 3, 4;

-- name: batch_models
-- The models and first parts of prefixes of a batch's requests.
SELECT DISTINCT model, substr(prefix, 1, instr(prefix || '/', '/') - 1) FROM calls
WHERE batch_id = :batch_id AND prefix IS NOT NULL;

-- name: batch_cache_use
-- How many settled requests of a batch used the cache, and how many read from it, by model and first part of the prefix.
SELECT model, substr(prefix, 1, instr(prefix || '/', '/') - 1), count(*), sum(cache_read_tokens > 0) FROM calls
WHERE batch_id = :id AND state = 'settled' AND prefix IS NOT NULL
  AND cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens > 0
GROUP BY 1, 2;

-- name: batch_of_job
-- The batch in which a job is, and the request there that is its own.
SELECT c.batch_id, c.id FROM jobs AS j JOIN calls AS c ON c.id = j.lease_token
WHERE j.id = :id AND j.state = 'running' AND j.lease_owner = 'batch';

-- name: late_for_batches
-- Jobs that wait for a batch, whose deadline comes no later than :before_ms, the earliest first.
SELECT id FROM jobs WHERE state = 'queued' AND due = 3 AND deadline_ms IS NOT NULL AND deadline_ms <= :before_ms
ORDER BY deadline_ms LIMIT :limit;

-- name: first_deadline_for_batches
-- The earliest deadline of a job that waits for a batch.
SELECT min(deadline_ms) FROM jobs WHERE state = 'queued' AND due = 3 AND deadline_ms IS NOT NULL;

-- name: route_to_messages
-- Jobs that wait for a batch go by themselves from now on.
UPDATE jobs SET batched = 0, due = 1, wait_reason = :why
WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'queued' AND due = 3
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by;

-- name: lanes_of_batches
-- The lanes of jobs that are to go by batches.
SELECT DISTINCT lane FROM jobs WHERE state = 'queued' AND batched = 1;

-- name: route_job
-- A job that waits goes by a batch from now on, or no more.
UPDATE jobs SET batched = :batched, due = CASE WHEN due IN (1, 3) THEN 1 + 2 * :batched ELSE due END WHERE id = :id;

-- name: route_lane
-- Waiting jobs of a lane go by batches from now on, or no more; but for those whose callers wait on the line.
UPDATE jobs SET batched = :batched, due = CASE WHEN due IN (1, 3) THEN 1 + 2 * :batched ELSE due END
WHERE id IN (SELECT id FROM jobs WHERE state = 'queued' AND lane = :lane AND batched <> :batched
             AND (:batched = 0 OR (deadline_ms IS NULL AND batch_returns = 0 AND terms & :refused = 0
                                   AND attended IS NULL
                                   AND input_bytes <= :most_bytes))
             ORDER BY id LIMIT :limit)
RETURNING id, lane, workflow, model, priority, submitted_ms, deadline_ms, input_bytes, max_tokens, prefix,
          most_input_tokens, most_web_searches, terms, pack, batched, submitted_by, due;

-- name: receipt
-- What a caller's request with an Idempotency-Key was answered.
SELECT fingerprint, status, location, answer FROM receipts
WHERE caller = :caller AND key = :key AND at_ms > :after_ms;

-- name: keep_receipt
-- The answer to a keyed request; one of the same key that is too old to count is replaced.
INSERT OR REPLACE INTO receipts (caller, key, fingerprint, status, location, answer, at_ms)
VALUES (:caller, :key, :fingerprint, :status, :location, :answer, :now_ms)
RETURNING id;

-- name: forget_receipts
-- The first few receipts, as far as they are too old or too many.
DELETE FROM receipts WHERE id IN
  (SELECT id FROM (SELECT id, at_ms FROM receipts ORDER BY id LIMIT :limit) WHERE at_ms <= :before_ms OR id <= :up_to_id);

-- name: used_by
-- What a submitter has in the queue, and what its jobs cost on a day; one row.
SELECT ifnull(max(s.queued), 0), ifnull(max(d.cost_nanousd), 0), ifnull(max(d.unknown_nanousd), 0), ifnull(max(d.open_nanousd), 0)
FROM (SELECT :submitted_by AS name) AS asked LEFT JOIN submitters AS s ON s.submitted_by = asked.name
LEFT JOIN submitter_days AS d ON d.submitted_by = asked.name AND d.day_ms = :day_ms;

-- name: tokens
-- Every token, the newest first.
SELECT id, name, hash, allows, created_ms, created_by, expires_ms, revoked_ms, revoked_by, last_used_ms
FROM tokens ORDER BY id DESC;

-- name: add_token
-- A new token, unless one of its name is in force.
INSERT INTO tokens (name, hash, allows, created_ms, created_by, expires_ms)
VALUES (:name, :hash, :allows, :created_ms, :created_by, :expires_ms)
ON CONFLICT DO NOTHING
RETURNING id, name, hash, allows, created_ms, created_by, expires_ms, revoked_ms, revoked_by, last_used_ms;

-- name: revoke_token
-- The token of a name is in force no more.
UPDATE tokens SET revoked_ms = :now_ms, revoked_by = :who WHERE name = :name AND revoked_ms IS NULL
RETURNING id, name, hash, allows, created_ms, created_by, expires_ms, revoked_ms, revoked_by, last_used_ms;

-- name: token_was_used
-- When a token was used last.
UPDATE tokens SET last_used_ms = :at_ms WHERE id = :id;

-- name: mailbox_job
-- The job that a row of a mailbox has become, and when its answer was written.
SELECT job_id, written_ms FROM mailbox_jobs WHERE mailbox = :mailbox AND inbox_id = :inbox_id AND nonce = :nonce;

-- name: insert_mailbox_job
-- A row of a mailbox has become a job.
INSERT INTO mailbox_jobs (mailbox, inbox_id, nonce, job_id, noted_ms)
VALUES (:mailbox, :inbox_id, :nonce, :job_id, :now_ms);

-- name: mailbox_row_written
-- The answer to a row of a mailbox is in its outbox.
UPDATE mailbox_jobs SET written_ms = :now_ms
WHERE mailbox = :mailbox AND inbox_id = :inbox_id AND nonce = :nonce;

-- name: mailbox_row_owed_again
-- A row that had its answer is new again: the mailbox's file was put back to an earlier state.
UPDATE mailbox_jobs SET written_ms = NULL
WHERE mailbox = :mailbox AND inbox_id = :inbox_id AND nonce = :nonce;

-- name: owed_mailbox_jobs
-- The jobs whose answers are still to be written to a mailbox.
SELECT job_id FROM mailbox_jobs WHERE mailbox = :mailbox AND written_ms IS NULL;

-- name: owed_to_mailboxes
-- How many answers are still to be written, by mailbox.
SELECT mailbox, count(*) FROM mailbox_jobs WHERE written_ms IS NULL GROUP BY mailbox;

-- name: ended_mailbox_jobs
-- What is owed to a mailbox of a job that has ended, or that the store has no more.
SELECT m.inbox_id, m.nonce, m.job_id, j.state, j.stop_reason, j.model, j.error, j.cost_nanousd, j.metadata,
       j.submitted_ms, j.started_ms, j.finished_ms, j.answer
FROM mailbox_jobs AS m LEFT JOIN jobs AS j ON j.id = m.job_id
WHERE m.mailbox = :mailbox AND m.job_id = :job_id AND m.written_ms IS NULL
  AND (j.id IS NULL OR j.finished_ms IS NOT NULL);

-- name: owed_and_ended
-- The jobs that have ended, or that the store has no more, whose answers are to be written to a mailbox.
SELECT DISTINCT m.job_id FROM mailbox_jobs AS m LEFT JOIN jobs AS j ON j.id = m.job_id
WHERE m.mailbox = :mailbox AND m.written_ms IS NULL AND (j.id IS NULL OR j.finished_ms IS NOT NULL)
LIMIT :limit;

-- name: job_tokens
-- What all attempts at a job used together.
SELECT ifnull(sum(ifnull(a.input_tokens, c.input_tokens)), 0),
       ifnull(sum(ifnull(a.cache_write_tokens, c.cache_write_5m_tokens + c.cache_write_1h_tokens)), 0),
       ifnull(sum(ifnull(a.cache_read_tokens, c.cache_read_tokens)), 0),
       ifnull(sum(ifnull(a.output_tokens, c.output_tokens)), 0)
FROM attempts AS a JOIN calls AS c ON c.id = a.call_id WHERE a.job_id = :job_id;

-- name: forget_mailbox_jobs
-- Rows whose answers were written so long ago that no mailbox has them any more.
DELETE FROM mailbox_jobs WHERE (mailbox, inbox_id, nonce) IN
  (SELECT mailbox, inbox_id, nonce FROM mailbox_jobs WHERE written_ms < :before_ms LIMIT :limit);

-- name: spent_by_submitter
-- What the jobs of each submitter cost in a window of days, the dearest first.
SELECT submitted_by, sum(cost_nanousd), sum(unknown_nanousd), sum(open_nanousd) FROM submitter_days
WHERE day_ms >= :since_ms AND (:until_ms IS NULL OR day_ms < :until_ms)
GROUP BY submitted_by HAVING sum(cost_nanousd) + sum(unknown_nanousd) + sum(open_nanousd) > 0
ORDER BY sum(cost_nanousd) DESC, submitted_by;
