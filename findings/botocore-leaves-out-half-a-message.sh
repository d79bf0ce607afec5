#!/usr/bin/env bash
# botocore says nothing of a message of an event stream that came in part.
#
# boto3 1.44.8 with botocore 1.44.8. The body of converse_stream ends as HTTP has it, 20
# bytes before the end of a message of application/vnd.amazon.eventstream. The message has
# a length and two checksums, so the client knows that bytes are missing; it leaves the
# message out and ends the stream as if it were whole. One byte that is wrong raises
# ChecksumMismatch, any number of bytes that are missing raises nothing.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check boto3==1.44.8 botocore==1.44.8

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


import struct
from zlib import crc32

import boto3


def frame(kind, value):
    names = {":content-type": "application/json", ":event-type": kind}
    names |= {":message-type": "event"}
    packed = b"".join(
        bytes([len(name)]) + name.encode() + struct.pack(">BH", 7, len(text)) + text.encode()
        for name, text in names.items()
    )
    payload = json.dumps(value).encode()
    lengths = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    whole = lengths + struct.pack(">I", crc32(lengths)) + packed + payload
    return whole + struct.pack(">I", crc32(whole))


start = frame("messageStart", {"role": "assistant"})
text = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}})
for name, last in [("whole", text), ("cut", text[:-20])]:
    url = serve("application/vnd.amazon.eventstream", [start, last])
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    asked = [{"role": "user", "content": [{"text": "Hi"}]}]
    answer = client.converse_stream(modelId="demo", messages=asked)
    print(f"{name}:", [*map("".join, answer["stream"])])
PROGRAM

cat > "$folder/expected" <<'EXPECTED'
whole: ['messageStart', 'contentBlockDelta']
cut: ['messageStart']
EXPECTED

"$folder/venv/bin/python" "$folder/program.py" | tee "$folder/seen"
diff "$folder/expected" "$folder/seen"
