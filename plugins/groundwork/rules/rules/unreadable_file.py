"""A file that does not parse cannot be checked, so it is refused.

Told with the line at which the parser of Python or PostgreSQL stumbled. The other files are checked all the same. SQL
with templates of dbt belongs to the transform layer, which the policy names.
"""

from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
