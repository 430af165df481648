"""Files that tasks write: below the project's state folder, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from groundwork.model.errors import ConfigError
from groundwork.whole_file import write_whole


def state_file(home: Path, name: str) -> Path:
    """The path `name` below the state folder `home`.

    Raises: ConfigError when it leads out of it: a parameter of a run must not overwrite a contract or a program.
    """
    root, path = home.resolve(), (home / name).resolve()
    if path == root or not path.is_relative_to(root):
        raise ConfigError(
            "a task writes below the project's state folder only",
            where=str(root),
            expected="a path that stays in it",
            found=name,
            next_step="name a file without leading slash, and copy it from there",
        )
    return path


def write_state(path: Path, text: str) -> None:
    """Put `text` in the place of the file, in one step; a try after this one writes it again.

    Raises: ConfigError when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise ConfigError("the file cannot be written", where=str(path), found=error.strerror) from error
