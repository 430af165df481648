"""Changing shared state by plans: what, why, which lock, how to go back; then explained or applied, step by step."""
