"""Settings: what a project, an environment and a person said, and what holds of it."""

from streamtape.settings.policy import Policy, ScopeSettings, Settings
from streamtape.settings.resolve import resolve

__all__ = ["Policy", "ScopeSettings", "Settings", "resolve"]
