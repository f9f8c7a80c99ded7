"""Task: compress images to a few numbers, and generate new images."""
