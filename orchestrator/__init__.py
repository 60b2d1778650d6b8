"""The trader: many small deterministic machines behind four calls (apply, decide, next_deadline, snapshot)."""
