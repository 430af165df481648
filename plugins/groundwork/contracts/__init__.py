"""The declared world: contracts in the Open Data Contract Standard are read, checked, compared and derived from."""
