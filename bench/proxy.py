"""Runs a proxy before the local AWS: delays every call by a round trip, counts calls, and throttles as the control planes do."""

import http.client
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


# Calls a second of an account in a region: quotas of EventBridge, Lambda and CloudWatch Logs (of each operation), Parameter Store's
# default, an observed rate of IAM.
RATES = {"events": 50, "lambda": 15, "ssm": 40, "iam": 20, "logs": 5}
BURST = 5


class Limits:
    """A bucket of tokens for each account, region and service."""

    def __init__(self):
        self.buckets = {}

    def refuse(self, scope) -> bool:
        rate = RATES.get(scope[2])
        if rate is None:
            return False
        now = time.monotonic()
        tokens, at = self.buckets.get(scope, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * rate)
        self.buckets[scope] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens < 1


def throttling(service: str):
    """Returns status, content type and body of the answer to a call above the limit."""
    if service == "iam":
        error = "<Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error>"
        return 400, "text/xml", f"<ErrorResponse>{error}</ErrorResponse>".encode()
    code = "TooManyRequestsException" if service == "lambda" else "ThrottlingException"
    return (429 if service == "lambda" else 400), "application/x-amz-json-1.1", f'{{"__type":"{code}","message":"Rate exceeded"}}'.encode()


class Proxy:
    """Forwards to `endpoint`, `latency` seconds after each call; with `limited`, at the rates of `RATES` only."""

    def __init__(self, endpoint: str, latency: float, limited: bool = False):
        self.calls = self.throttled = 0
        limits = Limits() if limited else None
        self.lock = threading.Lock()
        upstream = urllib.parse.urlparse(endpoint).netloc
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                with proxy.lock:
                    proxy.calls += 1
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                signed = re.search(r"Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/", self.headers.get("authorization", ""))
                with proxy.lock:
                    operation = self.headers.get("x-amz-target", "") if signed and signed.group(3) == "logs" else ""
                    refused = bool(limits and signed and limits.refuse((*signed.groups(), operation)))
                    proxy.throttled += refused
                time.sleep(latency)
                if refused:
                    status, kind, content = throttling(signed.group(3))
                    self.send_response(status)
                    self.send_header("content-type", kind)
                    self.send_header("x-amzn-errortype", "TooManyRequestsException")
                    self.send_header("content-length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                    return
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
        """Returns the number of calls since the last count."""
        with self.lock:
            calls, self.calls = self.calls, 0
        return calls
