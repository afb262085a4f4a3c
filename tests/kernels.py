"""Kernels for notebooks, each a process of its own that has imported the packages already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import warm
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from nbclient import NotebookClient


class _WarmProvisioner(LocalProvisioner):
    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        arguments = cmd[cmd.index("-m") :]
        # Without the number of a parent, a kernel prints how to connect to it.
        own = {"JPY_PARENT_PID": str(os.getpid()), "IPYTHONDIR": str(Path(options["cwd"]) / "ipython")}
        self.process = warm.start(arguments, cwd=options["cwd"], env={**options["env"], **own})
        self.pid = self.process.pid
        return self.connection_info


class _WarmKernelManager(AsyncKernelManager):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.provisioner = _WarmProvisioner(kernel_id="warm", kernel_spec=self.kernel_spec, parent=self)


def execute(notebook: nbformat.NotebookNode, folder: Path, timeout: int = 280) -> None:
    """Run the cells of a notebook in a folder, and put their outputs into it."""
    NotebookClient(
        notebook,
        kernel_manager_class=_WarmKernelManager,
        kernel_name="python3",
        timeout=timeout,
        resources={"metadata": {"path": folder}},
    ).execute()
