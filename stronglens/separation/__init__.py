"""The separation task: take the noise off, the light of the lens from that of the source, and map the mass."""
