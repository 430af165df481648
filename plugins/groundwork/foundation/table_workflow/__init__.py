"""The workflows that make a new table or change one, step by step, each step with what it found and why."""
