#!/bin/sh
# Asks through a mailbox and waits for the answer:  ./ask.sh /var/spool/claudeflow/tickets/mailbox.db "What is a VLAN?"
set -eu
mailbox=$1
text=$(printf %s "$2" | sed "s/'/''/g")

db() { sqlite3 -batch -noheader -cmd '.timeout 10000' "$mailbox" "$1"; }

id=$(db "INSERT INTO inbox (request) VALUES (json_object('model', 'claude-haiku-5-5', 'max_tokens', 500,
  'messages', json_array(json_object('role', 'user', 'content', '$text')))) RETURNING id")

until [ "$(db "SELECT count(*) FROM outbox WHERE inbox_id = $id")" -gt 0 ]; do sleep 0.1; done

if [ "$(db "SELECT state FROM outbox WHERE inbox_id = $id")" = succeeded ]; then
  db "SELECT text FROM outbox WHERE inbox_id = $id"
  db "DELETE FROM outbox WHERE inbox_id = $id"
else
  db "SELECT error_code || ': ' || error_message FROM outbox WHERE inbox_id = $id" >&2
  exit 1
fi
