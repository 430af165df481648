"""What part of a table a reading is about, and the words by which another process finds the same part again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class TablePart:
    """Keys in `[first_key, end_key)`, and values of the watermark's column from `since` to `until`, both inclusive.

    Null is open. Rows whose watermark is null belong to the part whatever its bounds.
    """

    first_key: int | None = None
    end_key: int | None = None
    since: str | None = None
    until: str | None = None

    def description(self, name: str) -> str:
        """The part of the table called `name`: its name, and the bounds that are not open as JSON.

        >>> TablePart(first_key=0, end_key=1024).description("shop:public.orders")
        'shop:public.orders {"first_key": 0, "end_key": 1024}'
        """
        bounds = {key: value for key, value in asdict(self).items() if value is not None}
        return f"{name} {json.dumps(bounds, ensure_ascii=False)}"

    @classmethod
    def described(cls, name: str, description: str) -> TablePart | None:
        """The part that has this description; null when there is none."""
        told = description.removeprefix(f"{name} ")
        try:
            return cls(**json.loads(told)) if told != description else None
        except (ValueError, TypeError):
            return None
