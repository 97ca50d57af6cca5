"""Pages for people, made from what a run's folder holds: one self-contained HTML file each."""
