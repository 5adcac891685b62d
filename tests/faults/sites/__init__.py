"""sites -- sweeps over every call that changes STATE or is seen outside (README.md)."""
