"""Figures and animations of explanations."""
