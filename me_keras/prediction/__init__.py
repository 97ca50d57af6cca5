"""Predictions of images, clips and long videos: alignment, windows, model, result, picture."""
