<?php
// Asks through a mailbox and waits for the answer.
//   php ask.php /var/spool/claudeflow/tickets/mailbox.db "What is a VLAN?"

[, $path, $text] = $argv;
$mailbox = new PDO("sqlite:$path", options: [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
    PDO::ATTR_TIMEOUT => 10,
]);

$request = [
    'model' => 'claude-haiku-5-5',
    'max_tokens' => 500,
    'messages' => [['role' => 'user', 'content' => $text]],
];
$mailbox->prepare('INSERT INTO inbox (request) VALUES (?)')->execute([json_encode($request)]);
$id = (int) $mailbox->lastInsertId();

$find = $mailbox->prepare('SELECT * FROM outbox WHERE inbox_id = ?');
do {
    usleep(20_000);
    $find->execute([$id]);
    $answer = $find->fetch();
    $find->closeCursor();
} while ($answer === false);
$mailbox->prepare('DELETE FROM outbox WHERE id = ?')->execute([$answer['id']]);

if ($answer['state'] !== 'succeeded') {
    fwrite(STDERR, "{$answer['error_code']}: {$answer['error_message']}\n");
    exit(1);
}
echo $answer['text'], "\n";
