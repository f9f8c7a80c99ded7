"""Substructure: is a lens free of it, dotted with spheres, or crossed by a vortex."""
