"""Who may write which paths, from policy, checked against a change."""
