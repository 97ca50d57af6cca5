"""What a machine has, what slows or stops training on it, and how fast it trains."""
