"""Mailboxes at work: the porter's daemon side, one attendant per mailbox, and who looks for new ones."""
