"""Bringing belief and venue together: start-up, gaps, unknown orders, shutdown."""
