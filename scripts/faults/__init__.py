"""The kinds of faults that scripts/trust.py tries, one a file, and what they share."""
