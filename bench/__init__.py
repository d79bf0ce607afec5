"""
Measures streamtape against a bare relay and against the clock; see README.md.

Needs Linux: epoll, and another process's CPU clock. Nothing here is installed.
"""
