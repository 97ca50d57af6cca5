"""Looks a copy of a database over and changes nothing in it."""
