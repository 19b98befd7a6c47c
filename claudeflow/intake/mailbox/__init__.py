"""Mailboxes: SQLite files by which producers ask for jobs and get their answers.

A mailbox belongs to people whom the daemon does not trust. Only the porter, a process of its own, opens
the files; the daemon trusts the description beside them, which producers cannot write.
"""
