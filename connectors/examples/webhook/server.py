#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A service that stores by key, for trying the webhook: PUT /profiles/KEY, DELETE, GET.

    server.py PORT [--fail N]

Keeps the newest version of each key in memory and answers 412 to an older one.  GET /profiles/ shows all that it holds,
GET /statistics how many puts came and how many of them were repetitions.  --fail N: every N-th PUT is answered 503, and
every other of those after it was stored.
"""
import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

lock = threading.Lock()
store = {}      # key -> (version, value or None)
statistics = {"puts": 0, "older": 0, "equal": 0, "failed": 0}


def keep(key, version, value):
    """Stores unless something newer is there.  Returns the HTTP status."""
    held = store.get(key, (-1, None))[0]
    statistics["puts"] += 1
    if version < held:
        statistics["older"] += 1
        return 412
    if version == held:
        statistics["equal"] += 1
    store[key] = (version, value)
    return 204


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fail_every = 0

    def answer(self, status, body=b""):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def change(self, value):
        key = unquote(self.path.removeprefix("/profiles/"))
        version = int(self.headers["X-Version"])
        with lock:
            number = statistics["puts"] + statistics["failed"] + 1
            fail = self.fail_every and number % self.fail_every == 0
            if not fail or number // self.fail_every % 2:
                status = keep(key, version, value)
            statistics["failed"] += bool(fail)
        self.answer(503 if fail else status)

    def do_PUT(self):
        self.change(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def do_DELETE(self):
        self.change(None)

    def do_GET(self):
        with lock:
            if self.path == "/statistics":
                body = statistics
            else:
                body = {key: value for key, (version, value) in store.items() if value is not None}
            self.answer(200, json.dumps(body, sort_keys=True).encode() + b"\n")

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--fail", type=int, default=0)
    arguments = parser.parse_args()
    Handler.fail_every = arguments.fail
    with ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler) as server:
        server.serve_forever()
