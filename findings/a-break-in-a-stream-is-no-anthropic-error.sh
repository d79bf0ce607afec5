#!/usr/bin/env bash
# A connection that breaks within a stream raises no error of the anthropic SDK's.
#
# anthropic 2.15.0 beside openai 3.57.0, which come from the same generator. The answer
# begins, then the connection closes within the body. openai raises its own
# APIConnectionError; anthropic lets the exception of its HTTP library through, so an
# "except anthropic.APIError" that handles every failure before the stream misses one in
# it, and a test that expects the SDK's error has to expect httpx2's.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check anthropic==2.15.0 openai==3.57.0

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


import anthropic
import openai

asked = [{"role": "user", "content": "Hi"}]
url = serve("text/event-stream", [data({"type": "ping"}, "ping")], is_ended=False)
for library, use in {
    anthropic: lambda: list(
        anthropic.Anthropic(base_url=url, api_key="none", max_retries=0).messages.create(
            model="claude-demo", max_tokens=9, messages=asked, stream=True
        )
    ),
    openai: lambda: list(
        openai.OpenAI(
            base_url=f"{url}/v1", api_key="none", max_retries=0
        ).chat.completions.create(model="gpt-demo", messages=asked, stream=True)
    ),
}.items():
    try:
        use()
    except Exception as error:
        kind = type(error)
        is_own = isinstance(error, library.APIError)
        print(f"{library.__name__}: {kind.__module__.split('.')[0]}.{kind.__name__},", end=" ")
        print("an APIError" if is_own else "no APIError")
PROGRAM

cat > "$folder/expected" <<'EXPECTED'
anthropic: httpx2.RemoteProtocolError, no APIError
openai: openai.APIConnectionError, an APIError
EXPECTED

"$folder/venv/bin/python" "$folder/program.py" | tee "$folder/seen"
diff "$folder/expected" "$folder/seen"
