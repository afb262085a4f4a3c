"""A server of the embedded engine in a process of its own, to be watched and ended by signals."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import psutil
import requests
import warm

MODEL = "jina-clip-v2"


@dataclass
class Served:
    """A server in a process of its own, whose memory is watched."""

    process: warm.Process | subprocess.Popen[str]
    url: str
    key: str = ""
    peak: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Note the largest resident memory of the server and its worker in bytes, until told to stop."""
        server = psutil.Process(self.process.pid)
        worker: psutil.Process | None = None
        while not self.stop.wait(0.05):
            try:
                # Looking for the worker reads the table of all processes, so only when there is a new one.
                if worker is None or not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE:
                    worker = next(iter(server.children()), None)
                self.peak = max(self.peak, server.memory_info().rss + (worker.memory_info().rss if worker else 0))
            except psutil.NoSuchProcess:
                worker = None
                if not server.is_running():
                    return

    def post(self, endpoint: str, timeout: float = 60, **fields: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return requests.post(f"{self.url}/{endpoint}", json=fields, headers=headers, timeout=timeout)

    def embed(self, value: Any, timeout: float = 60) -> requests.Response:
        return self.post("embeddings", timeout, model=MODEL, input=value)


def start(*options: str, stderr: int | None = None, fresh: bool = False) -> Served:
    """Start a server. A fresh one has imported only what it needs, so that its memory can be measured."""
    command = ["-m", "jina_local.cli", "serve", "--port", "0", *options]
    process: warm.Process | subprocess.Popen[str]
    if fresh:
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=stderr, text=True)
    else:
        process = warm.start(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    assert process.stdout
    announcement = re.search(r"JINA_BASE_URL=(\S+);", process.stdout.readline())
    assert announcement
    return Served(process, announcement[1])
