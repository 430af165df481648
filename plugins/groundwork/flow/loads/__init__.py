"""One load of one table: sifted, kept while it waits, published at once, and told in its books.

`load.py` is the way in, `parallel.py` the one of mapped tasks; `direct.py` is the short way into an empty table.
"""
