"""A proxy before the local AWS that takes a round trip's time for every call, and counts."""

import http.client
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Forwards to `endpoint`, after `latency` seconds a call."""

    def __init__(self, endpoint: str, latency: float):
        self.calls = 0
        self.lock = threading.Lock()
        upstream = urllib.parse.urlparse(endpoint).netloc
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                with proxy.lock:
                    proxy.calls += 1
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                time.sleep(latency)
                connection = http.client.HTTPConnection(upstream)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                connection.close()

            do_GET = do_POST = do_PUT = do_DELETE = forward

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def count(self) -> int:
        """The calls since the last count."""
        with self.lock:
            calls, self.calls = self.calls, 0
        return calls
