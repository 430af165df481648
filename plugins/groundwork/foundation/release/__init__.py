"""Release gates: five measurements on the live system that let a release pass or block it, and say why."""
