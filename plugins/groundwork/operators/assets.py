"""Tables as Airflow assets, so that Dags can be scheduled on them.

The URI has Groundwork's own scheme: `x-groundwork://<connection id>/<schema>/<table>`. It does not change when a
server moves, which a host name in it would. Loading tasks declare the alias `CHANGED_TABLES` as outlet, because the
tables of a domain are known from its contracts only at run time; Dags are scheduled on single tables or on the alias.
"""

from __future__ import annotations

from airflow.sdk import Asset, AssetAlias

from groundwork.settings import WAREHOUSE_CONNECTION

SCHEME = "x-groundwork"
_GROUP = "groundwork"
CHANGED_TABLES = AssetAlias(name="groundwork.changed_tables", group=_GROUP)


def table_asset(schema: str, table: str, connection_id: str = WAREHOUSE_CONNECTION) -> Asset:
    """The asset of one table, named `schema.table`."""
    return Asset(name=f"{schema}.{table}", uri=f"{SCHEME}://{connection_id}/{schema}/{table}", group=_GROUP)
