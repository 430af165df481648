"""What sampled values say about personal data: the share of them that each recognizer accepts.

Pattern recognizers of presidio-analyzer without language models, phonenumbers and python-stdnum; nothing is fetched
(the list of public domain suffixes is the copy that tldextract carries). Values never leave this module.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from groundwork.model.vocabulary import PersonalData


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "AU", "JP")  # tried for numbers without a country code
_CARD = re.compile(r"^(4|5[1-5]|2[2-7]|3[47]|6011|64[4-9]|65|30[0-5]|3[68]|35)\d+$")
_NAME_WORD = re.compile(r"^[^\W\d_][^\W\d_.'\u2019-]*(?:[.'\u2019-][^\W\d_]*)*$")
_NAME_PARTICLES = _set("van von de del della der den di da dos la le bin ibn al el of y zu ter")
_COMPANY = _set(
    "ag bank bv capital co company corp corporation fund gmbh group holding holdings inc incorporated industries "
    "kg limited llc ltd nv partners plc sa se trust"
)
_STREET = re.compile(
    r"(?:\b(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|square|court|boulevard|blvd|rue|via|calle|plaza)\b|"
    r"(?:straße|strasse|weg|allee|gasse|platz|ring|str\.)(?:\s|$))",
    re.IGNORECASE,
)
_THREE_OR_FOUR = re.compile(r"^\d{3,4}$")
_ICD10 = re.compile(r"^[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?$")
_SMALL_OCTET = 40  # dotted quads that never exceed it read as version numbers
_OLDEST_BIRTH_YEAR = 1900


@dataclass(frozen=True, kw_only=True)
class ValueHit:
    """How many of the sampled values a recognizer accepted.

    A `is_self_evident` recognizer needs no support from the name (a valid IBAN is an IBAN).
    """

    personal_data: PersonalData
    rule: str
    share: float
    is_self_evident: bool


Recognizer = Callable[[str], bool]


def match_values(values: Sequence[str]) -> tuple[ValueHit, ...]:
    """The recognizers that accepted at least one of the distinct values, best first."""
    distinct = [value.strip() for value in dict.fromkeys(values) if value and value.strip()]
    if not distinct:
        return ()
    hits = []
    for kind, rule, is_self_evident, recognizer in _recognizers():
        accepted = sum(1 for value in distinct if recognizer(value))
        if accepted:
            hits.append(
                ValueHit(personal_data=kind, rule=rule, share=accepted / len(distinct), is_self_evident=is_self_evident)
            )
    if _reads_as_versions(distinct):
        hits = [hit for hit in hits if hit.personal_data is not PersonalData.IP_ADDRESS]
    return tuple(sorted(hits, key=lambda hit: -hit.share))


@cache
def _recognizers() -> tuple[tuple[PersonalData, str, bool, Recognizer], ...]:
    return (
        (PersonalData.EMAIL, "e-mail address", True, _whole(_email())),
        (PersonalData.EMAIL, "text with an e-mail address in it", False, _within(_email())),
        (PersonalData.PHONE, "telephone number with country code", True, _is_international_phone),
        (PersonalData.PHONE, "telephone number", False, _is_phone),
        (PersonalData.PAYMENT_CARD, "card number with a valid check digit", True, _is_card),
        (PersonalData.PAYMENT_CARD, "three or four digits", False, lambda value: bool(_THREE_OR_FOUR.match(value))),
        (PersonalData.IBAN, "IBAN with valid check digits", True, _is_iban),
        *((PersonalData.NATIONAL_ID, rule, certain, check) for rule, certain, check in _national_ids()),
        (PersonalData.IP_ADDRESS, "IP address", True, _is_ip_address),
        (PersonalData.NAME, "two or more words that read as a person's name", False, _is_full_name),
        (PersonalData.NAME, "reads as a person's name", False, _is_name),
        (PersonalData.ADDRESS, "street with a house number", True, _is_street),
        (PersonalData.DATE_OF_BIRTH, "date in a person's lifetime", False, _is_birth_date),
        (PersonalData.HEALTH, "code of the ICD-10", False, lambda value: bool(_ICD10.match(value))),
    )


def _national_ids() -> tuple[tuple[str, bool, Recognizer], ...]:
    from stdnum.br import cpf
    from stdnum.de import idnr
    from stdnum.es import dni, nie
    from stdnum.fi import hetu
    from stdnum.fr import nir
    from stdnum.gb import nhs
    from stdnum.it import codicefiscale
    from stdnum.nl import bsn
    from stdnum.pl import pesel
    from stdnum.se import personnummer
    from stdnum.us import ssn

    # Numbers with a check letter or two check digits are evident; a single check digit fits one number in ten.
    return (
        ("Spanish DNI or NIE", True, lambda value: bool(dni.is_valid(value) or nie.is_valid(value))),
        ("Italian codice fiscale", True, lambda value: len(value) == 16 and bool(codicefiscale.is_valid(value))),
        ("Finnish henkilötunnus", True, lambda value: "-" in value and bool(hetu.is_valid(value))),
        ("French NIR", True, lambda value: len(value) >= 15 and bool(nir.is_valid(value))),
        ("Brazilian CPF", False, lambda value: bool(cpf.is_valid(value))),
        ("US social security number", False, lambda value: value.count("-") == 2 and bool(ssn.is_valid(value))),
        ("NHS number", False, lambda value: bool(nhs.is_valid(value))),
        ("Polish PESEL", False, lambda value: bool(pesel.is_valid(value))),
        ("Dutch BSN", False, lambda value: bool(bsn.is_valid(value))),
        ("German tax number", False, lambda value: bool(idnr.is_valid(value))),
        ("Swedish personnummer", False, lambda value: bool(personnummer.is_valid(value))),
    )


@cache
def _email() -> Any:
    """Presidio's e-mail recognizer, kept off the network."""
    import tldextract
    from presidio_analyzer.predefined_recognizers import EmailRecognizer

    suffixes = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())

    class OfflineEmailRecognizer(EmailRecognizer):
        """The same recognizer with the list of domain suffixes that is installed."""

        def validate_result(self, pattern_text: str) -> bool:
            """Whether the domain ends in a public suffix; names reserved for documentation count too."""
            return suffixes(pattern_text).fqdn != "" or pattern_text.rpartition(".")[2] in {"example", "test"}

    return OfflineEmailRecognizer()


