"""Lists the fixture modules of the operators' tests."""

from tests.operators.fix_guardian import place

__all__ = ["place"]
