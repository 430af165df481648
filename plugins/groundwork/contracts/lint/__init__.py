"""The guardian of contracts: every mistake at once, each with file, line, rule and fix.

First the standard's own JSON Schema, in the version that the contract says, then Groundwork's rules: one module each
under `rules`, whose docstring is the rule's manual page. Reads files, never a database; only `fix_files` changes any.
"""

from groundwork.contracts.lint.finding import Finding
from groundwork.contracts.lint.fix import FixedFile, Fixes, fix_files
from groundwork.contracts.lint.run import lint_domain, lint_files

__all__ = ["Finding", "FixedFile", "Fixes", "fix_files", "lint_domain", "lint_files"]
