"""Writing: files, in one piece when the job is done, and databases, as the job goes."""

from .choice import Output, open_output
from .files import FileOutput

__all__ = ["FileOutput", "Output", "open_output"]
