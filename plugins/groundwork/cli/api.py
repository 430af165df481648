"""`groundwork api`: serve the data API until it is stopped."""

from __future__ import annotations

from typing import Annotated

import typer


def api(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8088,
    domain: Annotated[list[str] | None, typer.Option(help="Domain to serve; repeat for more. Default: market.")] = None,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log each request.")] = False,
) -> None:
    """Serve the data API. It starts, and answers /health, before databases or tables exist."""
    import uvicorn

    from groundwork.access.api import create_api
    from groundwork.contracts.read import read_domain
    from groundwork.governance.effective import effective_domain
    from groundwork.governance.policy import read_policies
    from groundwork.operators.connections import engine
    from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

    settings = Settings.from_environment()
    policies = read_policies(settings.policies)
    domains = [effective_domain(read_domain(name, settings.contracts), policies) for name in domain or ["market"]]
    app = create_api(domains, engine(WAREHOUSE_CONNECTION), engine(STORE_CONNECTION))
    uvicorn.run(app, host=host, port=port, access_log=access_log, log_level="info", server_header=False)
