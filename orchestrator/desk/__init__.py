"""What the trader keeps per instrument."""
