"""Writing: files, in one piece when the job is done, and databases, as the job goes."""

from .choice import Encoding, Output, open_output
from .files import FileOutput

__all__ = ["Encoding", "FileOutput", "Output", "open_output"]
