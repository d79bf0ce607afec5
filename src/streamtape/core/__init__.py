"""
The core: bytes, times and values in; values out.

Nothing here reads a clock, a file or a socket, waits or logs. The words of the
design, used everywhere in the same sense:

* **cassette**: one file with one interaction, a request and its timed response
* **library**: a folder of cassettes, with sub-folders
* **take**: the n-th recorded answer to the same request
* **event**: one server-sent event, with its exact bytes
* **chunk**: bytes as one socket read gave them, zero to many events
* **offset**: nanoseconds since the last byte of the request went upstream, on a
  monotonic clock; docs/format.md says it precisely
* **due**: when a replay should send an event, the offset after pacing
"""
