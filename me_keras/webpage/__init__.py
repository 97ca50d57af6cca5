"""The page to try it: what it computes of a film, how that is shown, and the server behind it."""
