"""Readers of everything a table may come from: files of several formats, HTTP APIs, tables of databases, functions.

One module per kind; `groundwork.flow.source` opens the right one. Nothing here imports Airflow: connections and object
storage come in through `groundwork.flow.resources`.
"""
