// Asks through a mailbox and waits for the answer.
//   node ask.mjs /var/spool/claudeflow/tickets/mailbox.db "What is a VLAN?"
// With better-sqlite3 (npm install better-sqlite3@12) where it is installed, else with node:sqlite (Node 22.13 or newer).

import { setTimeout as sleep } from "node:timers/promises";

async function open(path) {
  try {
    const { default: Database } = await import("better-sqlite3");
    return new Database(path, { fileMustExist: true, timeout: 10_000 });
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    const { DatabaseSync } = await import("node:sqlite");
    const mailbox = new DatabaseSync(path);
    mailbox.exec("PRAGMA busy_timeout = 10000");
    return mailbox;
  }
}

const [path, text] = process.argv.slice(2);
const mailbox = await open(path);
const request = { model: "claude-haiku-5-5", max_tokens: 500, messages: [{ role: "user", content: text }] };
const { lastInsertRowid: id } = mailbox.prepare("INSERT INTO inbox (request) VALUES (?)").run(JSON.stringify(request));

const find = mailbox.prepare("SELECT * FROM outbox WHERE inbox_id = ?");
let answer;
while (!(answer = find.get(id))) await sleep(20);
mailbox.prepare("DELETE FROM outbox WHERE id = ?").run(answer.id);
mailbox.close();

if (answer.state === "succeeded") {
  console.log(answer.text);
} else {
  console.error(`${answer.error_code}: ${answer.error_message}`);
  process.exitCode = 1;
}
