"""What a journal says of three complaints: orders that are not sent, stale quotes, a position that does not match."""
