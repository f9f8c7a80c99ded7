"""Figures of the reconstruction task."""
