"""Copies of the real databases for tests: their names, numbers, sheets and flaws, fabricated."""
