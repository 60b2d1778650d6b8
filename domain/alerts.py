"""Names of alerts that machines read as well as people: the journal, its fold and the reports know them by these."""

KILL = "kill"
"""The kill switch was latched; the text is why."""
STOPPED = "stopped"
"""The orderly shutdown is over and nothing of ours rests."""
