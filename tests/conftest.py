"""
Settings for every test.
"""

from __future__ import annotations

from hypothesis import settings

# Same examples in every run, and no limit in wall-clock time: a gate that fails
# by chance, or on a busy machine, says nothing about the change.
settings.load_profile("ci")
