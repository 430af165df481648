"""Faults that are really made (servers killed, networks cut, disks filled, data broken) and what follows them."""
