#!/usr/bin/env bash
# An error in the middle of an Ollama stream has the status -1.
#
# ollama 0.6.3. The server answers 200 and sends lines; one of them is {"error": ...}. The
# client raises ResponseError, as for a refusal, but its status_code is -1: code that asks
# "status_code >= 500" to try again, or that logs the status of the answer, sees a number
# that HTTP doesn't have.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ollama==0.6.3

cat > "$folder/program.py" <<'PROGRAM'
import http.server
import json
import sys
import threading
import warnings

warnings.simplefilter("ignore")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers any request with the same chunks; ends the body, or breaks off in it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-type", self.server.content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in self.server.chunks:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if self.server.is_ended:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True


def serve(content_type, chunks, is_ended=True):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content_type, server.chunks, server.is_ended = content_type, chunks, is_ended
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def data(value, name=None):
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


import ollama

line = {"model": "m", "message": {"role": "assistant", "content": "Hel"}, "done": False}
lines = [line, {"error": "the runner has stopped"}]
url = serve("application/x-ndjson", [json.dumps(each).encode() + b"\n" for each in lines])
try:
    for part in ollama.Client(host=url).chat("m", messages=[], stream=True):
        print(part.message.content)
except ollama.ResponseError as error:
    print(error.error, error.status_code)
PROGRAM

cat > "$folder/expected" <<'EXPECTED'
Hel
the runner has stopped -1
EXPECTED

"$folder/venv/bin/python" "$folder/program.py" | tee "$folder/seen"
diff "$folder/expected" "$folder/seen"
