"""The guardian of contracts: every mistake at once, each with file, line, rule and fix.

First the standard's own JSON Schema, then Groundwork's rules: one module each under `rules`, whose docstring is the
rule's manual page. Reads files, never a database, and changes nothing.
"""

from groundwork.contracts.lint.finding import Finding
from groundwork.contracts.lint.run import lint_domain, lint_files

__all__ = ["Finding", "lint_domain", "lint_files"]
