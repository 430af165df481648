"""Which code may touch the database how: Python and SQL are parsed, never searched as text."""
