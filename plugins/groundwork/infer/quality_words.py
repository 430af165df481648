"""What the words of a column's name say about the values it holds: money, identifiers, codes, truth, events."""

from __future__ import annotations

from collections.abc import Iterable

from groundwork.governance.classification.names import words


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MONEY = _set(
    "price prices amount amounts cost costs fee fees total subtotal tax vat balance payment payments revenue salary "
    "wage wages budget discount charge charges paid due debit credit income expense expenses profit loss value money "
    "usd eur gbp chf jpy dollars euros cents preis betrag kosten gehalt umsatz open high low close bid ask dividend "
    "turnover rent premium refund deposit"
)
_IDENTIFIERS = _set("id ids key code codes no nr num number uuid guid ref reference sku isbn ean barcode serial hash")
_CODES = _set(
    "zip zipcode postcode postal plz phone telephone tel mobile fax msisdn iban bic swift ssn isbn ean upc gtin "
    "barcode sku imei vin passport telefon cpf cusip isin npi ndc fips ascii"
)
_SHARED_CODES = _set(
    "zip zipcode postcode postal plz phone telephone tel mobile fax telefon bic swift country currency"
)
_OF_ONE = _set("sku isbn ean upc gtin imei vin iban isin email mail username login slug serial ssn passport barcode")
_TRUTH_FIRST = _set("is has can should was did allow allows require requires use uses enable")
_TRUTH_LAST = _set(
    "flag enabled disabled active inactive deleted archived verified confirmed approved paid visible hidden public "
    "private valid required optional default primary subscribed locked published completed"
)
_CHOICES = _set(
    "status state type kind category class level currency sector segment channel gender sex priority stage tier mode "
    "role unit severity side method region outcome result rating grade shift phase reason language country continent"
)
_FREE = _set("name title description comment comments note notes text body message subject address url email path")
_EVENTS = _set(
    "loaded ingested inserted updated modified created recorded changed collected received event occurred published "
    "logged placed ordered observed measured transaction traded"
)
_NOT_EVENTS = _set("birth born dob due expiry expires expired expiration valid until end start planned scheduled hire")
_CLOCK = _set("date day at time timestamp datetime on when dt ts datum month")


def _has(name: str, found: frozenset[str]) -> bool:
    return bool(found.intersection(words(name)))


def says_money(name: str) -> bool:
    """Whether values are amounts of money, which must stay exact."""
    return _has(name, _MONEY)


def says_identifier(name: str) -> bool:
    """Whether values name things, so that neither their range nor their sum means anything.

    >>> says_identifier("customer_id"), says_identifier("idle_seconds")
    (True, False)
    """
    return _has(name, _IDENTIFIERS | _CODES)


def says_code(name: str) -> bool:
    """Whether digits in it are a code, not a number: leading zeros count and nobody adds them up."""
    return _has(name, _CODES)


def says_shared_code(name: str) -> bool:
    """Whether several rows may have the same code although a few rows happen not to.

    >>> says_shared_code("zip_code"), says_shared_code("order_code")
    (True, False)
    """
    return _has(name, _SHARED_CODES)


def says_one_of_a_kind(name: str) -> bool:
    """Whether the name says that no two things share the value, whatever table it stands in."""
    return _has(name, _OF_ONE) and not says_shared_code(name)


def says_truth(name: str) -> bool:
    """Whether 0 and 1 mean no and yes."""
    found = words(name)
    return bool(found) and (found[0] in _TRUTH_FIRST or found[-1] in _TRUTH_LAST)


def says_choice(name: str) -> bool:
    """Whether values come from a short list."""
    found = words(name)
    return bool(found) and found[-1] in _CHOICES


def says_free_text(name: str) -> bool:
    """Whether values are written freely, so that a short list of them is chance."""
    found = words(name)
    return bool(found) and found[-1] in _FREE


def says_clock(name: str) -> bool:
    """Whether values are days or moments."""
    return _has(name, _CLOCK)


def event_rank(name: str) -> int | None:
    """How well a time tells when rows come in, 0 being best; null for times that do not tell (birth, expiry).

    >>> event_rank("updated_at"), event_rank("birth_date")
    (0, None)
    """
    found = frozenset(words(name))
    if found & _NOT_EVENTS:
        return None
    ranked: Iterable[frozenset[str]] = (
        _set("loaded ingested inserted updated modified changed"),
        _set("created recorded collected received logged"),
        _EVENTS,
        _CLOCK,
    )
    return next((rank for rank, group in enumerate(ranked) if found & group), None)
