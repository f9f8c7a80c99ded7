"""A dataset to a trained network: what all tasks do alike."""
