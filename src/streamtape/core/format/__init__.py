"""
The cassette format: frames, what their records hold, and reading and writing both.

docs/format.md is its specification.
"""
