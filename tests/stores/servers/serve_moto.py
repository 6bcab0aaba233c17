"""Runs moto's S3 on a free port of this machine, prints the port, and ends when standard input is closed.

`serve_moto.py serial` lets one request through at a time: moto looks whether an object is there and writes it then, and so lets
two writers pass that come at once, which S3 does not.
"""

import io
import os
import socket
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_arguments):
        pass

    def setup(self):
        super().setup()
        # Otherwise each answer waits for the acknowledgement of its head.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def one_at_a_time(app):
    lock = threading.Lock()

    def serve(environ, start_response):
        # The body is read before the lock is taken: a slow client must not hold up the others.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        with lock:
            return list(app(environ, start_response))

    return serve


def main():
    app = DomainDispatcherApplication(create_backend_app)
    if "serial" in sys.argv[1:]:
        app = one_at_a_time(app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    server.daemon_threads = True

    def end_with_parent():
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


main()
