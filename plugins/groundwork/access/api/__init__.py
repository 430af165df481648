"""The data API: REST over the contracts' tables, with OpenAPI, for those who hold an API key.

It adds no rule of its own: rows are validated by the contract, masking and grants are the database's, and each
request runs as the contract role of its key.
"""

from groundwork.access.api.app import create_api

__all__ = ["create_api"]
