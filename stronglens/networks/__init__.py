"""Trunks of networks, images in and features out, and the blocks they are made of."""

from stronglens.networks.trunks import TRUNKS, build_trunk, head_seeds, watched_layers

__all__ = ["TRUNKS", "build_trunk", "head_seeds", "watched_layers"]
