"""Change data capture from PostgreSQL: what a source table goes through, told in commit order and applied elsewhere.

Two ways promise the same. The log: logical decoding by `pgoutput` through a replication slot. The outbox: statement
triggers that write into `groundwork_flow.change` in the transaction of the change. Which one a server allows is
detected and told (`capability`). `consume` applies either to tables, with the position in the same transaction as the
rows, or hands the changes to a function.
"""
