"""Task reconstruction: the source galaxy behind a lens, from the image and the lens model."""
