"""The checks of ``jina-jobs doctor``. Each returns what it found, and a remedy if something is wrong."""

from __future__ import annotations

import csv
import os
import platform
import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from jina_client import JinaClient, JinaError
from jina_client.integration import KEY_VARIABLES, resolve_roots

OURS = ("jina-client", "jina-jobs", "jina-index", "jina-local", "jina-torch")
INTEGRATIONS = ("langchain-jina", "llama-index-jina", "haystack-jina")
FRAMEWORKS = (*INTEGRATIONS, "langchain-core", "llama-index-core", "haystack-ai")
LIBRARIES = ("numpy", "pyarrow", "aiohttp", "requests", "orjson")
_LOCAL = "local"
_CLOCK_SECONDS = 60
_FREE_BYTES = 2 * 10**9


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: what was looked at.
        ok: whether it is in order; ``None`` if it was not looked at.
        found: what was found, without secrets.
        remedy: what to do; empty if it is in order.
    """

    name: str
    ok: bool | None
    found: str
    remedy: str = ""


def checks(options: Mapping[str, Any], *, spend: bool) -> Iterator[Check]:
    """Yield the checks, one after the other; those of the service for each server.

    Args:
        options: the arguments of the client.
        spend: whether to send one tiny request per capability, which costs a few tokens.
    """
    yield _versions()
    installed = [(str(each.metadata["Name"]).lower().replace("_", "-"), each) for each in distributions()]
    yield _duplicates(installed)
    yield _overwritten(installed)
    if find_spec("pyspark") is not None:
        yield _java()
    try:
        roots = resolve_roots(options.get("base_url"))
    except JinaError as error:
        yield Check("address", False, str(error), "correct --base-url or JINA_BASE_URL")
        return
    yield _disk()
    yield _key(roots[0])
    for root in roots:
        if root == _LOCAL:
            yield _engine()
        else:
            parts = urlsplit(root)
            yield _proxy(parts.scheme, parts.hostname or "")
            yield from _network(parts.scheme, parts.hostname or "", parts.port)
        yield Check("address", True, f"{_public(root)}, dialect {options.get('dialect') or 'jina'}")
        yield from _service({**options, "base_url": root}, spend=spend)


def _versions() -> Check:
    versions = [f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    for name in (*OURS, *FRAMEWORKS, *LIBRARIES):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    ours = {version(name) for name in OURS if f"{name} " in " ".join(versions)}
    remedy = "" if len(ours) == 1 else "install the same version of all Jina packages: they are released together"
    return Check("versions", not remedy, ", ".join(versions), remedy)


def _duplicates(installed: Iterable[tuple[str, Distribution]]) -> Check:
    places: dict[str, set[str]] = {}
    for name, each in installed:
        places.setdefault(name, set()).add(str(each.locate_file("")))
    twice = sorted(name for name, folders in places.items() if len(folders) > 1 and name in (*OURS, *FRAMEWORKS))
    if not twice:
        return Check("duplicate packages", True, "none")
    return Check(
        "duplicate packages",
        False,
        ", ".join(twice),
        f"run pip uninstall {twice[0]} until it is gone, then install it once",
    )


def _overwritten(installed: Iterable[tuple[str, Distribution]]) -> Check:
    """Look for other packages that list files of ours: whichever was installed last has overwritten them."""
    owners: dict[str, str] = {}
    listed = [(name, _files(each)) for name, each in installed]
    for name, files in listed:
        if name in (*OURS, *INTEGRATIONS):
            owners.update({file: name for file in files if file.endswith(".py")})
    overwritten = {(name, owners[file]) for name, files in listed for file in files if owners.get(file, name) != name}
    if not overwritten:
        return Check("overwritten files", True, "none")
    other, own = min(overwritten)
    shown = ", ".join(f"{a} and {b}" for a, b in sorted(overwritten))
    return Check(
        "overwritten files",
        False,
        f"files of the same names in {shown}",
        f"run pip uninstall {other} {own}, then install {own} again",
    )


def _files(package: Distribution) -> list[str]:
    """Return the files of a package. Its ``files``, which makes a path of each, would take ten times as long."""
    record = package.read_text("RECORD")
    if record is None:
        return [str(file) for file in package.files or ()]
    return [line[0] for line in csv.reader(record.splitlines()) if line]


def _java() -> Check:
    """Look for Java, without which pyspark says only that its gateway process has exited."""
    home = os.environ.get("JAVA_HOME")
    path = shutil.which("java", path=str(Path(home, "bin")) if home else None)
    place = f"in JAVA_HOME ({home})" if home else "on the path, and JAVA_HOME is not set"
    if path is None:
        return Check(
            "Java", False, f"Spark needs it: there is no java {place}", "install Java 17 or 21, or set JAVA_HOME"
        )
    return Check("Java", True, path)


def _key(root: str) -> Check:
    name = next((each for each in KEY_VARIABLES if os.environ.get(each)), None)
    if name is not None:
        key = os.environ[name]
        bad = key != key.strip() or not key.isascii() or " " in key
        return Check(
            "key", not bad, f"{name} is set, {len(key)} characters", "it has spaces: copy it again" if bad else ""
        )
    needed = (urlsplit(root).hostname or "").endswith("jina.ai")
    return Check(
        "key",
        not needed,
        "none" + ("" if needed else ", and this address may need none"),
        f"set {KEY_VARIABLES[0]} to a key from https://jina.ai" if needed else "",
    )


def _engine() -> Check:
    try:
        installed = version("jina-local")
    except PackageNotFoundError:
        return Check(
            "engine", False, "jina-local is not installed", "pip install jina-local, then jina-local fetch-model"
        )
    return Check("engine", True, f"jina-local {installed}, inside this process")


def _proxy(scheme: str, host: str) -> Check:
    proxy = getproxies().get(scheme) or getproxies().get("all")
    if proxy is None or proxy_bypass(host):
        return Check("proxy", True, "none" if proxy is None else f"not for {host} (NO_PROXY)")
    return Check("proxy", True, _public(proxy))


def _network(scheme: str, host: str, port: int | None) -> Iterator[Check]:
    port = port or (443 if scheme == "https" else 80)
    if getproxies().get(scheme) and not proxy_bypass(host):
        yield Check("DNS, TLS and clock", None, "the proxy does this")
        return
    try:
        addresses = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except OSError as error:
        yield Check(
            "DNS", False, f"{host}: {error}", "check the spelling of the address, the network and the DNS server"
        )
        return
    yield Check("DNS", True, f"{host}: {', '.join(addresses)}")
    try:
        with socket.create_connection((host, port), 10) as connection:
            if scheme != "https":
                yield Check("connection", True, f"port {port} is open, without TLS")
                return
            with ssl.create_default_context().wrap_socket(connection, server_hostname=host) as secured:
                until = str((secured.getpeercert() or {}).get("notAfter"))
                yield Check("TLS", True, f"{secured.version()}, certificate until {until}")
    except ssl.SSLError as error:
        yield Check(
            "TLS",
            False,
            str(error),
            "a gateway may replace certificates: set REQUESTS_CA_BUNDLE and SSL_CERT_FILE to its own",
        )
    except OSError as error:
        yield Check(
            "connection",
            False,
            f"{host}:{port}: {error}",
            "check the port, that the server runs, and the firewall or proxy",
        )


def _disk() -> Check:
    free = shutil.disk_usage(".").free
    remedy = "" if free > _FREE_BYTES else "make room: a job needs twice the size of its output"
    return Check("disk", not remedy, f"{free / 1e9:,.1f} GB free in the current folder", remedy)


def _service(options: Mapping[str, Any], *, spend: bool) -> Iterator[Check]:
    try:
        client = JinaClient(**options, max_retries=0, timeout=30)
    except JinaError as error:
        yield Check("client", False, str(error), "correct what the message names")
        return
    with client:
        if client.settings.root != _LOCAL:
            yield _clock(client.settings.root)
        calls: dict[str, Callable[[], Any]] = {
            "embed": lambda: client.embed(["a"], model="jina-embeddings-v3"),
            "multi-vectors": lambda: client.embed_multi_vector(["a"], model="jina-colbert-v2"),
            "rerank": lambda: client.rerank("a", ["a", "b"]),
            "classify": lambda: client.classify(["a"], ["x", "y"]),
            "segment": lambda: client.segment("a"),
        }
        for name, call in calls.items():
            if not spend:
                yield Check(name, None, "not tried: pass --spend to send one tiny request")
                continue
            started = time.perf_counter()
            try:
                result = call()
            except JinaError as error:
                advice = getattr(error, "advice", "") or "see Troubleshooting in the documentation"
                yield Check(name, False, " ".join(str(getattr(error, "summary", error)).split()), advice)
                continue
            usage = getattr(result, "usage", None)
            tokens = f", {usage.total_tokens} tokens" if usage else ""
            yield Check(name, True, f"{1000 * (time.perf_counter() - started):,.0f} ms{tokens}")


def _clock(root: str) -> Check:
    """Compare the clock with the service's, and read the limits that it reports, from a request without content."""
    import requests

    try:
        response = requests.head(root, timeout=10, allow_redirects=False)
    except requests.RequestException as error:
        return Check("clock and limits", False, _public(str(error)), "see the connection above")
    limits = [f"{name}: {value}" for name, value in response.headers.items() if "ratelimit" in name.lower()]
    shown = ", ".join(limits) or "the service reports no limits"
    date = response.headers.get("Date")
    if date is None:
        return Check("clock and limits", None, f"the service sends no time; {shown}")
    seconds = abs((parsedate_to_datetime(date).astimezone(UTC) - datetime.now(UTC)).total_seconds())
    remedy = "" if seconds < _CLOCK_SECONDS else "set the clock: TLS and signed requests need the right time"
    return Check("clock and limits", not remedy, f"{seconds:.0f} s from the service's clock; {shown}", remedy)


def _public(url: str) -> str:
    """Return an address without a user, a password and a query."""
    parts = urlsplit(url)
    if not parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def redacted(text: str) -> str:
    """Return a text without keys, the user's name and the home folder, for a report to others."""
    for name in (*KEY_VARIABLES, "QDRANT_API_KEY", "MILVUS_TOKEN"):
        if secret := os.environ.get(name):
            text = text.replace(secret, "**********")
    home = os.path.expanduser("~")  # noqa: PTH111 - as it stands in paths
    if len(home) > 1:
        text = text.replace(home, "~")
    return text.replace(sys.prefix, "<environment>")
