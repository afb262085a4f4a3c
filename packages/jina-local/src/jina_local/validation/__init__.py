"""Validate requests as the hosted service does, with its error messages."""
