"""The text in images and PDFs. Needs the extra: ``pip install "jina-local[images]"``."""
