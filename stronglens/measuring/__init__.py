"""Trained networks put to telescope images: what all tasks do alike. What the numbers mean, a task says."""

from stronglens.measuring.files import Answer, Measurement, check_network, measure_files, refuse, write_measurements

__all__ = ["Answer", "Measurement", "check_network", "measure_files", "refuse", "write_measurements"]
