"""Writes the requests that reach a local AWS into the folder that TASKBELL_REQUESTS names, for dev/judges/requests.py."""

import base64
import json
import os
import pathlib
import threading

FOLDER = os.environ.get("TASKBELL_REQUESTS")
# The requests of the binary and of the notifier. Tests that change AWS by hand use other clients.
SENDERS = ("app/taskbell", "aws-sdk-js/")
KEPT = ("x-amz-target", "content-type", "smithy-protocol")
known, lock = set(), threading.Lock()


def record(emulator: str, method: str, uri: str, headers: dict[str, str], body: bytes) -> None:
    """Writes a request once. `headers` has names in lower case."""
    sender = headers.get("user-agent", "") + headers.get("x-amz-user-agent", "")
    if not any(name in sender for name in SENDERS):
        return
    scope = headers.get("authorization", "").partition("Credential=")[2].split("/")
    line = {
        "service": scope[3] if len(scope) > 3 else None,
        "region": scope[2] if len(scope) > 3 else None,
        "method": method,
        "uri": uri,
        "headers": [[name, headers[name]] for name in KEPT if name in headers],
        "permissions": [],
    }
    try:
        line["body"] = body.decode()
    except UnicodeDecodeError:
        line["base64"] = base64.b64encode(body).decode()
    text = json.dumps(line)
    with lock:
        if hash(text) in known:
            return
        known.add(hash(text))
        folder = pathlib.Path(FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{emulator}-{os.getpid()}.jsonl", "a") as file:
            file.write(text + "\n")


def of_asgi(application, emulator: str):
    """Returns the application, with a record of each request if a folder is named."""
    if not FOLDER:
        return application

    async def recording(scope, receive, send):
        if scope["type"] != "http":
            return await application(scope, receive, send)
        body, more, waiting = b"", True, []
        while more:
            message = await receive()
            waiting.append(message)
            body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope.get("query_string", b"").decode()
        path = (scope.get("raw_path") or scope["path"].encode()).decode().partition("?")[0]
        record(emulator, scope["method"], path + (f"?{query}" if query else ""), headers, body)

        async def again():
            return waiting.pop(0) if waiting else await receive()

        return await application(scope, again, send)

    return recording


def of_wsgi(application, emulator: str):
    """Returns the application, with a record of each request if a folder is named."""
    if not FOLDER:
        return application
    import io

    def recording(environment, start_response):
        body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
        environment["wsgi.input"] = io.BytesIO(body)
        headers = {name[5:].replace("_", "-").lower(): text for name, text in environment.items() if name.startswith("HTTP_")}
        headers["content-type"] = environment.get("CONTENT_TYPE", "")
        uri = environment.get("RAW_URI") or environment.get("REQUEST_URI") or environment["PATH_INFO"]
        record(emulator, environment["REQUEST_METHOD"], uri, headers, body)
        return application(environment, start_response)

    return recording
