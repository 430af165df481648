"""The document covers every table, and the service keeps to it under generated requests."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from groundwork.access.api.openapi import document
from groundwork.access.repository import Repositories
from groundwork.contracts.contract import Domain
from groundwork.foundation.openapi_check import faults
from groundwork.foundation.probe_rows import probe_rows
from tests.fix_api import RunningApi
from tests.patience import PATIENCE_SECONDS

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_the_document_is_valid_and_complete(market_domain: Domain) -> None:
    made = json.loads(json.dumps(document([market_domain])))
    assert faults(made, market_domain) == []
    schemas = made["components"]["schemas"]
    assert schemas["market_orders_new"]["properties"]["status"]["enum"] == ["open", "filled", "cancelled"]
    assert "search_vector" not in schemas["market_news_articles_new"]["properties"]
    assert schemas["market_orders"]["properties"]["quantity"]["x-classification"] == "confidential"
    prices = made["paths"]["/api/v1/market/stock_prices/{ticker},{price_date}"]
    assert set(prices) == {"parameters", "get", "patch"}


def test_faults_are_found(market_domain: Domain) -> None:
    made = document([market_domain])
    made["openapi"] = "2.0"
    del made["paths"]["/api/v1/market/orders"]["post"]
    del made["components"]["schemas"]["market_orders"]
    made["components"]["schemas"]["market_strategies"]["type"] = "nothing"
    made["paths"]["/api/v1/market/strategies"]["get"]["operationId"] = "health"
    del made["paths"]["/api/v1/market/strategies/{strategy_id}"]["parameters"]
    found = "; ".join(faults(made, market_domain))
    for expected in ("OpenAPI 3.1", "orders lacks post", "leads nowhere", "no JSON Schema", "operationId", "declare {"):
        assert expected in found


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_generated_requests_find_no_server_error_and_no_undocumented_answer(
    api: RunningApi, market_domain: Domain
) -> None:
    repositories = Repositories(api.warehouse.engine, market_domain)
    for name, row in probe_rows(market_domain).items():
        repositories[name].insert([row])
    headers = {"X-API-Key": api.tokens["market_engineer"]}
    schema = schemathesis.openapi.from_url(f"{api.url}/openapi.json", headers=headers, timeout=PATIENCE_SECONDS)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 1 + 4 * len(market_domain.tables)
    answers: Counter[int] = Counter()
    for operation in operations:
        _try(operation, headers, answers)
    assert answers[200] > 20
    assert answers[422] > 50
    assert not [status for status in answers if status >= 500]


def _try(operation: Any, headers: dict[str, str], answers: Counter[int]) -> None:
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)

    @settings(
        max_examples=10,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(data=st.data())
    def answered(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(modes))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        response = case.call(headers=headers, timeout=PATIENCE_SECONDS)
        answers[response.status_code] += 1
        case.validate_response(response, checks=CHECKS, headers=headers)

    answered()
