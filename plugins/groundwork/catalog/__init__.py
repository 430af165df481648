"""The observed world: what databases really hold, in the same values that contracts are turned into."""
