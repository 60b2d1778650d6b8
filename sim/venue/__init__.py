"""The venue's front, the one that every run uses: intake, batches, checks, ids, accounts, reports.

What lies below it, queues and the matching walk, is `sim.liquidity`. Nothing in here knows a clock, an
event loop or chance: `now` is an argument and the answers wait in an outbox.
"""
