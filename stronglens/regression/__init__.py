"""Regression: parameters of a lens and its source from one image."""
