"""Mailboxes, from their files to a daemon that serves them."""
