"""Write docs/scale.md, whose numbers are computed from measured figures: ``uv run tools/scale.py``.

Change a figure here when its measurement changes. A test fails if the page is outdated. To compute the tables for other
documents or a plan of your own:

    uv run tools/scale.py --print --documents 50000000 --tokens 120 --tokens-per-minute 10000000
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jina_client import estimate_storage

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scale.md"


@dataclass(frozen=True)
class Figure:
    """A measured figure.

    Attributes:
        meaning: what it measures.
        value: the number.
        unit: its unit.
        source: the page and section that describe the measurement.
        quote: the words with the number there, which a test looks up.
    """

    meaning: str
    value: float
    unit: str
    source: str
    quote: str


@dataclass(frozen=True)
class Tier:
    """Published limits of one kind of key: requests and tokens per minute, and concurrent requests."""

    name: str
    requests: int
    tokens: int
    concurrency: int


CLIENT = "benchmarks.md#client-speed"
JOBS = "jobs.md#speed-and-memory"
INDEX = "binary-search.md#speed-memory-and-recall"
FLOORS = "binary-search.md#beside-the-least-that-is-possible"
PER_CORE = "vectors per second of CPU"

ARRAYS = Figure(
    "`AsyncJinaClient`, vectors as arrays", 10_000 / 0.09, PER_CORE, CLIENT, "0.09 s of CPU time with `AsyncJinaClient`"
)
SYNC = Figure("`JinaClient`, vectors as arrays", 10_000 / 0.11, PER_CORE, CLIENT, "0.11 s with `JinaClient`")
LISTS = Figure(
    "LangChain's component, vectors as lists", 10_000 / 0.47, PER_CORE, CLIENT, "0.47 s with LangChain's component"
)
JOB = Figure("`jina-jobs embed`, files on two cores", 20_300, "documents per second", JOBS, "20,300 rows/s")
JOB_MEMORY = Figure("its memory, for any number of documents", 237, "MB", JOBS, "237 MB at most")
CHUNKS = Figure(
    "embedded engine, 240 tokens, int8",
    57,
    "documents per second of CPU",
    "engine.md#speed-and-memory",
    "chunks of 240 tokens, int8 | 57 |",
)
SCAN = Figure("index: one query, a million vectors, two cores", 4.7, "ms", FLOORS, "**one query** | 4.7 ms")
SCAN_MANY = Figure("index: one comparison, of 64 queries together", 2.4, "ns of CPU", FLOORS, "took 2.4 ns of CPU")
ADD = Figure("index: adding on two cores", 522_000, "vectors per second", FLOORS, "522,000 vectors per second")
ROW = Figure("index: disk space of a vector, `int16`", 2_217, "bytes", INDEX, "2,217 bytes")
FIGURES = (ARRAYS, SYNC, LISTS, JOB, JOB_MEMORY, CHUNKS, SCAN, SCAN_MANY, ADD, ROW)

OPENAPI = (
    Tier("free", 500, 1_000_000, 5),
    Tier("paid", 500, 10_000_000, 50),
    Tier("premium", 5_000, 100_000_000, 500),
)
WEBSITE = (
    Tier("free", 100, 100_000, 2),
    Tier("paid", 500, 2_000_000, 50),
    Tier("premium", 5_000, 50_000_000, 500),
)
LARGEST_REQUEST = 512
DIMENSIONS = 1024
DEFAULT_DOCUMENTS = 1_000_000_000
DEFAULT_TOKENS = 250
# A token of English text has about four characters.
BYTES_PER_TOKEN = 4


def number(value: float) -> str:
    """Return a number with three significant digits, and commas between thousands."""
    if value >= 1000:
        digits = len(str(round(value))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{share * 100:.2g} %"


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    for unit, length in (("years", 365 * 86_400), ("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(seconds * 1e3)} ms"


def size(count: float) -> str:
    """Return bytes in the unit that suits them."""
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{number(count / length)} {unit}"
    return f"{number(count)} bytes"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rate(tier: Tier, tokens: int) -> float:
    """Return the documents per second that a tier allows."""
    return min(tier.tokens / tokens, tier.requests * LARGEST_REQUEST) / 60


def figures() -> str:
    """Return the table of the measured figures."""
    rows = (
        (each.meaning, f"{number(each.value)} {each.unit}", f"[{each.source.partition('.')[0]}]({each.source})")
        for each in FIGURES
    )
    return table(("what", "measured", "where"), rows)


def limits(documents: int, tokens: int, tiers: dict[str, Sequence[Tier]]) -> str:
    """Return the table of the limits: documents per second, and what sending them needs."""
    rows = []
    for source, named in tiers.items():
        for tier in named:
            speed = rate(tier, tokens)
            request = max(1, -(-tier.tokens // (tier.requests * tokens)))
            rows.append(
                (
                    f"{tier.name}, {source}",
                    f"{tier.requests:,} / {tier.tokens:,} / {tier.concurrency}",
                    number(speed),
                    f"{min(request, LARGEST_REQUEST)}",
                    percent(speed / ARRAYS.value),
                    f"{speed * (wire_in(DIMENSIONS) + tokens * BYTES_PER_TOKEN) * 8 / 1e6:,.1f} Mbit/s",
                    duration(documents / speed),
                )
            )
    head = ("key", "requests / tokens per minute / concurrent", "documents/s", "documents per request, at least")
    return table((*head, "of one core", "network", f"{documents:,} documents"), rows)


def wire_in(dimensions: int) -> float:
    """Return the bytes of one float vector in a response: base64 takes four bytes for three."""
    return dimensions * 4 * 4 / 3


def ceilings(tokens: int) -> str:
    """Return the table of what stops one machine first, in documents per second, lowest first."""
    document = wire_in(DIMENSIONS) + tokens * BYTES_PER_TOKEN
    rows = [
        (rate(OPENAPI[1], tokens), "tokens per minute of a paid key", "limit / tokens per document / 60"),
        (rate(OPENAPI[2], tokens), "tokens per minute of a premium key", "the same"),
        (2 * CHUNKS.value, "the embedded engine on two cores", "2 × measured"),
        (1e9 / 8 / document, "a network of 1 Gbit/s", f"1 Gbit/s / ({document:,.0f} bytes sent and received)"),
        (LISTS.value, "one core that makes lists of numbers", "measured"),
        (JOB.value, "`jina-jobs` on two cores", "measured"),
        (ADD.value, "one index that vectors are added to", "measured"),
        (ARRAYS.value, "one core that makes arrays", "measured"),
        (10e9 / 8 / document, "a network of 10 Gbit/s", "10 Gbit/s / the same bytes"),
    ]
    ordered = sorted(rows)
    return table(
        ("documents/s", "what stops there", "formula"), ((number(speed), name, text) for speed, name, text in ordered)
    )


def storage(documents: int) -> str:
    """Return the table of what vectors take as float32, int8 and bits."""
    rows = []
    for encoding, name in (("float", "float32"), ("int8", "int8"), ("binary", "bits")):
        full, short = (estimate_storage(documents, length, encoding).bytes for length in (DIMENSIONS, 256))
        rows.append((name, size(full), size(short)))
    rows.append(("`BinaryIndex` on disk, with ids", size(documents * ROW.value), ""))
    rows.append(("`BinaryIndex` in memory", size(estimate_storage(documents, DIMENSIONS, "binary").bytes), ""))
    return table(("vectors as", f"{DIMENSIONS} dimensions", "256 dimensions"), rows)


def index(documents: int) -> str:
    """Return the table of what an index of all documents needs."""
    nlist = round(documents**0.5)
    share = 64 / nlist
    memory = estimate_storage(documents, DIMENSIONS, "binary").bytes
    rows = [
        ("adding all", f"{number(ADD.value)} vectors/s", duration(documents / ADD.value)),
        (
            "one query, all bits, two cores",
            "measured per million × millions",
            duration(documents / 1e6 * SCAN.value / 1e3),
        ),
        (
            "one of many queries, all bits, two cores",
            "vectors × measured / 2",
            duration(documents * SCAN_MANY.value / 1e9 / 2),
        ),
        (
            f"one query, 64 of {nlist:,} cells",
            "all bits × share of the cells, and all centers",
            duration((documents * share + nlist * 32) / 1e6 * SCAN.value / 1e3),
        ),
        ("machines with 64 GB for bits", "memory / 64 GB", f"{-(-memory // (64 * 10**9))}"),
    ]
    return table(("step", "formula", "result"), rows)


def tables(documents: int, tokens: int, tiers: dict[str, Sequence[Tier]]) -> dict[str, str]:
    """Return every table by its name."""
    return {
        "figures": figures(),
        "limits": limits(documents, tokens, tiers),
        "ceilings": ceilings(tokens),
        "storage": storage(documents),
        "index": index(documents),
    }


def page() -> str:
    """Return the page with its tables."""
    documents, tokens = DEFAULT_DOCUMENTS, DEFAULT_TOKENS
    made = tables(documents, tokens, {"OpenAPI description": OPENAPI, "website": WEBSITE})
    premium = rate(OPENAPI[2], tokens)
    request = wire_in(DIMENSIONS)
    machine = JOB.value
    return f"""# Scale on paper

