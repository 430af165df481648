"""A table compared with its source, by other means than those that loaded it."""
