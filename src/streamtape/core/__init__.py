"""
The core: bytes, times and values in; values out.

Nothing here reads a clock, a file or a socket, waits or logs. The words of the design
stand in docs/glossary.md, and mean the same everywhere.
"""