How far do one client, one machine and a cluster get, and what do a billion documents cost? This page computes it from
measured figures; nothing of this size was run. `tools/scale.py` writes the page:
`uv run tools/scale.py --print --documents 50000000 --tokens 120` prints the tables for your own collection.

## What was measured

{made["figures"]}

Figures of CPU are for one core. They come from machines with two cores, some of which other programs kept busy, so
take them as the lower end.

## What the limits of a key allow

Jina's OpenAPI description and its website publish different limits, both of 2026. Which one applies was not tried: a
response to your own key says it. The table is for documents of {tokens} tokens and vectors of {DIMENSIONS} floats as
base64.

{made["limits"]}

- Documents per second are
  `min(tokens per minute / tokens per document, requests per minute × {LARGEST_REQUEST}) / 60`.
- To use all tokens, a request must hold at least `tokens per minute / requests per minute / tokens per document`
  documents. Only {LARGEST_REQUEST} go into one request, so with documents of fewer than
  {tokens_where_requests_bind()} tokens the requests per minute of a paid key become the limit.
- Requests in flight are `documents/s × seconds per request / documents per request`. If a request of 128 documents
  takes 1 s, the premium key needs {premium / 128:.0f} in flight, which is within the 64 that the client allows
  itself. If it takes 5 s, pass `max_concurrency={round(5 * premium / 128, -1):.0f}`.
