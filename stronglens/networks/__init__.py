"""Trunks of networks: images in, features out."""

from stronglens.networks.trunks import build_trunk, head_seeds, watched_layers

__all__ = ["build_trunk", "head_seeds", "watched_layers"]
