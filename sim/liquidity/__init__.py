"""Queues and the matching walk, below the venue's front: the reference book and what stands in for it."""
