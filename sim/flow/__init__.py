"""Everybody else who trades: background flow, as operations for the venue."""
