"""The local home is private, and says clearly what is wrong with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from groundwork.local.layout import Layout, write_private
from groundwork.model.errors import ConfigError


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(project=tmp_path / "project", home=tmp_path / "home")
    made.prepare()
    return made


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_for_the_owner_only(layout: Layout) -> None:
    assert {_mode(path) for path in (layout.home, *layout.home.iterdir())} == {0o700}


def test_preparing_twice_closes_a_folder_that_was_opened(layout: Layout) -> None:
    layout.home.chmod(0o755)
    layout.prepare()
    assert _mode(layout.home) == 0o700


def test_a_secret_is_made_once_and_private(layout: Layout) -> None:
    first = layout.secret("one")
    assert layout.secret("one") == first != layout.secret("two")
    assert len(first) >= 32
    assert _mode(layout.secrets / "one") == 0o600


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_private(path, "one")
    assert not write_private(path, "one")
    assert write_private(path, "two")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert _mode(path) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_home_of_another_user_is_refused(layout: Layout) -> None:
    os.chown(layout.home, 65534, 65534)
    with pytest.raises(ConfigError, match="another user") as caught:
        layout.prepare()
    assert caught.value.found == "user id 65534"


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be made"):
        Layout(project=tmp_path, home=tmp_path / "file" / "home").prepare()


@pytest.mark.parametrize("content", ["{", "[1]", ""])
def test_a_broken_config_is_told(layout: Layout, content: str) -> None:
    layout.config.write_text(content)
    with pytest.raises(ConfigError, match="do not read"):
        layout.read_config()
