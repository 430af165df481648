"""One Dag per table contract with a source, drawn from the catalogue of pipelines.

Nothing is read but the contracts and what is kept of them. A task's process builds only the Dag it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    DAG,
    AssetAll,
    CronDataIntervalTimetable,
    CronPartitionTimetable,
    Param,
    PartitionedAssetTimetable,
)
from airflow.sdk.definitions.context import get_parsing_context

from groundwork.flow.pipelines.catalogue import Catalogue, read_catalogue
from groundwork.flow.pipelines.pipeline import DEFAULT_POOL, ON_ASSET
from groundwork.flow.pipelines.run_window import KEY_FORMAT
from groundwork.model.errors import ConfigError, GroundworkError
from groundwork.operators.assets import table_asset
from groundwork.operators.healing import healing
from groundwork.operators.pipelines.deadline import deadline_of
from groundwork.operators.pipelines.parts import (
    LoadPartOperator,
    PublishPartsOperator,
    StagePartOperator,
    SumPartsOperator,
)
from groundwork.operators.pipelines.tasks import (
    AnnounceTableOperator,
    CheckSourceOperator,
    LoadTableOperator,
    ValidateTableOperator,
)
from groundwork.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Asset

    from groundwork.flow.pipelines.pipeline import Pipeline

_ONE_RUN = 1  # loads of a table wait for one another anyway


def pipeline_dags(settings: Settings | None = None) -> dict[str, DAG]:
    """The Dags by id; in a task's process only the one that the task belongs to.

    A contract that is broken has no Dag: `require_whole` tells of it in a file of its own.
    """
    found = settings or Settings.from_environment()
    catalogue = read_catalogue(found.contracts, found.home)
    only = get_parsing_context().dag_id
    wanted = [pipeline for pipeline in catalogue.pipelines.values() if only in (None, pipeline.dag_id)]
    dags = {}
    for pipeline in wanted:
        try:
            dags[pipeline.dag_id] = pipeline_dag(pipeline, catalogue)
        except GroundworkError:
            continue  # told by `require_whole`
    return dags


def require_whole(settings: Settings | None = None) -> None:
    """Return when every contract can have its Dags.

    Raises: ConfigError that tells of every contract that is broken. It has to be raised in a file without Dags, because
    Airflow takes all Dags away from a file with an import error, good ones too.
    """
    found = settings or Settings.from_environment()
    catalogue = read_catalogue(found.contracts, found.home)
    broken = dict(catalogue.broken)
    for pipeline in catalogue.pipelines.values():
        try:
            _schedule(pipeline, catalogue)
        except GroundworkError as error:
            broken.setdefault(pipeline.file, str(error))
    if broken:
        told = "\n".join(f"{number}. {file}: {error}" for number, (file, error) in enumerate(broken.items(), 1))
        raise ConfigError(
            f"{len(broken)} contracts are broken, and their pipelines are not there; all others are\n{told}",
            where=str(found.contracts),
            next_step="groundwork validate-schema",
        )


def pipeline_dag(pipeline: Pipeline, catalogue: Catalogue) -> DAG:
    """The Dag of one pipeline.

    Raises: ConfigError when its schedule does not go together with those of the tables it waits for.
    """
    schedule, cron = _schedule(pipeline, catalogue)
    deadline = deadline_of(pipeline)
    dag = DAG(
        dag_id=pipeline.dag_id,
        description=pipeline.summary,
        schedule=schedule,
        catchup=False,
        max_active_runs=_ONE_RUN,
        is_paused_upon_creation=False,  # without a schedule it runs only when somebody wants it to
        tags=list(pipeline.tags),
        doc_md=pipeline.documentation,
        params=_params(),
        deadline=deadline,
        default_args=healing(owner=pipeline.owner),
    )
    _tasks(dag, pipeline, cron)
    return dag


def _params() -> dict[str, Param]:
    told = "First value of the watermark's column to load; empty: since the last load"
    return {
        "window_start": Param("", type="string", description=told),
        "window_end": Param("", type="string", description="Where the range ends, not part of it; empty: open"),
        "full_refresh": Param(default=False, type="boolean", description="Read the source from its beginning"),
        "dry_run": Param(default=False, type="boolean", description="Read and check the source, and load nothing"),
    }


def _schedule(pipeline: Pipeline, catalogue: Catalogue) -> tuple[Any, str | None]:
    """Airflow's schedule, and the cron expression that cuts partitions where a run is one."""
    if pipeline.schedule is None:
        return None, None
    if pipeline.schedule != ON_ASSET:
        if pipeline.is_partitioned:
            timetable = CronPartitionTimetable(
                pipeline.schedule, timezone="UTC", run_offset=-1, key_format=KEY_FORMAT
            )  # a partition is loaded when it is over
            return timetable, pipeline.schedule
        return CronDataIntervalTimetable(pipeline.schedule, timezone="UTC"), None
    return _asset_schedule(pipeline, catalogue)


def _asset_schedule(pipeline: Pipeline, catalogue: Catalogue) -> tuple[Any, str | None]:
    """All tables it needs were loaded; where some of them come in partitions, the same partition of each of those."""
    needed = catalogue.needed(pipeline)
    crons = {other.schedule for other in needed if other.is_partitioned}
    if not needed or len(crons) > 1:
        raise ConfigError(
            "the pipeline cannot wait for the tables it needs",
            where=f"{pipeline.qualified_name}, source.schedule",
            expected="`asset` with tables that have a source, and no more than one cut into partitions",
            found=f"partitions of {', '.join(sorted(map(str, crons)))}" if crons else "it needs no loaded table",
            next_step="give it a cron `schedule`, or declare `inputs` or a relationship",
        )
    if crons:
        assets = [_asset(other) for other in needed if other.is_partitioned]
        return PartitionedAssetTimetable(assets=AssetAll(*assets)), crons.pop()
    return [_asset(other) for other in needed], None


def _asset(pipeline: Pipeline) -> Asset:
    return table_asset(pipeline.schema, pipeline.table)


def _tasks(dag: DAG, pipeline: Pipeline, cron: str | None) -> None:
    shared: dict[str, Any] = {
        "domain": pipeline.domain,
        "table": pipeline.qualified_name,
        "cron": cron,
        "watermark_type": pipeline.watermark_type,
        "parallel": pipeline.parallel,
        "dag": dag,
    }
    pool: dict[str, Any] = {"pool": pipeline.pool} if pipeline.pool != DEFAULT_POOL else {}
    check = CheckSourceOperator(
        task_id="check", step=1, load_pool=pipeline.pool, publishes_each=pipeline.publishes_each, **shared
    )
    validate = ValidateTableOperator(task_id="validate", step=4, **shared)
    if pipeline.parallel > 1:
        kind = LoadPartOperator if pipeline.publishes_each else StagePartOperator
        parts = kind.partial(
            task_id="load_part", step=2, map_index_template="{{ task.part }}", **shared, **pool
        ).expand(part=check.output)
        load: LoadTableOperator = (
            SumPartsOperator(task_id="books", step=3, parts="load_part", **shared)
            if pipeline.publishes_each
            else PublishPartsOperator(task_id="publish", step=3, **shared)
        )
        check >> parts >> load >> validate
    else:
        load = LoadTableOperator(task_id="load", step=2, **shared, **pool)
        check >> load >> validate
    validate >> AnnounceTableOperator(task_id="announce", step=5, loaded_by=load.task_id, **shared)
