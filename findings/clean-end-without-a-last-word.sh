#!/usr/bin/env bash
# A stream that ends before its last word is whole for these clients, without a word.
#
# anthropic 2.15.0, openai 3.57.0, ollama 0.6.3, google-genai 3.6.1. The body ends as HTTP
# has it (the chunk of length 0), but what the API says last is missing: message_stop,
# [DONE] and a finish_reason, a line with "done": true, a finishReason. This is what a
# proxy in between makes of an upstream that went away. None of the four raises: an app
# has half an answer, and only an empty reason to stop tells it. So a recorder has to
# know the last word of each API to tell such a stream from a whole one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check anthropic==2.15.0 openai==3.57.0 ollama==0.6.3 google-genai==3.6.1

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
import ollama
import openai
from google import genai

message = {"id": "m", "type": "message", "role": "assistant", "model": "claude-demo"}
message |= {"content": [], "stop_reason": None, "stop_sequence": None}
message |= {"usage": {"input_tokens": 1, "output_tokens": 1}}
block = {"type": "text", "text": ""}
delta = {"type": "text_delta", "text": "Hel"}
url = serve(
    "text/event-stream",
    [
        data({"type": kind, **fields}, kind)
        for kind, fields in [
            ("message_start", {"message": message}),
            ("content_block_start", {"index": 0, "content_block": block}),
            ("content_block_delta", {"index": 0, "delta": delta}),
        ]
    ],
)
client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
asked = [{"role": "user", "content": "Hi"}]
with client.messages.stream(model="claude-demo", max_tokens=9, messages=asked) as stream:
    final = stream.get_final_message()
    print("anthropic:", final.content[0].text, final.stop_reason)

choice = {"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}
chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1}
chunk |= {"model": "gpt-demo", "choices": [choice]}
url = serve("text/event-stream", [data(chunk)])
client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
with client.chat.completions.stream(model="gpt-demo", messages=asked) as stream:
    final = stream.get_final_completion().choices[0]
    print("openai:", final.message.content, final.finish_reason)

line = {"model": "m", "message": {"role": "assistant", "content": "Hel"}, "done": False}
url = serve("application/x-ndjson", [json.dumps(line).encode() + b"\n"])
for part in ollama.Client(host=url).chat("m", messages=asked, stream=True):
    print("ollama:", part.message.content, part.done_reason)

parts = {"role": "model", "parts": [{"text": "Hel"}]}
url = serve("text/event-stream", [data({"candidates": [{"content": parts}]})])
client = genai.Client(api_key="none", http_options={"base_url": url})
for part in client.models.generate_content_stream(model="gemini-demo", contents="Hi"):
    print("google-genai:", part.text, part.candidates[0].finish_reason)
PROGRAM

cat > "$folder/expected" <<'EXPECTED'
anthropic: Hel None
openai: Hel None
ollama: Hel None
google-genai: Hel None
EXPECTED

"$folder/venv/bin/python" "$folder/program.py" | tee "$folder/seen"
diff "$folder/expected" "$folder/seen"
