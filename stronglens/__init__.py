"""Neural networks for strong gravitational lenses."""
