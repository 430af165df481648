"""Files that are written whole or not at all: whoever reads sees the old content or the new one, also after a crash.

Owns nothing but the writing; what may stand where, and what is said when it cannot, is the callers' matter.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PRIVATE = 0o600  # for its owner only


def write_whole(path: Path, text: str, *, mode: int = PRIVATE, is_new: bool = False) -> None:
    """Put `text` (as UTF-8, line ends as they are) at `path` in one step, with the permissions `mode`.

    With `is_new` there must be nothing at `path`, not even something made by another process meanwhile.

    Raises: OSError, of which FileExistsError tells that there is something; then all is as it was before.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as sink:
            sink.write(text.encode())
            sink.flush()
            os.fsync(sink.fileno())
        draft.chmod(mode)
        if is_new:
            path.hardlink_to(draft)  # unlike a rename this fails when the name is taken
        else:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
