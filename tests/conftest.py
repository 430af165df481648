"""Lists the fixture modules; the fixtures themselves live in `tests/fix_*.py`."""

pytest_plugins = [
    "tests.fix_leaks",
    "tests.fix_order",
    "tests.fix_hypothesis",
    "tests.fix_postgres",
    "tests.fix_mariadb",
    "tests.fix_access",
    "tests.fix_market",
    "tests.fix_api",
    "tests.fix_messages_api",
    "tests.fix_airflow",
    "tests.fix_stack",
    "tests.fix_demo",
]
