"""Finding personal data by names, types, values and neighbours, and comparing that with the contracts."""
