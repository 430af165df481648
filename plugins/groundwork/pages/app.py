"""The pages' application: routes, who may see them, and the headers every answer carries.

One route changes something: what people do with an incident (`incident_actions`). Whoever asks must be known to
Airflow, may see its website and may read runs of the Dag `data_foundation`, whose evidence this is. Airflow does not
protect a plugin's application by itself, so the guard hangs on the application and covers every route, style sheet and
script included.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from groundwork.model.errors import ConfigError
from groundwork.operators.connections import engine
from groundwork.pages import assets, declared, evidence, incident_actions, render, sources
from groundwork.pages.dataset import collect_dataset
from groundwork.pages.domain import collect_domain
from groundwork.pages.health_page import collect_health, collect_pipeline
from groundwork.pages.incident_query import NOTHING_IS_ALL, IncidentQuery
from groundwork.pages.incidents_page import collect_incident, collect_incidents
from groundwork.pages.knowledge_page import collect_knowledge
from groundwork.pages.knowledge_view import Chosen
from groundwork.pages.overview import collect_overview
from groundwork.pages.quality_page import collect_quality
from groundwork.pages.quality_view import Filter
from groundwork.pages.reports import latest_guardian_report, latest_report
from groundwork.pages.sources import Sources
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

FOUNDATION_DAG = "data_foundation"
GUARDS = (
    Depends(requires_access_view(AccessView.WEBSITE)),
    Depends(requires_access_dag("GET", DagAccessEntity.RUN, param_dag_id=FOUNDATION_DAG)),
)


def create_app(read_from: Sources) -> FastAPI:
    """The application over the given sources."""
    made = FastAPI(title="Groundwork", dependencies=list(GUARDS), docs_url=None, redoc_url=None, openapi_url=None)
    made.state.sources = read_from
    made.middleware("http")(_with_headers)
    made.exception_handler(StarletteHTTPException)(_refused)
    for path, handler in _ROUTES.items():
        made.get(path, include_in_schema=False, response_model=None)(handler)
    act, may = incident_actions.act_on_incident, list(incident_actions.GUARDS)
    made.post("/ui/incidents/{incident_id}", include_in_schema=False, response_model=None, dependencies=may)(act)
    return made


def overview_page(request: Request, user: GetUserDep) -> HTMLResponse:
    """Domains, phases with their evidence, and everything else at a glance."""
    overview = collect_overview(_sources(request), incident_actions.sees_dags(user))
    return _html(request, "overview.html", overview=overview)


def overview_json(request: Request, user: GetUserDep) -> JSONResponse:
    """The overview as JSON, by the names of `groundwork.pages.view`."""
    overview = collect_overview(_sources(request), incident_actions.sees_dags(user))
    return JSONResponse(jsonable_encoder(render.as_json(overview)))


def domain_page(request: Request, domain: str) -> HTMLResponse:
    """What a domain declares, and what is there."""
    if domain not in declared.domain_names(_sources(request).contracts):
        raise HTTPException(404, f"No contract declares the domain `{domain}`.")
    return _html(request, "domain.html", page=collect_domain(domain, _sources(request)))


def quality_page(
    request: Request, domain: str | None = None, dimension: str | None = None, show: str | None = None
) -> HTMLResponse:
    """Scores, failing checks and release gates; `domain`, `dimension` and `show=failing` narrow it."""
    chosen = Filter(domain=domain or None, dimension=dimension or None, only_failing=show == "failing")
    return _html(request, "quality.html", page=collect_quality(_sources(request), chosen))


def dataset_page(request: Request, domain: str, table: str, user: GetUserDep) -> HTMLResponse:
    """One table: quality, loads, quarantine, freshness; rejected records only for who may see connections."""
    if domain not in declared.domain_names(_sources(request).contracts):
        raise HTTPException(404, f"No contract declares the domain `{domain}`.")
    may_see_raw = get_auth_manager().is_authorized_connection(method="GET", user=user)
    try:
        page = collect_dataset(_sources(request), domain, table, with_raw=may_see_raw)
    except ConfigError as error:
        raise HTTPException(404, f"{error.what[:1].upper()}{error.what[1:]} ({error.where}).") from error
    return _html(request, "dataset.html", page=page)


def incidents_page(request: Request, user: GetUserDep, query: Annotated[IncidentQuery, Query()]) -> HTMLResponse:
    """What waits for a person, what is mended, what is over, how it went by class; the address narrows it."""
    may_see, chosen = incident_actions.sees_dags(user), query.chosen()
    return _html(request, "incidents.html", page=collect_incidents(_sources(request), may_see, chosen))


def incident_page(request: Request, incident_id: str, user: GetUserDep, told: str | None = None) -> HTMLResponse:
    """One incident: report, strikes, evidence, and the answers for who may give them."""
    may_see, can_act = incident_actions.sees_dags(user), incident_actions.may_act(user)
    store = sources.open_store(_sources(request))
    found = store.read(lambda engine: collect_incident(engine, incident_id, may_see, can_act=can_act, told=told))
    if found.problem:
        raise HTTPException(503, f"{found.problem.what} {found.problem.next_step or ''}")
    if found.content is None:
        raise HTTPException(404, f"There is no incident `{incident_id}`.")
    return _html(request, "incident.html", page=found.content)


def knowledge_page(
    request: Request, user: GetUserDep, pattern: str | None = None, table: str | None = None
) -> HTMLResponse:
    """Patterns, remedies with their success rates, trials and lessons; `pattern` and `table` narrow it."""
    chosen, may_see = Chosen(pattern=pattern or None, table=table or None), incident_actions.sees_dags(user)
    return _html(request, "knowledge.html", page=collect_knowledge(_sources(request), chosen, may_see))


def health_page(
    request: Request, user: GetUserDep, show: Annotated[Literal["needy"] | None, NOTHING_IS_ALL] = None
) -> HTMLResponse:
    """Pipelines with state, score, breaker, warnings and trend, and what they all stand on; `show` narrows them."""
    page = collect_health(_sources(request), incident_actions.sees_dags(user), is_narrowed=show == "needy")
    return _html(request, "health.html", page=page)


def pipeline_page(request: Request, name: str, user: GetUserDep) -> HTMLResponse:
    """One pipeline: the parts of its score, its series and warnings; not there for who may not see its Dag."""
    page = collect_pipeline(_sources(request), name)
    if page is None or not incident_actions.sees_dags(user)(page.line.dag_id):
        raise HTTPException(404, f"There is no pipeline `{name}`, or nothing can be read of it now.")
    return _html(request, "health_pipeline.html", page=page)


def run_page(request: Request, run_id: str) -> HTMLResponse:
    """The evidence of one run."""
    store = sources.open_store(_sources(request))
    found = store.read(lambda engine: evidence.find_run(engine, run_id))
    if found.problem:
        raise HTTPException(503, f"{found.problem.what} {found.problem.next_step or ''}")
    if found.content is None:
        raise HTTPException(404, f"The store keeps no evidence of a run `{run_id}`.")
    return _html(request, "run.html", run=found.content.run, foundation=found.content)


def report_page(request: Request) -> HTMLResponse:
    """The newest daily report, and the schema guardian's."""
    store = sources.open_store(_sources(request))
    return _html(request, "report.html", report=store.read(latest_report), guardian=store.read(latest_guardian_report))


