"""What may stop the trader from quoting."""
