"""The schema guardian of a domain: contracts, database and code looked at every day, and nothing changed."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param

from groundwork.operators.guardian_code import CheckRulesOperator
from groundwork.operators.guardian_contracts import ContractDiffOperator, ValidateSchemaOperator
from groundwork.operators.guardian_database import CompareToDatabaseOperator, ExplainMigrationOperator
from groundwork.operators.guardian_report import GuardianReportOperator
from groundwork.operators.healing import healing

DOCUMENTATION = """
Looks whether a domain is in order, and changes nothing.

| task | what it looks at | the same as |
|---|---|---|
| validate_schema | every mistake in the contracts, with file, line, rule and fix | `groundwork validate-schema` |
| compare_to_db | how the live database differs from the contracts, both ways | `groundwork compare-to-db` |
| explain_migration | what would bring it there: reason, lock, risk, statements, way back; skipped when nothing would | `groundwork generate-migration explain` |
| check_rules | code that reaches data past the repositories | `groundwork rules check` |
| contract_diff | what the contracts' change breaks, and whether their versions announce it | `groundwork contract-diff` |
| report | one report of all of it, on the page *Daily report*; fails when a check failed | |

`fail_on` says what fails a task: `errors` (what is wrong for sure: a contract's mistake, an unannounced breaking change, code past
the repositories, a change that would have to be refused), `findings` (also warnings, differences, announced changes) or `never`.
A difference is judged by `explain_migration`, so that what to do about it is always told.
"""  # noqa: E501  a table's row is one line

with DAG(
    dag_id="schema_guardian",
    schedule=CronTriggerTimetable("30 4 * * *", timezone="UTC", run_immediately=timedelta()),
    catchup=False,
    max_active_runs=1,
    tags=["groundwork", "schema"],
    doc_md=DOCUMENTATION,
    params={
        "domain": Param("market", type="string", description="Folder below governance/contracts"),
        "connection": Param("warehouse", type="string", description="Airflow connection of the warehouse"),
        "fail_on": Param(
            "errors", type="string", enum=["never", "errors", "findings"], description="What fails a task"
        ),
        "against": Param(
            "main", type="string", description="Revision to compare contracts with, where the project is a repository"
        ),
    },
    default_args={
        "owner": "data-platform",
        **healing(),
        "domain": "{{ params.domain }}",
        "connection_id": "{{ params.connection }}",
        "fail_on": "{{ params.fail_on }}",
    },
):
    validate = ValidateSchemaOperator(task_id="validate_schema", step=1)
    compare = CompareToDatabaseOperator(task_id="compare_to_db", step=2, fail_on="never")
    explain = ExplainMigrationOperator(task_id="explain_migration", step=3)
    rules = CheckRulesOperator(task_id="check_rules", step=4)
    change = ContractDiffOperator(task_id="contract_diff", step=5, against="{{ params.against }}")
    report = GuardianReportOperator(
        task_id="report",
        step=6,
        trigger_rule="all_done",
        checks=["validate_schema", "compare_to_db", "explain_migration", "check_rules", "contract_diff"],
        when_needed={"explain_migration": "compare_to_db"},
    )
    validate >> compare >> explain >> report
    [rules, change] >> report
