"""A comment that allows something says what and why, and is needed.

`# groundwork: allow RULE reason` allows the findings of one rule (or of several, with commas and no blanks) in the
statement of its line; when the comment stands alone, in the statement below. `# groundwork: allow-file RULE reason`
before the first statement of a file allows them in the whole file (`--` instead of `#` in SQL). What is allowed is
listed in the report.

Refused are comments without a reason, for a rule that does not exist, and those that allow nothing: they outlive their
cause and hide the next mistake.
"""

from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
