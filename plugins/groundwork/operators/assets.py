"""Tables and domains as Airflow assets, so that Dags can be scheduled on them.

The URI has Groundwork's own scheme: `x-groundwork://<connection id>/<schema>/<table>`. It does not change when a
server moves, which a host name in it would. Loading tasks declare the alias `CHANGED_TABLES` as outlet, because the
tables of a domain are known from its contracts only at run time. A table's asset says that the table changed; a
domain's assets say that all of its tables reached a stage together, which is what reports and validations wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetAlias

from groundwork.settings import WAREHOUSE_CONNECTION

if TYPE_CHECKING:
    from airflow.sdk import Context

SCHEME = "x-groundwork"
_GROUP = "groundwork"
LOADED, VALIDATED, GOVERNED = "loaded", "validated", "governed"  # the stages of a domain
CHANGED_TABLES = AssetAlias(name="groundwork.changed_tables", group=_GROUP)


def table_asset(schema: str, table: str, connection_id: str = WAREHOUSE_CONNECTION) -> Asset:
    """The asset of one table, named `schema.table`."""
    return Asset(name=f"{schema}.{table}", uri=f"{SCHEME}://{connection_id}/{schema}/{table}", group=_GROUP)


def domain_asset(domain: str, stage: str, connection_id: str = WAREHOUSE_CONNECTION) -> Asset:
    """The asset that says that a whole domain is `loaded`, `validated` or `governed`."""
    return Asset(name=f"{domain} {stage}", uri=f"{SCHEME}://{connection_id}/{domain}/@{stage}", group=_GROUP)


DOMAIN_STAGES = AssetAlias(name="groundwork.domain_stages", group=_GROUP)


def announce(context: Context, domain: str, stage: str, connection_id: str) -> None:
    """Say from a task with the outlet `DOMAIN_STAGES` that a domain reached a stage."""
    context["outlet_events"][DOMAIN_STAGES].add(domain_asset(domain, stage, connection_id))
