"""Dags that follow from contracts: one per table with a source, made anew at every parse from what is declared."""
