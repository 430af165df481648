"""From something that exists (a live database, a file, DDL) to a proposed contract, each guess with its evidence."""
