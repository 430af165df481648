"""Pages inside the Airflow UI: what Groundwork declared, built, checked and decided, for people.

Reads contracts, the store and the warehouse; changes nothing. Every route asks Airflow who is there.
"""
