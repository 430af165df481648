"""What the address of the page `Incidents` may ask for; what makes no sense is refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from groundwork.model.incident import Severity, Stage
from groundwork.pages.incident_view import ChosenList, ListName

NOTHING_IS_ALL = BeforeValidator(lambda value: value or None)  # a form sends its empty fields too
_Text = Annotated[str, Field(max_length=250, pattern=r"^[^\x00]*$")]  # PostgreSQL keeps no NUL
_Name = Annotated[_Text | None, NOTHING_IS_ALL]


class IncidentQuery(BaseModel):
    """The query of the address; its names are those of the form's fields and of the command's options."""

    show: Annotated[ListName | None, NOTHING_IS_ALL] = None
    page: int = Field(default=1, ge=1, le=1_000_000)
    stage: Annotated[Stage | None, NOTHING_IS_ALL] = None
    severity: Annotated[Severity | None, NOTHING_IS_ALL] = None
    fault_class: _Name = Field(default=None, alias="class")
    domain: _Name = None
    dag: _Name = None
    owner: _Name = None

    def chosen(self) -> ChosenList:
        """What is asked for, as a value."""
        return ChosenList(
            name=self.show,
            page=self.page,
            stage=self.stage,
            severity=self.severity,
            fault_class=self.fault_class,
            domain=self.domain,
            dag=self.dag,
            owner=self.owner,
        )
