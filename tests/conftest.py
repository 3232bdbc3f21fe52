"""Hypothesis without deadlines: how long an example takes says nothing about a law.

CI takes the same examples each time, so that a change is judged by what it changed; a run of a
developer takes new ones.

A shell has what it starts in the background ignore SIGINT, and children inherit that: processes
that tests interrupt must hear it wherever the tests were started from.
"""

from __future__ import annotations

import os
import signal

from hypothesis import settings

from tests.postgresql import mortal_server, postgresql_server

__all__ = ["mortal_server", "postgresql_server"]

settings.register_profile("laws", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "laws")
signal.signal(signal.SIGINT, signal.default_int_handler)
