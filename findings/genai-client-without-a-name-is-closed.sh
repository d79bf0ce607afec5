#!/usr/bin/env bash
# A call of google-genai fails if its client has no name.
#
# google-genai 3.6.1. client.models holds no reference to the client, and a client closes
# its connections when it is collected, which is before the call in
# Client(...).models.generate_content(...). What is raised is a RuntimeError of the HTTP
# library, about a client that the caller never closed; with a stream it comes at the
# first read. The same calls work once the client is given a name.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-genai==3.6.1

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


from google import genai

parts = {"role": "model", "parts": [{"text": "Hello"}]}
last = {"candidates": [{"content": parts, "finishReason": "STOP"}]}


def client(url):
    return genai.Client(api_key="none", http_options={"base_url": url})


asked = {"model": "gemini-demo", "contents": "Hi"}
stream_url = serve("text/event-stream", [data(last)])
whole_url = serve("application/json", [json.dumps(last).encode()])
streaming, plain = client(stream_url), client(whole_url)
print("named:", plain.models.generate_content(**asked).text)
stream = streaming.models.generate_content_stream(**asked)
print("named, a stream:", [each.text for each in stream])
try:
    print("no name:", client(whole_url).models.generate_content(**asked).text)
except RuntimeError as error:
    print("no name:", error)
try:
    print([*client(stream_url).models.generate_content_stream(**asked)])
except RuntimeError as error:
    print("no name, a stream:", error)
PROGRAM

cat > "$folder/expected" <<'EXPECTED'
named: Hello
named, a stream: ['Hello']
no name: Cannot send a request, as the client has been closed.
no name, a stream: Cannot send a request, as the client has been closed.
EXPECTED

"$folder/venv/bin/python" "$folder/program.py" | tee "$folder/seen"
diff "$folder/expected" "$folder/seen"
