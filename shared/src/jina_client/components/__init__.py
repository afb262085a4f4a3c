"""What the components of frameworks need besides a client; the components are in ``_async/components.py``."""
