"""Simulation of images from parameters: random draws, derived quantities and chunks of work."""
