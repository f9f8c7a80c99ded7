"""From a dataset to a trained network: steps shared by all tasks."""
