"""The closed vocabularies of Groundwork: each word that is stored, compared or shown has its one home here."""

from __future__ import annotations

from enum import StrEnum


class Classification(StrEnum):
    """How freely a value may be shown, from least to most guarded."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @property
    def rank(self) -> int:
        """0 for public up to 3 for restricted."""
        return list(Classification).index(self)


class PersonalData(StrEnum):
    """Kinds of personal data a column can hold."""

    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    ADDRESS = "address"
    PAYMENT_CARD = "payment_card"
    IBAN = "iban"
    NATIONAL_ID = "national_id"
    IP_ADDRESS = "ip_address"
    DATE_OF_BIRTH = "date_of_birth"
    HEALTH = "health"


class Phase(StrEnum):
    """The three phases of a data foundation, in order."""

    SCHEMA_DESIGN = "schema_design"
    DATA_ACCESS_LAYER = "data_access_layer"
    DATA_INTEGRATION = "data_integration"

    @property
    def deliverable(self) -> str:
        """The name of what the phase delivers."""
        return {
            Phase.SCHEMA_DESIGN: "complete_database_schema",
            Phase.DATA_ACCESS_LAYER: "secure_data_APIs",
            Phase.DATA_INTEGRATION: "connected_data_flows",
        }[self]

    @property
    def criteria(self) -> tuple[str, ...]:
        """The names of the success criteria, in the order they are checked."""
        return {
            Phase.SCHEMA_DESIGN: ("schema_validated", "relationships_defined", "indexes_optimized"),
            Phase.DATA_ACCESS_LAYER: ("APIs_functional", "authentication_working", "performance_acceptable"),
            Phase.DATA_INTEGRATION: ("data_sync_working", "real_time_updates", "error_handling"),
        }[self]


class Severity(StrEnum):
    """How much a finding, a failed check or an alert matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Dimension(StrEnum):
    """The six dimensions of data quality."""

    COMPLETENESS = "completeness"
    VALIDITY = "validity"
    UNIQUENESS = "uniqueness"
    CONSISTENCY = "consistency"
    TIMELINESS = "timeliness"
    ACCURACY = "accuracy"


class CheckKind(StrEnum):
    """The neutral kinds of check a contract can ask for; engines (GX, SQL, dbt) translate them."""

    NOT_NULL = "not_null"
    UNIQUE = "unique"
    IN_SET = "in_set"
    BETWEEN = "between"
    LENGTH = "length"
    MATCHES = "matches"
    REFERENCES = "references"
    EXPRESSION = "expression"
    ROW_COUNT = "row_count"
    FRESHNESS = "freshness"
    QUERY = "query"
    EXPECTATION = "expectation"
    RECONCILIATION = "reconciliation"


class WriteMode(StrEnum):
    """How a load changes its table."""

    APPEND = "append"  # rows are added and never rewritten
    MERGE = "merge"  # rows are added, and changed by key
    REPLACE = "replace"  # the table becomes exactly what the source is
    SNAPSHOT = "snapshot"  # the rows of one day become exactly what the source is; other days stay
    SCD2 = "scd2"  # slowly changing dimension type 2: a changed row ends, and a new version begins
