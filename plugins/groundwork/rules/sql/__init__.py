"""SQL read as a program: texts with gaps made whole, parsed, their names resolved. Nothing is run."""
