"""Embed photos of 5 MB, resized or as they are, and measure CPU time, peak memory and the pauses of the event loop.

A server in another process on loopback answers every request. Each way runs in a process of its own. ``floor`` is the
least that Pillow can do with the same files: decode at a fraction of the size (``draft``), make one thumbnail, save it
once. Its pauses are those of an event loop beside one thread of Pillow.

A pause is the time by which a task of the event loop wakes up late. ``idle`` shows those of a process that does nothing
because the machine is busy. ``own`` leaves them out: it counts no more than the CPU time that the process
used meanwhile, in all its threads. Peak memory is that of the whole process, with Python and its libraries.

Machines differ and are noisy, so compare the ratios of one run.

    uv run benchmarks/images.py
    uv run benchmarks/images.py --small
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pybase64
from loopback_server import HttpRequest, HttpResponse, answering, running, serve
from measuring import measure_apart, peak_memory

MODEL = "jina-clip-v2"
DIMENSIONS = 1024
SIDE = 1024
HEARTBEAT = 0.002
ORIENTATION = 0x0112


# The files.


def make(folder: Path, *, small: bool) -> None:
    """Write photos as cameras do, one of them turned by its EXIF data, pictures with transparency, and a PDF."""
    from PIL import Image, ImageChops

    random, (width, height) = np.random.default_rng(0), (400, 300) if small else (4000, 3000)

    def picture(size: tuple[int, int], grain: int) -> Image.Image:
        # Smooth areas with edges, and the grain of a sensor.
        areas = Image.fromarray(random.integers(0, 255 - grain, (120, 160, 3), dtype=np.uint8)).resize(size)
        noise = Image.fromarray(random.integers(0, grain, (size[1], size[0], 3), dtype=np.uint8))
        return ImageChops.add(areas, noise)

    exif = Image.Exif()
    for number in range(8):
        exif[ORIENTATION] = 6 if number % 4 == 3 else 1
        picture((width, height), 58).save(folder / f"{number}.jpg", quality=88, exif=exif)
    for number in range(4):
        transparent = picture((width // 2, height // 2), 24)
        transparent.putalpha(Image.linear_gradient("L").resize(transparent.size))
        transparent.save(folder / f"{number}.png", compress_level=1)
    picture((width, height), 40).save(folder / "scan.pdf", quality=80)


# The server.


async def respond(request: HttpRequest) -> HttpResponse:
    """Return one vector for each image."""
    # Reading the JSON would take as much of the machine as the client does.
    count = request.body.count(b'{"image":') + request.body.count(b'{"pdf":')
    data = [{"index": index, "embedding": vector()} for index in range(count)]
    return HttpResponse(json.dumps({"model": MODEL, "usage": {"total_tokens": 1}, "data": data}).encode())


@cache
def vector() -> str:
    """Return a vector in base64."""
    return pybase64.b64encode_as_string(np.random.default_rng(0).standard_normal(DIMENSIONS).astype("<f4").tobytes())


# The ways. Each embeds the files and returns the number of vectors.


def thumbnail(path: Path) -> int:
    """Make one thumbnail with Pillow, and return its size in bytes."""
    from PIL import Image

    with Image.open(path) as image, io.BytesIO() as buffer:
        kind = image.format
        image.draft(None, (SIDE, SIDE))
        image.thumbnail((SIDE, SIDE))
        image.save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}))
        return len(buffer.getvalue())


async def floor(url: str, inputs: list[Any], side: int | None) -> int:
    """Make the thumbnails in one thread, beside an event loop, and send nothing."""
    return await asyncio.to_thread(lambda: sum(thumbnail(path) > 0 for path in inputs))


async def idle(url: str, inputs: list[Any], side: int | None) -> int:
    """Do nothing."""
    await asyncio.sleep(len(inputs) / 40)
    return len(inputs)


async def async_client(url: str, inputs: list[Any], side: int | None) -> int:
    """Run AsyncJinaClient."""
    from jina_client import AsyncJinaClient

    async with AsyncJinaClient(base_url=url) as client:
        return len(await client.embed(inputs, model=MODEL, max_image_side=side))


async def async_stream(url: str, inputs: list[Any], side: int | None) -> int:
    """Run AsyncJinaClient, with a generator."""
    from jina_client import AsyncJinaClient

    async with AsyncJinaClient(base_url=url) as client:
        return sum(
            [
                len(part)
                async for _, part in client.embed_stream((each for each in inputs), model=MODEL, max_image_side=side)
            ]
        )


def sync_client(url: str, inputs: list[Any], side: int | None) -> int:
    """Run JinaClient."""
    from jina_client import JinaClient

    with JinaClient(base_url=url) as client:
        return len(client.embed(inputs, model=MODEL, max_image_side=side))


Way = Callable[[str, list[Any], "int | None"], "int | Awaitable[int]"]
# For each name: the way, the side that images are resized to, and the files.
WAYS: dict[str, tuple[Way, int | None, str]] = {
    "idle": (idle, None, "*.jpg"),
    "floor": (floor, SIDE, "*.jpg"),
    "AsyncJinaClient": (async_client, SIDE, "*.jpg"),
    "AsyncJinaClient, stream": (async_stream, SIDE, "*.jpg"),
    "JinaClient": (sync_client, SIDE, "*.jpg"),
    "AsyncJinaClient, as they are": (async_client, None, "*.jpg"),
    "AsyncJinaClient, stream, as they are": (async_stream, None, "*.jpg"),
    "JinaClient, as they are": (sync_client, None, "*.jpg"),
    "floor, PNG with transparency": (floor, SIDE, "*.png"),
    "AsyncJinaClient, PNG with transparency": (async_client, SIDE, "*.png"),
    "AsyncJinaClient, PDF": (async_client, None, "*.pdf"),
}


def measure(name: str, url: str, folder: str, count: int) -> None:
    """Embed in this process, and print what it took."""
    way, side, pattern = WAYS[name]
    paths = islice(cycle(sorted(Path(folder).glob(pattern))), count)
    inputs: list[Any] = [{"pdf": path} for path in paths] if pattern == "*.pdf" else list(paths)
    import jina_client  # noqa: F401 - not a part of what is measured
    from PIL import Image

    Image.init()
    pauses, own_pauses = [0.0], [0.0]

    async def beat() -> None:
        last, last_cpu = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(HEARTBEAT)
            now, cpu = time.perf_counter(), time.process_time()
            pauses.append(now - last - HEARTBEAT)
            own_pauses.append(min(pauses[-1], cpu - last_cpu))
            last, last_cpu = now, cpu

    async def run() -> int:
        beating = asyncio.create_task(beat())
        result = way(url, inputs, side)
        done = await result if isinstance(result, Awaitable) else result
        beating.cancel()
        return done

    before, wall, cpu = peak_memory(), time.perf_counter(), time.process_time()
    done = asyncio.run(run()) if asyncio.iscoroutinefunction(way) else way(url, inputs, side)
    assert done == count, f"{done} of {count}"
    pauses.sort()
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - wall,
                "CPU": time.process_time() - cpu,
                "pause": pauses[-1] * 1000,
                "99 %": pauses[int(0.99 * (len(pauses) - 1))] * 1000,
                "own": max(own_pauses) * 1000,
                "start": before,
                "peak": peak_memory(),
            }
        )
    )


def run_apart(name: str, url: str, folder: str, count: int) -> dict[str, float]:
    """Measure a way in a fresh process."""
    command = [sys.executable, __file__, "--way", name, "--url", url, "--folder", folder, "--counts", str(count)]
    return measure_apart(name, command)


def compare(url: str, folder: str, count: int, runs: int, names: list[str]) -> None:
    """Measure every way in turn, several times, and print the medians."""
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(runs):
        for name in names:
            measured[name].append(run_apart(name, url, folder, count))
    print(f"{count} files; medians of {runs}; seconds, milliseconds and MB\n")
    print(f"{'':40}{'wall':>7}{'CPU':>7}{'pause':>7}{'99 %':>7}{'own':>6}{'peak':>6}   CPU beside the floor")
    for name, results in measured.items():
        each = {key: statistics.median(result[key] for result in results) for key in results[0]}
        other = "floor, PNG with transparency" if "PNG" in name else "floor"
        beside = ""
        if WAYS[name][1] and other in measured:
            beside = (
                f"{statistics.median(a['CPU'] / b['CPU'] for a, b in zip(results, measured[other], strict=True)):.2f}"
            )
        print(
            f"{name:40}{each['wall']:>7.2f}{each['CPU']:>7.2f}{each['pause']:>7.1f}{each['99 %']:>7.1f}"
            f"{each['own']:>6.1f}{each['peak']:>6.0f}   {beside}"
        )
    print()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[40, 200])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--small", action="store_true", help="eight small files, one run: a check that it works")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(answering(respond)))
    elif options.make:
        make(Path(options.folder), small=options.small)
    elif options.way:
        measure(options.way, options.url, options.folder, options.counts[0])
    else:
        with tempfile.TemporaryDirectory() as folder, running(__file__) as port:
            # In a process of its own: on Linux, the peak memory of a process starts with that of its parent.
            command = [sys.executable, __file__, "--make", "--folder", folder, *["--small"] * options.small]
            subprocess.run(command, check=True)
            sizes = ", ".join(
                f"{path.name} {path.stat().st_size / 1e6:.2f} MB" for path in sorted(Path(folder).iterdir())
            )
            print(f"{sizes}\n")
            for count in [8] if options.small else options.counts:
                compare(f"http://127.0.0.1:{port}", folder, count, 1 if options.small else options.runs, options.ways)


if __name__ == "__main__":
    main()
