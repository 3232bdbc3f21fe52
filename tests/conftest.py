"""Hypothesis without deadlines: how long an example takes says nothing about a law.

CI takes the same examples each time, so that a change is judged by what it changed; a run of a
developer takes new ones.
"""

from __future__ import annotations

import os

from hypothesis import settings

from tests.postgresql import mortal_server, postgresql_server

__all__ = ["mortal_server", "postgresql_server"]

settings.register_profile("laws", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "laws")
