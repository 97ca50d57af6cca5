"""Examines a copy of a database and changes nothing in it."""
