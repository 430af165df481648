"""Tests of the release gates."""
