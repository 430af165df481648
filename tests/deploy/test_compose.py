"""The composed deployment holds together as far as that shows without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

_PROJECT = Path(__file__).resolve().parents[2]
_REQUIRED = ("GROUNDWORK_SECRETS", "GROUNDWORK_IMAGE", "GROUNDWORK_URL")
_ONE_SHOT = {"init"}
_MOUNTED = re.compile(r"/run/secrets/([a-z.-]+)")


def _compose() -> tuple[str, ...]:
    """Debian's docker-compose or the plugin of the docker client, whichever is here."""
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) is not None:
            shown = subprocess.run((*command, "version"), capture_output=True, check=False)
            if shown.returncode == 0:
                return command
    pytest.skip("no Compose is installed here (Debian: apt install docker-compose)")


def _config(**values: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDWORK")}
    with tempfile.NamedTemporaryFile() as nothing:  # in place of a developer's .env
        return subprocess.run(
            (*_compose(), "--file", str(_PROJECT / "docker-compose.yml"), "--env-file", nothing.name, "config"),
            env={**environment, **values},
            cwd=_PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    subprocess.run((_PROJECT / "deploy" / "make-secrets", folder), check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def config(secrets: Path) -> dict[str, Any]:
    """What Compose makes of the file."""
    shown = _config(GROUNDWORK_SECRETS=str(secrets), GROUNDWORK_IMAGE="groundwork:test", GROUNDWORK_URL="http://x:8080")
    assert shown.returncode == 0, shown.stderr
    return dict(YAML(typ="safe").load(shown.stdout))


@pytest.mark.parametrize("missing", _REQUIRED)
def test_it_refuses_to_start_while_something_is_unset(missing: str, secrets: Path) -> None:
    values = {"GROUNDWORK_SECRETS": str(secrets), "GROUNDWORK_IMAGE": "x", "GROUNDWORK_URL": "http://x"}
    shown = _config(**{**values, missing: ""})
    assert shown.returncode != 0
    assert missing in shown.stderr


def test_the_example_sets_no_value() -> None:
    lines = (_PROJECT / ".env.example").read_text().splitlines()
    settings = [line for line in lines if line and not line.startswith("#")]
    assert settings == [f"{name}=" for name in _REQUIRED]


def test_the_services_are_there(config: dict[str, Any]) -> None:
    assert set(config["services"]) == {
        "postgres", "redis", "init", "api-server", "scheduler", "dag-processor", "triggerer", "worker", "data-api",
    }  # fmt: skip


def test_every_lasting_service_has_a_health_check_and_comes_back(config: dict[str, Any]) -> None:
    for name, service in config["services"].items():
        if name not in _ONE_SHOT:
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_only_ui_and_data_api_are_published_and_only_on_loopback(config: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in config["services"].items() if service.get("ports")}
    assert set(published) == {"api-server", "data-api"}
    assert all("127.0.0.1" in json.dumps(ports) for ports in published.values())


def test_each_service_gets_the_secrets_it_reads_and_each_has_a_file(config: dict[str, Any], secrets: Path) -> None:
    for name, service in config["services"].items():
        given = {one if isinstance(one, str) else one["source"] for one in service.get("secrets", ())}
        read = set(_MOUNTED.findall(json.dumps([service.get(part) for part in ("environment", "command")])))
        assert read <= given, name
    for name, secret in config["secrets"].items():
        assert Path(secret["file"]).parent == secrets
        assert (secrets / name).is_file()


def test_no_secret_stands_in_the_configuration(config: dict[str, Any], secrets: Path) -> None:
    everything = json.dumps(config)
    for path in secrets.iterdir():
        assert path.read_text() not in everything, path.name
    assert "password" not in json.dumps([service.get("environment") for service in config["services"].values()])


def test_secrets_are_random_and_in_a_private_folder(secrets: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run((_PROJECT / "deploy" / "make-secrets", other), check=True, capture_output=True)
    assert stat.S_IMODE(other.stat().st_mode) == 0o700
    for path in other.iterdir():
        assert len(path.read_text()) >= 24
        assert path.read_text() != (secrets / path.name).read_text()
    json.loads((other / "connections.json").read_text())


def test_secrets_are_never_overwritten(secrets: Path) -> None:
    before = {path: path.read_text() for path in secrets.iterdir()}
    again = subprocess.run((_PROJECT / "deploy" / "make-secrets", secrets), capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "never overwritten" in again.stderr
    assert {path: path.read_text() for path in secrets.iterdir()} == before


def test_the_image_copies_only_what_exists() -> None:
    text = (_PROJECT / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    allowed = (_PROJECT / ".dockerignore").read_text().splitlines()
    for source in copied:
        assert (_PROJECT / source).exists(), source
        assert f"!{source}" in allowed, source
