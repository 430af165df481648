"""One policy of ORBT as a file below `governance/policies`: read, checked, and told where it is wrong.

Which keys a policy has is its model's; the models stand with the code that carries the policy out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from groundwork.contracts.document import read_document
from groundwork.model.errors import ConfigError
from groundwork.orbt.policy_faults import PolicyFault, faults_of


class PolicyPart(BaseModel):
    """A part of a policy: frozen, and a key that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _compiles(expression: str) -> str:
    """The regular expression itself. Raises: ValueError when it is none."""
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError(f"`{expression}` is not a regular expression: {error}") from error
    return expression


Expression = Annotated[str, AfterValidator(_compiles)]
Policy = TypeVar("Policy", bound=PolicyPart)
_LOOK = "correct it; docs/index.md names the page that has an example"


def read_policy_document(path: Path, model: type[Policy], what: str = "this policy cannot be read") -> Policy:
    """The policy in a file; `what` is how a refusal begins.

    Raises: ConfigError with file and line when the file is missing, is no YAML, or is not what the model says.
    """
    try:
        document = read_document(path)
    except ConfigError as error:
        expected = error.expected or "a YAML mapping"
        raise ConfigError(what, where=error.where, expected=expected, found=error.found, next_step=_LOOK) from error
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        first, *others = faults_of(error, model, document)
        raise ConfigError(
            what,
            where=f"{path}:{first.line}:{first.column}",
            expected=first.expected,
            found=first.found,
            next_step=_next_step(first, others),
        ) from error


def read_policy_or(default: Policy, path: Path) -> Policy:
    """The policy in a file, of the kind that `default` is; `default` itself when there is no file.

    Raises: ConfigError when there is a file, and it is no YAML or not what the model says.
    """
    return read_policy_document(path, type(default)) if path.exists() else default


def _next_step(first: PolicyFault, others: list[PolicyFault]) -> str:
    look = _LOOK if first.meant is None else f"{first.meant} {_LOOK}"
    if not others:
        return look
    told = "; ".join(f"line {each.line}: {each}" for each in others)
    return f"{look}; also wrong: {told}"
