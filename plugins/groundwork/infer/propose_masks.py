"""Which mask a kind of personal data gets when nobody has chosen one, in a form that its column can hold."""

from __future__ import annotations

from groundwork.infer.types import Family
from groundwork.model.policy import Mask
from groundwork.model.vocabulary import PersonalData

_MASKS = {
    PersonalData.NAME: Mask.PARTIAL,
    PersonalData.EMAIL: Mask.PARTIAL,
    PersonalData.PHONE: Mask.PARTIAL,
    PersonalData.ADDRESS: Mask.REDACT,
    PersonalData.PAYMENT_CARD: Mask.PARTIAL,
    PersonalData.IBAN: Mask.PARTIAL,
    PersonalData.NATIONAL_ID: Mask.HASH,
    PersonalData.IP_ADDRESS: Mask.HASH,
    PersonalData.DATE_OF_BIRTH: Mask.NULL,
    PersonalData.HEALTH: Mask.REDACT,
}


def proposed_mask(personal_data: PersonalData, family: Family) -> Mask:
    """The mask for this kind; null where the column's type cannot hold the better one."""
    mask = _MASKS[personal_data]
    can_hold = family is Family.TEXT or (family is Family.UUID and mask is Mask.HASH)
    return mask if can_hold else Mask.NULL
