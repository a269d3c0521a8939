"""Whom to ask next. Pure functions."""