def _whole(recognizer: Any) -> Recognizer:
    def accepts(value: str) -> bool:
        return "@" in value and any(
            found.end - found.start >= len(value) - 2 for found in recognizer.analyze(value, ["EMAIL_ADDRESS"])
        )

    return accepts


def _within(recognizer: Any) -> Recognizer:
    return lambda value: "@" in value and bool(recognizer.analyze(value, ["EMAIL_ADDRESS"]))


def _is_international_phone(value: str) -> bool:
    return value.startswith(("+", "00")) and _parses_as_phone("+" + value.lstrip("+0"), None)


def _is_phone(value: str) -> bool:
    digits = sum(character.isdigit() for character in value)
    if not 7 <= digits <= 15 or re.search(r"[^\d\s()+./x-]", value):
        return False
    candidates = [(value, region) for region in _REGIONS] + [("+" + value.lstrip("+0"), None)]
    return any(_parses_as_phone(number, region) for number, region in candidates)


def _parses_as_phone(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, region)))
    except phonenumbers.NumberParseException:
        return False


def _is_card(value: str) -> bool:
    from stdnum import luhn

    digits = re.sub(r"[ -]", "", value)
    return 13 <= len(digits) <= 19 and bool(_CARD.match(digits)) and bool(luhn.is_valid(digits))


def _is_iban(value: str) -> bool:
    from stdnum import iban

    return bool(iban.is_valid(value))


def _is_ip_address(value: str) -> bool:
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return False
    return "." in value or ":" in value


def _reads_as_versions(values: Sequence[str]) -> bool:
    quads = [value.split(".") for value in values if re.fullmatch(r"\d+(\.\d+){3}", value)]
    return bool(quads) and all(int(part) <= _SMALL_OCTET for quad in quads for part in quad)


def _is_full_name(value: str) -> bool:
    return len(value.split()) >= 2 and _is_name(value)


def _is_name(value: str) -> bool:
    parts = value.replace(",", " ").split()
    if not 1 <= len(parts) <= 5 or any(part.lower().strip(".") in _COMPANY for part in parts):
        return False
    capitalised = [part for part in parts if part.lower() not in _NAME_PARTICLES]
    return bool(capitalised) and all(_NAME_WORD.match(part) and part[0].isupper() for part in capitalised)


def _is_street(value: str) -> bool:
    return len(value) <= 200 and bool(_STREET.search(value)) and any(character.isdigit() for character in value)


def _is_birth_date(value: str) -> bool:
    match = re.match(r"^(?:\d{1,2}[./-]\d{1,2}[./-])?(\d{4})(?:-\d{2}-\d{2}.*)?$", value)
    return match is not None and _OLDEST_BIRTH_YEAR <= int(match[1]) <= datetime.now(UTC).year
