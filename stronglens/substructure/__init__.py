"""Substructure: classification of lenses with smooth dark matter, with subhalos, or with a vortex."""
