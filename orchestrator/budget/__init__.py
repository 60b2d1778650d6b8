"""How much may be asked of the venue, and what its refusals mean for the next request."""
