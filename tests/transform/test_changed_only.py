"""Only what changed is built when that is asked for, and nothing that needs it is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from groundwork.model.errors import ConfigError, DataQualityError, RetriableError
from groundwork.settings import Settings
from groundwork.transform.build import build
from groundwork.transform.choice import choose
from groundwork.transform.state import BuildState
from tests.fix_postgres import Database
from tests.transform.small_project import MODELS, make_orders, make_project, write_model

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]


class Place:
    """A small project, its warehouse, and the folders of its state."""

    def __init__(self, folder: Path, database: Database) -> None:
        make_orders(database.engine)
        self.engine = database.engine
        self.project = make_project(folder / "project")
        self.target_path = folder / "target"
        self.state = BuildState.of(folder, database.engine, "market")

    def build(self, **options: object) -> set[str]:
        """The names of the models that were built."""
        report = build(self.project, self.engine.url, target_path=self.target_path, state=self.state, **options)  # type: ignore[arg-type]
        return {model.name for model in report.models}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, module_database: Database) -> Place:
    made = Place(tmp_path_factory.mktemp("small"), module_database)
    assert made.build(changed_only=True) == set(MODELS)  # nothing is known yet, so everything is new
    return made


def test_a_changed_model_is_built_with_what_is_made_of_it_and_nothing_else(place: Place) -> None:
    def chosen() -> tuple[str, ...]:
        options = {"target_path": place.target_path, "state": place.state}
        return choose(place.project, place.engine.url, changed_only=True, **options)

    assert chosen() == ()
    write_model(place.project, "large_orders", "SELECT order_id FROM {{ ref('orders') }} WHERE amount > 12")
    assert set(chosen()) == {"model.small.large_orders", "model.small.large_count"}
    assert place.build(changed_only=True) == {"large_orders", "large_count"}
    assert place.build(changed_only=True) == set()


def test_what_the_warehouse_lost_is_built_though_nothing_changed(place: Place) -> None:
    with place.engine.begin() as connection:
        connection.execute(text("DROP TABLE market_small.small_orders"))
    assert place.build(changed_only=True) == {"small_orders"}


def test_what_failed_is_built_again_until_it_is_good(place: Place) -> None:
    with place.engine.begin() as connection:
        connection.execute(text("INSERT INTO raw.orders VALUES (NULL, 100)"))
    with pytest.raises(DataQualityError, match="not_null"):
        place.build()
    assert "model.small.orders" in place.state.unfinished()
    with place.engine.begin() as connection:
        connection.execute(text("DELETE FROM raw.orders WHERE order_id IS NULL"))
    assert place.build(changed_only=True) == set(MODELS)  # nothing changed in the project: they had failed or waited
    assert place.state.unfinished() == ()


def test_a_model_that_does_not_compile_is_told_and_stays_to_be_built(place: Place) -> None:
    write_model(place.project, "small_orders", "SELECT {{ no_such_macro() }} AS order_id FROM {{ ref('orders') }}")
    with pytest.raises((ConfigError, DataQualityError), match="no_such_macro"):
        place.build(changed_only=True)
    write_model(place.project, "small_orders", "SELECT order_id + 0 AS order_id FROM {{ ref('orders') }}")
    assert place.build(changed_only=True) == {"small_orders"}


def test_a_source_table_that_is_missing_is_told(place: Place) -> None:
    with place.engine.begin() as connection:
        connection.execute(text("ALTER TABLE raw.orders RENAME TO elsewhere"))
    try:
        with pytest.raises(DataQualityError, match=r'relation "raw.orders" does not exist') as caught:
            place.build(select="orders")
        assert caught.value.found == "orders"
        assert place.state.unfinished() == ("model.small.orders",)
    finally:
        with place.engine.begin() as connection:
            connection.execute(text("ALTER TABLE raw.elsewhere RENAME TO orders"))
    assert place.build(select="orders") == {"orders"}
    assert place.state.unfinished() == ()


def test_a_selection_of_nothing_and_two_selections_are_refused(place: Place) -> None:
    with pytest.raises(ConfigError, match="names no model"):
        place.build(select="no_such_model")
    with pytest.raises(ConfigError, match="not clear"):
        place.build(select="orders", changed_only=True)


def test_a_damaged_state_and_a_warehouse_that_is_away_are_told(tmp_path: Path, database: Database) -> None:
    state = BuildState.of(tmp_path, database.engine, "market")
    state.folder.mkdir(parents=True)
    (state.folder / "manifest.json").write_text("{half", encoding="utf-8")
    with pytest.raises(ConfigError, match="does not read") as caught:
        state.arguments()
    assert str(state.folder) in str(caught.value.next_step)
    state.forget()
    assert state.arguments() == []
    away = BuildState(folder=state.folder, warehouse=create_engine(database.engine.url.set(port=1)))
    away.folder.mkdir(parents=True)
    (away.folder / "manifest.json").write_text(
        '{"nodes": {"model.a.b": {"resource_type": "model", "schema": "s", "alias": "b", "fqn": ["a", "b"]}}}',
        encoding="utf-8",
    )
    with pytest.raises(RetriableError, match="could not be reached") as refused:
        away.arguments()
    assert str(database.engine.url.password) not in str(refused.value)


def test_two_warehouses_have_two_states(database: Database, tmp_path: Path) -> None:
    elsewhere = create_engine(database.engine.url.set(database="elsewhere"))
    assert BuildState.of(tmp_path, database.engine).folder != BuildState.of(tmp_path, elsewhere).folder
    assert Settings.from_environment().home not in BuildState.of(tmp_path, elsewhere).folder.parents