- A vector takes {request:,.0f} bytes of a response as base64 and {DIMENSIONS // 8 * 4} as JSON numbers of `ubinary`.
  Text counts with {BYTES_PER_TOKEN} bytes per token.

**One client is enough for any published key.** At the limits of a premium key it uses
{percent(premium / ARRAYS.value)} of one core with arrays, {percent(premium / LISTS.value)} with lists of Python
numbers. A second machine makes nothing faster, because all machines share the limits of the key.

## Where the bottleneck moves

With several keys, or with servers of your own, the limits go up, and something else stops one machine first:

{made["ceilings"]}

1. **Limits** of the key, which are the first for all keys.
2. **The model**, if it runs on your processors: {number(premium / CHUNKS.value)} cores would embed as many documents
   per second as a premium key allows. Servers with GPUs were not measured.
3. **The network**: at 1 Gbit/s base64 of float32 is the larger part. `dimensions=256` or `embedding_type="ubinary"`
   shrinks it.
4. **The client's CPU**, first where a framework wants lists. `jina-jobs` stays with arrays, and writes
   {size(machine * DIMENSIONS * 4)} of vectors per second to the disk at {number(machine)} documents per second.
5. **The memory of the index**, which grows with the collection and not with the speed.

The memory of the client does not grow with the collection if it streams: `jina-jobs` took {JOB_MEMORY.value:.0f} MB
at most.

## A cluster

Workers share the limits of a key. So the workers that help are `limits / speed of one worker`: with a premium key and
{number(JOB.value)} documents per second of each, that is one. A cluster pays off where servers of your own embed, or
where reading and cutting the documents takes longer than embedding them. [From a notebook to a
cluster](cluster.md) has measured speeds, and shares the limits of a key among workers.

## A billion documents

**Tokens**: documents × tokens per document, {number(documents * tokens / 1e9)} billion with {tokens} tokens each.
`jina-jobs estimate` counts those of a sample of yours.

**Price**: tokens × price of a token. Jina publishes the price with the model:
`client.models.get(id).details["pricing"]`. It depends on your plan, so this page names none. Responses from the cache
and failed requests cost nothing.

**Time**: the last column of the limits above. Jobs at a limit took 1.03 times as long in
[the simulation](rate-limits.md#how-well-it-works).

**Space**:

{made["storage"]}

Ids, payloads and the texts come on top; {tokens} tokens of text are about
{size(documents * tokens * BYTES_PER_TOKEN)} in all.

**An index of all of them**, with bits of {DIMENSIONS} dimensions:

{made["index"]}

- The largest index that was measured holds a million vectors; the rest is multiplication, and the recall of so large
  an index is unknown. It assumes that the bits are in memory, and that the candidates' vectors are on a disk that
  reads {20 * 10} of them, at random places, in the time of the search.
- Clustering into the square root of the number of vectors takes vectors × cells comparisons, which is too long for a
  billion on two cores. Divide the collection into parts, with an index each, search all parts, and sort the results
  by score: the scores of all parts are dot products with the same query, so they can be compared. Distributing the
  parts over machines is not part of this project. [Vector databases](vector-databases.md) do it.
"""


def tokens_where_requests_bind() -> int:
    """Return the length of a document below which requests per minute limit a paid key of the OpenAPI description."""
    paid = OPENAPI[1]
    return paid.tokens // (paid.requests * LARGEST_REQUEST)


def positive(text: str) -> int:
    """Return the number that an argument stands for."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def main() -> None:
    """Write the page, or print its tables for other numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print the tables instead of writing the page")
    parser.add_argument("--documents", type=positive, default=DEFAULT_DOCUMENTS)
    parser.add_argument("--tokens", type=positive, default=DEFAULT_TOKENS, help="of a document, on average")
    parser.add_argument("--requests-per-minute", type=positive, default=500)
    parser.add_argument("--tokens-per-minute", type=positive, help="limits of your key, instead of the published ones")
    parser.add_argument("--concurrency", type=positive, default=50)
    options = parser.parse_args()
    if not options.print:
        PAGE.write_text(page())
        return
    tiers: dict[str, Sequence[Tier]] = {"OpenAPI description": OPENAPI, "website": WEBSITE}
    if options.tokens_per_minute:
        tier = Tier("your key", options.requests_per_minute, options.tokens_per_minute, options.concurrency)
        tiers = {"as passed": [tier]}
    print("\n\n".join(tables(options.documents, options.tokens, tiers).values()))


if __name__ == "__main__":
    main()
