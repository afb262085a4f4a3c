"""Requests read and judged as the hosted service judges them, with its messages."""
