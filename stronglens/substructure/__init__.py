"""Substructure: whether the dark matter of a lens is smooth, holds sub-halos, or a vortex."""
