"""Folds, pooled scores and reports. Knows neither pixels nor TensorFlow."""
