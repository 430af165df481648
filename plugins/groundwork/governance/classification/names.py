"""What a column's name says about personal data.

A name is read as words (`emailAddress`, `EMAIL_ADDR` and `e_mail_address` are the same). A rule is a phrase of words;
words after the phrase that make it a property *about* the thing (`email_verified`, `card_type`) take the meaning away,
and so do words before it that give it another one (`mac_address`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from groundwork.model.vocabulary import Classification, PersonalData

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9\u00c0-\u024f]+")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ABOUT = _set(
    "allowed app at attribute category check code consent count domain domains enabled encrypted file flag format "
    "hash id ids in kind label language length limit model named opt pattern policy preference price provider rate "
    "regex region required sales sent server size status tag template total type url validated verified version view"
)
_QUESTIONS = frozenset({"is", "has", "can", "should", "was", "allow", "require", "use", "enable"})
_NOT_POSTAL = _set(
    "mac memory wallet ip web url bitcoin contract email mail host base bus network server bucket register"
)
_PERSONAL_TABLES = _set(
    "applicant citizen client contact customer employee guest kunde kunden member mitarbeiter passenger patient people "
    "person personen staff student subscriber user"
)
_PHRASES: dict[PersonalData, tuple[str, str]] = {
    # kind: (phrases that say it by themselves, phrases that need support from values or neighbours)
    PersonalData.EMAIL: ("email; mail address; mail addr; correo; courriel", "mail"),
    PersonalData.PHONE: (
        "phone; phone number; telephone; telefon; telefono; mobile number; mobile phone; cell phone; cell number; fax; "
        "handynummer; msisdn",
        "mobile; cell; tel; contact number; whatsapp",
    ),
    PersonalData.NAME: (
        "first name; last name; full name; given name; surname; family name; maiden name; middle name; forename; "
        "fname; lname; vorname; nachname; familienname; prenom; apellido; apellidos; cognome; author name; "
        "customer name; patient name; employee name; contact name; person name; passenger name; guest name; "
        "student name; holder name; card holder; cardholder; account holder; beneficiary name; recipient name",
        "name; author; customer; employee; patient; contact; recipient; owner; manager; beneficiary; passenger; guest; "
        "spouse; person; driver; doctor; teacher; reporter; assignee",
    ),
    PersonalData.ADDRESS: (
        "address; addr; street; street address; home address; address line; strasse; straße; anschrift; wohnort; "
        "domicilio",
        "residence; postal code; postcode; zip; zip code; plz; ship to; bill to; location",
    ),
    PersonalData.PAYMENT_CARD: (
        "card number; card no; card num; credit card; debit card; cc num; cc number; kreditkarte; kreditkartennummer; "
        "cvv; cvv2; cvc; card verification code",
        "pan",
    ),
    PersonalData.IBAN: ("iban; bank account number", "bank account; account number; kontonummer"),
    PersonalData.NATIONAL_ID: (
        "ssn; social security number; social security; national id; national insurance number; nino; passport; "
        "passport number; passport no; drivers license; driver license; drivers licence; driving licence; dni; "
        "nhs number; codice fiscale; cpf; pesel; bsn; personnummer; aadhaar; identity card; id card number; "
        "personalausweis; steuer id; sozialversicherungsnummer",
        "tax id; tin; nie; nif; sin; tax number; insurance number",
    ),
    PersonalData.IP_ADDRESS: ("ip; ip address; ip addr; ipaddress; remote addr; remote ip; ipv4; ipv6", ""),
    PersonalData.DATE_OF_BIRTH: (
        "date of birth; birth date; birthdate; birthday; dob; geburtsdatum; fecha nacimiento; date naissance; "
        "birth year; year of birth",
        "birth; born; born on; nacimiento",
    ),
    PersonalData.HEALTH: (
        "diagnosis; diagnoses; icd code; icd10; icd10 code; icd9; blood type; blood group; allergy; allergies; "
        "medical record; medical history; medical condition; vaccination; disability",
        "medication; condition; treatment; symptom; symptoms; prescription; health",
    ),
}
_AGENT = re.compile(r"^[a-z]{3,}(?:er|or|ee|ist|ant)s?$")  # reviewer_name, assignee_name: perhaps a person's
_SECRETS: tuple[tuple[str, Classification], ...] = (
    (
        "password; passwd; api key; access token; refresh token; secret; private key; secret key",
        Classification.RESTRICTED,
    ),
    ("salary; wage; compensation; net worth; account balance", Classification.CONFIDENTIAL),
)


@dataclass(frozen=True, kw_only=True)
class NameHit:
    """A phrase found in a name; a strong one says it by itself, a weak one needs support."""

    personal_data: PersonalData
    phrase: str
    is_strong: bool


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case.

    >>> words("e_mail_Address2")
    ('email', 'address2')
    """
    found = tuple(word.lower() for word in _BOUNDARY.split(name) if word)
    joined: list[str] = []
    for word in found:
        if word == "mail" and joined and joined[-1] == "e":
            joined[-1] = "email"
        else:
            joined.append(word)
    return tuple(joined)


