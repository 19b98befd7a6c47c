"""What another Unix user does at the socket: a program of its own, with nothing but the standard library.

Its arguments are the socket, the user it becomes, and that user's other groups.
Reads requests from stdin, one JSON array a line: method, path, body or null, headers. Writes a JSON array
for each: status and what the answer says. All go over one connection unless the server closes it.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys


class Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(sys.argv[1])


def main() -> None:
    uid, *groups = map(int, sys.argv[2:])
    os.setgroups(groups)
    os.setgid(uid)
    os.setuid(uid)
    connection = Connection("localhost")
    for line in sys.stdin:
        method, path, body, headers = json.loads(line)
        try:
            connection.request(method, path, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was answered before it was read
        except OSError as error:
            print(json.dumps([type(error).__name__, None]), flush=True)
            continue
        response = connection.getresponse()
        if response.headers.get_content_type() == "text/event-stream":
            connection.close()
            print(json.dumps([response.status, None]), flush=True)
            continue
        text = response.read()
        print(json.dumps([response.status, json.loads(text) if text else None]), flush=True)


main()
