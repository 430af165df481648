"""The plugin file: cheap, alone, and what it registers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PROCESS_SECONDS

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.airflow
_PROBE = """
import json, sys, time
from pathlib import Path
import airflow.plugins_manager
from airflow._shared.plugins_manager.plugins_manager import _load_plugins_from_plugin_directory
folder = Path(sys.argv[1])
before = dict(sys.modules)
imported = began = time.process_time()
plugins, errors = _load_plugins_from_plugin_directory(str(folder))
seconds = time.process_time() - began
changed = [name for name, module in before.items() if sys.modules.get(name) is not module]
added = sorted(set(sys.modules) - set(before))
print(json.dumps({
    "plugins": [plugin.name for plugin in plugins], "errors": errors, "share": seconds / imported, "changed": changed,
    "added": added, "standard": sorted(set(added) & sys.stdlib_module_names),
    "views": [view["url_route"] for plugin in plugins for view in plugin.external_views],
    "applications": [app["url_prefix"] for plugin in plugins for app in plugin.fastapi_apps],
}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What happens when Airflow loads the plugins folder in a fresh process."""
    home = tmp_path_factory.mktemp("airflow")
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(PROJECT / "plugins")],
        env={"AIRFLOW_HOME": str(home), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
        timeout=PROCESS_SECONDS,
    )
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_one_file_is_executed_and_one_plugin_found(loaded: dict[str, object]) -> None:
    assert loaded["plugins"] == ["groundwork"]
    assert loaded["errors"] == {}


def test_it_registers_the_pages(loaded: dict[str, object]) -> None:
    assert loaded["views"] == ["groundwork"]
    assert loaded["applications"] == ["/groundwork"]


def test_it_leaves_every_module_alone(loaded: dict[str, object]) -> None:
    assert loaded["changed"] == []
    assert loaded["standard"] == []
    added = loaded["added"]
    assert isinstance(added, list)
    assert not {name.partition(".")[0] for name in added} - {"airflow", "groundwork", "groundwork_plugin"}


def test_it_costs_little(loaded: dict[str, object]) -> None:
    share = loaded["share"]
    assert isinstance(share, float)
    assert share < 0.02, "of the processor time that Airflow's own part takes to be imported"


def test_it_stays_short() -> None:
    assert len((PROJECT / "plugins" / "groundwork_plugin.py").read_text().splitlines()) < 100
