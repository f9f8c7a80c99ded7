"""Regression: the parameters of a lens and its source, measured from one image."""
