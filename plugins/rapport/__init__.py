"""Rapport: one trustworthy view of every customer, and e-mails that reach exactly the right people."""
