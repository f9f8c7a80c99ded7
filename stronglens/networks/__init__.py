"""Trunks of networks, images in and features out, and the blocks they are made of."""

from stronglens.networks.trunks import build_trunk, head_seeds, watched_layers

__all__ = ["build_trunk", "head_seeds", "watched_layers"]
