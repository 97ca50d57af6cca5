"""What printed the figures in docs/benchmarks.md: `python -m benchmarks`, or one part alone."""
