"""Lists the fixture modules; the fixtures themselves live in `tests/fix_*.py`."""

pytest_plugins = ["tests.fix_postgres"]
