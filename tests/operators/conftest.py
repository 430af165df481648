"""Lists the fixture modules of the operators' tests."""

from tests.operators.fix_channels import inbox, mails, pager
from tests.operators.fix_escalation import api, incident_id, store
from tests.operators.fix_guardian import place

__all__ = ["api", "inbox", "incident_id", "mails", "pager", "place", "store"]
