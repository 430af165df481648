"""How properties are tried: the same examples in every run, however long one takes.

A slow machine must not fail a test, and neither must an example that only one run in many thinks of: who looks for new
ones starts pytest with `--hypothesis-profile=default`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")