def static_file(name: str) -> FileResponse:
    """A style sheet, script or icon; its address changes with its content, so browsers may keep it."""
    path = assets.find(name)
    if path is None:
        raise HTTPException(404, "There is no such file.")
    return FileResponse(path, media_type=assets.TYPES[path.suffix], headers={"Cache-Control": assets.CACHING})


def front_door(request: Request) -> RedirectResponse:
    """The way to the overview."""
    return RedirectResponse(f"{request.scope['root_path']}/ui")


_ROUTES: dict[str, Callable[..., Any]] = {
    "/": front_door,
    "/ui": overview_page,
    "/ui/domains/{domain}": domain_page,
    "/ui/domains/{domain}/tables/{table}": dataset_page,
    "/ui/quality": quality_page,
    "/ui/incidents": incidents_page,
    "/ui/incidents/{incident_id}": incident_page,
    "/ui/knowledge": knowledge_page,
    "/ui/health": health_page,
    "/ui/health/{name}": pipeline_page,
    "/ui/runs/{run_id}": run_page,
    "/ui/reports/latest": report_page,
    "/api/overview": overview_json,
    "/static/{name}": static_file,
}


def _sources(request: Request) -> Sources:
    found: Sources = request.app.state.sources
    return found


def _html(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    names = declared.domain_names(_sources(request).contracts)
    base = request.scope["root_path"]
    text = render.page(template, base=base, version=assets.version(), domain_names=names, **values)
    return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-store"})


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(assets.HEADERS)
    return response


def _refused(request: Request, error: Exception) -> Response:
    """People are sent to log in or told in words; programs get the status and JSON."""
    status, detail = getattr(error, "status_code", 500), str(getattr(error, "detail", ""))
    path = request.scope["path"].removeprefix(request.scope["root_path"])
    if not path.startswith("/ui") or "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": detail}, status_code=status)
    if status == 401:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(get_auth_manager().get_url_login(next_url=here))
    if status == 403 and request.method == "GET":
        text = render.page("message.html", base=request.scope["root_path"], version=assets.version(), domain_names=(),
            heading="Not for you", what="Airflow does not let you see this page.",
            next_step="Ask an administrator for reading access to the Dag `data_foundation`.")  # fmt: skip
        return HTMLResponse(text, status_code=status)
    heading = {403: "Not for you", 404: "Not found"}.get(status, "Not available")
    return _html(request, "message.html", status, heading=heading, what=detail, next_step=None)


app = create_app(
    Sources(
        store=lambda: engine(STORE_CONNECTION),
        warehouse=lambda: engine(WAREHOUSE_CONNECTION),
        contracts=Settings.from_environment().contracts,
    )
)