def name_pattern(name: str) -> str:
    """The form in which names count as alike: words in lower case, without numbers.

    >>> name_pattern("Cust_Email_2") == name_pattern("custEmail")
    True
    """
    kept = [re.sub(r"\d+", "", word) for word in words(name)]
    return " ".join(word for word in kept if word) or name.lower()


@lru_cache(maxsize=16_384)  # every column of a table asks about all of its neighbours
def match_name(name: str) -> tuple[NameHit, ...]:
    """What the name says, strong phrases before weak ones and longer ones before shorter."""
    parts = words(name)
    plain = tuple(word.rstrip("0123456789") or word for word in parts)  # address2 is an address, icd10 stays itself
    hits = [
        NameHit(personal_data=kind, phrase=" ".join(phrase), is_strong=is_strong)
        for kind, phrase, is_strong in _rules()
        if _says(parts, phrase, kind, is_strong=is_strong) or _says(plain, phrase, kind, is_strong=is_strong)
    ]
    if len(parts) == 2 and parts[1] == "name" and _AGENT.match(parts[0]):
        hits.append(NameHit(personal_data=PersonalData.NAME, phrase="name of somebody", is_strong=False))
    return tuple(sorted(hits, key=lambda hit: (not hit.is_strong, -len(hit.phrase))))


def demanded_by_name(name: str) -> tuple[Classification, str] | None:
    """The classification that a name asks for although it is no personal data: secrets and pay."""
    parts = words(name)
    for phrases, classification in _SECRETS:
        for phrase in _split(phrases):
            place = _find(parts, phrase)
            if place is not None and not _is_about(parts, place + len(phrase), {"hash", "encrypted"}):
                return classification, " ".join(phrase)
    return None


def is_about_persons(table: str) -> bool:
    """Whether a table's name says that its rows are persons."""
    return any(word in _PERSONAL_TABLES or word.rstrip("s") in _PERSONAL_TABLES for word in words(table))


def is_version(name: str) -> bool:
    """Whether a name says that its values are version numbers, which look like IP addresses."""
    return bool({"version", "firmware", "release", "build", "revision"} & set(words(name)))


def _says(parts: tuple[str, ...], phrase: tuple[str, ...], kind: PersonalData, *, is_strong: bool) -> bool:
    place = _find(parts, phrase)
    if place is None or (parts[0] in _QUESTIONS and len(parts) > len(phrase)):
        return False
    if phrase == ("name",) and len(parts) > 1:
        return False  # company_name, file_name: only a bare `name` can be a person's by its neighbours
    if not is_strong and len(phrase) == 1 and place + 1 != len(parts):
        return False  # customer_segment is about a customer, not the customer
    if kind is PersonalData.ADDRESS and place and parts[place - 1] in _NOT_POSTAL:
        return False
    return not _is_about(parts, place + len(phrase), frozenset())


def _is_about(parts: tuple[str, ...], after: int, exceptions: frozenset[str] | set[str]) -> bool:
    return any(word in _ABOUT and word not in exceptions for word in parts[after:])


def _find(parts: tuple[str, ...], phrase: tuple[str, ...]) -> int | None:
    for place in range(len(parts) - len(phrase) + 1):
        if parts[place : place + len(phrase)] == phrase:
            return place
    return None


@cache
def _rules() -> tuple[tuple[PersonalData, tuple[str, ...], bool], ...]:
    return tuple(
        (kind, phrase, is_strong)
        for kind, (strong, weak) in _PHRASES.items()
        for phrases, is_strong in ((strong, True), (weak, False))
        for phrase in _split(phrases)
    )


def _split(phrases: str) -> list[tuple[str, ...]]:
    return [tuple(phrase.split()) for phrase in phrases.split(";") if phrase.strip()]
