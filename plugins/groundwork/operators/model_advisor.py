"""Claude as an advisor, through an Airflow connection of the common-ai provider.

Only asks and gives back what came: the guardrails judge it (`groundwork.specialists.guardrails`). Time is bounded as a
whole, tries and tokens are few. Importing the provider takes seconds, so it happens when a question is asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from groundwork.specialists.advisor import INSTRUCTIONS, Answer, Question, prompt

if TYPE_CHECKING:
    from pydantic import BaseModel

_MAX_TOKENS = 1_500  # of one answer
_MAX_REQUESTS = 3  # to the model per question: one, and two for an answer of the wrong form


class AirflowAdvisor:
    """Asks the model of an Airflow connection (type `pydanticai`); see `groundwork.specialists.advisor.Advisor`."""

    def __init__(self, connection_id: str, *, timeout_seconds: float = 60) -> None:
        self._connection_id = connection_id
        self._timeout_seconds = timeout_seconds
        self._name = connection_id

    @property
    def name(self) -> str:
        """The model's own name once it answered; before that the connection's."""
        return self._name

    def ask(self, question: Question) -> Answer:
        """The model's answer.

        Raises: whatever the connection, the provider or the model raises; TimeoutError when it takes too long.
        """
        from airflow.providers.common.ai.hooks.pydantic_ai import PydanticAIHook
        from pydantic_ai import UsageLimits

        hook = PydanticAIHook.get_hook(self._connection_id)
        agent = hook.create_agent(
            output_type=_answer_type(),
            instructions=INSTRUCTIONS,
            retries=1,
            model_settings={"timeout": self._timeout_seconds, "max_tokens": _MAX_TOKENS},
        )
        self._name = getattr(hook.get_conn(), "model_name", self._connection_id)

        async def run() -> Any:
            asked = agent.run(prompt(question), usage_limits=UsageLimits(request_limit=_MAX_REQUESTS))
            return (await asyncio.wait_for(asked, self._timeout_seconds)).output

        found = asyncio.run(run())
        return Answer(
            choice=found.choice,
            reasoning=found.reasoning,
            confidence=found.confidence,
            statements=tuple(found.statements),
        )


def _answer_type() -> type[BaseModel]:
    """The form the model must answer in; limits on values are the guardrails' business, so that they are recorded."""
    from pydantic import BaseModel, Field

    class Advice(BaseModel):
        """The choice among the options and why."""

        choice: str = Field(description="Name of exactly one of the options.")
        reasoning: str = Field(description="Why, from the evidence, in plain words.")
        confidence: float = Field(description="Between 0 and 1.")
        statements: list[str] = Field(default_factory=list, description="Empty, or CREATE INDEX statements.")

    return Advice
