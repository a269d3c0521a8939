"""Heads on frozen features, and models of their errors."""
