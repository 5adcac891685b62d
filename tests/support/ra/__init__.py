"""ra -- a strict ACME registration authority and a Token Authority, for tests only (README.md)."""
