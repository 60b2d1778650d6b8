"""Questions asked of many runs: which mechanism carries what."""
