"""The errors of indexes that are not those of the client."""

from jina_client import JinaError, JinaInputError


class IndexFileError(JinaError):
    """The folder holds no index or another kind of index, or its files are damaged, not writable, or open elsewhere."""


def fixed_setting(name: str, owner: type) -> JinaInputError:
    """Return the error for a change of a setting that an index depends on, such as its model.

    Args:
        name: the setting.
        owner: the class that has it.
    """
    return JinaInputError(f"{name} cannot change, because the index depends on it; make a new {owner.__name__}")
