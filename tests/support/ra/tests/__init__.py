"""tests -- of the RA itself: run with python3 -m unittest discover -s tests/support -t tests/support -p 'test_*.py'."""
