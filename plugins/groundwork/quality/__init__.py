"""Quality: checks are run on tables by Great Expectations and by SQL, judged, scored by dimension, and kept."""
