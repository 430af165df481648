"""Lets `python -m groundwork.cli` stand in for the command `groundwork`."""

from groundwork.cli.main import main

main()
