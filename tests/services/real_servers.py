"""Run the table of calls against real servers: Infinity with tiny random models, and LiteLLM's proxy.

It is not part of the tests, because the servers need environments of their own, of a gigabyte and more. Make one, and
name its Python::

    uv venv --python 3.11 /tmp/infinity
    uv pip install --python /tmp/infinity "infinity-emb[server]==0.0.77" torch "sentence-transformers<4" \\
        "transformers<4.50" "optimum<1.25" "click<8.2" pillow aiohttp
    uv run tests/services/real_servers.py infinity --python /tmp/infinity/bin/python

    uv venv --python 3.11 /tmp/litellm
    uv pip install --python /tmp/litellm "litellm[proxy]"
    uv run tests/services/real_servers.py litellm --python /tmp/litellm/bin/python

Behind the proxy stands the stand-in of Jina's API. The script prints one line for each call, and exits with status 1 if
a call does not do what the table says.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MODELS = {
    "jinaai/jina-embeddings-v3": "text",
    "jinaai/jina-clip-v2": "clip",
    "jinaai/jina-reranker-v2-base-multilingual": "reranker",
}
# Their models do not fit a tiny server, and the proxy's stand-in needs none.
SKIPPED = {"infinity": ("audio",), "litellm": ()}
KEY = "sk-proxy"


def main() -> int:
    """Run the table, or make the tiny models in the server's own environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", choices=["infinity", "litellm", "make-models"])
    parser.add_argument("--python", help="the Python of the environment that has the server")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.server == "make-models":
        make_models(options.folder)
        return 0
    if not options.python:
        parser.error("--python is missing")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    with tempfile.TemporaryDirectory() as folder:
        running = infinity if options.server == "infinity" else litellm
        with running(options.python, Path(folder)) as client:
            return run_table(options.server, client)


def run_table(service: str, client: Any) -> int:
    """Make every call of the table, and return the exit status."""
    from services.table import CLIENT, TABLE, WARNS, YES

    failed = 0
    for row in TABLE:
        if row.name in SKIPPED[service]:
            print(f"skipped  {row.name}")
            continue
        outcome, error = row.services[service], ""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                row.call(client)
            except Exception as raised:  # Any failure is a line of the report.
                error = f"{type(raised).__name__}: {str(raised)[:200]}"
        works = not error
        expected = outcome in (YES, CLIENT, WARNS)
        if outcome == WARNS:
            expected = expected and any("truncates" in str(each.message) for each in caught)
        failed += works != expected
        print(f"{'as told' if works == expected else 'DIFFERS'}  {row.name}: {error or 'works'}")
    print(f"{len(TABLE) - len(SKIPPED[service])} calls, {failed} differ from the table")
    return 1 if failed else 0


@contextmanager
def infinity(python: str, folder: Path) -> Iterator[Any]:
    """Run Infinity with tiny random models under the names of Jina's, and yield a client of it."""
    from jina_client import JinaClient

    subprocess.run([python, __file__, "make-models", "--folder", folder], check=True, env=_environment(folder))
    command = [str(Path(python).with_name("infinity_emb")), "v2", "--host", "127.0.0.1", "--port", str(port := _port())]
    for name, kind in MODELS.items():
        command += ["--model-id", str(folder / kind), "--served-model-name", name]
        command += ["--device", "cpu", "--engine", "torch", "--dtype", "float32"]
        command += ["--no-bettertransformer", "--no-model-warmup"]
    with _running(command, f"http://127.0.0.1:{port}/health", folder):
        client = JinaClient(base_url=f"http://127.0.0.1:{port}", dialect="infinity", max_retries=0)
        yield client
        client.close()


@contextmanager
def litellm(python: str, folder: Path) -> Iterator[Any]:
    """Run LiteLLM's proxy in front of the stand-in of Jina's API, and yield a client of it."""
    from jina_client import JinaClient
    from jina_client.models import MODELS as CATALOG
    from loopback import recorder
    from services.stand_ins import STAND_INS

    with recorder(STAND_INS["jina"]) as jina:
        entries = [
            {
                "model_name": model,
                "litellm_params": {"model": f"jina_ai/{model}", "api_base": jina.url, "api_key": "jina_test"},
            }
            for model in CATALOG
        ]
        config = folder / "config.json"
        config.write_text(json.dumps({"model_list": entries, "general_settings": {"master_key": KEY}}))
        port = _port()
        command = [str(Path(python).with_name("litellm")), "--config", str(config), "--host", "127.0.0.1"]
        command += ["--port", str(port)]
        with _running(command, f"http://127.0.0.1:{port}/health/liveliness", folder):
            client = JinaClient(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0)
            yield client
            client.close()


def make_models(folder: Path) -> None:
    """Save tiny random models; this runs in the server's environment."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as parts

    torch.manual_seed(0)
    words = [
        "berlin",
        "is",
        "the",
        "capital",
        "of",
        "germany",
        "a",
        "park",
        "in",
        "summer",
        "rivers",
        "text",
        "long",
        "represent",
        "query",
        "document",
        "for",
    ]
    words += ["retrieving", "evidence", "retrieval", ":", "picture"] + [str(number) for number in range(256)]
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=512)
    sizes = {"vocab_size": len(tokenizer), "num_hidden_layers": 1, "num_attention_heads": 8, "intermediate_size": 64}
    text = transformers.BertModel(transformers.BertConfig(hidden_size=1024, **sizes))
    text.save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = parts.Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[transformer, parts.Pooling(1024)]).save(str(folder / "text"))
    scorer = transformers.BertForSequenceClassification(
        transformers.BertConfig(hidden_size=64, num_labels=1, initializer_range=0.5, **sizes)
    )
    scorer.save_pretrained(folder / "reranker")
    tokenizer.save_pretrained(folder / "reranker")
    clip = transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config={"hidden_size": 64, "vocab_size": 512, "eos_token_id": 2,
                         **{key: sizes[key] for key in sizes if key != "vocab_size"}},
            vision_config={"hidden_size": 64, "image_size": 32, "patch_size": 8,
                           **{key: sizes[key] for key in sizes if key != "vocab_size"}},
            projection_dim=1024,
        )
    )  # fmt: skip
    clip.save_pretrained(folder / "clip")
    image = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    letters = {letter: index for index, letter in enumerate(["<|startoftext|>", "<|endoftext|>", *_letters()])}
    (folder / "vocab.json").write_text(json.dumps(letters))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    clip_tokenizer = transformers.CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    transformers.CLIPProcessor(image, clip_tokenizer).save_pretrained(folder / "clip")


def _letters() -> list[str]:
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    return [*alphabet, *(f"{letter}</w>" for letter in alphabet)]


@contextmanager
def _running(command: list[str], health: str, folder: Path) -> Iterator[None]:
    """Run a server until the block ends, and wait until it responds."""
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=_environment(folder))
        try:
            deadline = time.monotonic() + 180
            while not _responds(health):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the server did not start:\n{log.read_text()[-3000:]}")
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _environment(folder: Path) -> dict[str, str]:
    """Return variables without keys, and without anything that calls home."""
    names = {name: value for name, value in os.environ.items() if not name.startswith(("JINA", "OPENAI"))}
    quiet = {"HF_HUB_OFFLINE": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "DO_NOT_TRACK": "1"}
    return {**names, **quiet, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(folder)}


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
