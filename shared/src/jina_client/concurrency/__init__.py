"""The differences between the two clients: threads and blocking calls, or tasks and coroutines.

:mod:`.tasks` serves the asynchronous client and :mod:`.threads` the synchronous one that is generated from it. Both
modules have the same names with the same meaning, so that the generator only has to change the import.
"""
