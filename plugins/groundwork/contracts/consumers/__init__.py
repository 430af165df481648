"""Who relies on a table or a column: `consumers_of`, from contracts, dbt, Dags, suites and policies.

What is used is read from parsed SQL, Python and YAML, never searched for as text. Nothing is run.
"""

from groundwork.contracts.consumers.consumer import Consumer
from groundwork.contracts.consumers.find import all_uses, consumers_of, users

__all__ = ["Consumer", "all_uses", "consumers_of", "users"]
