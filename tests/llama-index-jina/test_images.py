"""Images through the LlamaIndex components: every shape that they come in, with the options that texts have."""

from __future__ import annotations

import asyncio
import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_client import JinaClient, JinaInputError
from llama_index.core import Document, StorageContext
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.schema import ImageDocument, ImageNode, MediaResource, Node, NodeWithScore, QueryBundle, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from loopback import Answer, Recorder, Sent, embeddings, ranking
from PIL import Image, ImageDraw

CLIP, M0 = "jina-clip-v2", "jina-reranker-m0"
URL = "https://example.com/cat.png"


def _named(sent: Sent, field: str) -> Sent:
    """The request, each image written as text."""
    items = [item if isinstance(item, str) else json.dumps(item, sort_keys=True) for item in sent.body[field]]
    return Sent(sent.path, sent.headers, {**sent.body, field: items})


@pytest.fixture
def images(server: Recorder) -> Recorder:
    """A server that takes images too."""

    def answer(sent: Sent) -> Answer:
        if sent.path.endswith("/rerank"):
            return Answer(ranking(_named(sent, "documents")))
        return Answer(embeddings(_named(sent, "input")))

    server.answer = answer
    return server


def _picture(text: str = "") -> Image.Image:
    picture = Image.new("RGB", (360, 80), "white")
    ImageDraw.Draw(picture).text((10, 20), text, fill="black", font_size=26)
    return picture


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


PNG = _png(_picture("Berlin"))
BASE64 = base64.b64encode(PNG).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    return path


SHAPES: dict[str, Any] = {
    "path": str,
    "Path": lambda path: path,
    "file address": lambda path: path.as_uri(),
    "data URI": lambda path: f"data:image/png;base64,{BASE64}",
    "base64": lambda path: BASE64,
    "bytes": lambda path: PNG,
    "BytesIO": lambda path: BytesIO(PNG),
    "a BytesIO that was read": lambda path: _read(BytesIO(PNG)),
    "ImageNode of a path": lambda path: ImageNode(image_path=str(path)),
    "ImageNode of base64": lambda path: ImageNode(image=BASE64),
    "ImageDocument of a path": lambda path: ImageDocument(image_path=str(path)),
    "ImageDocument of bytes": lambda path: ImageDocument(image=PNG),
    "Node with an image": lambda path: Node(image_resource=MediaResource(path=path)),
    "Document with an image": lambda path: Document(image_resource=MediaResource(data=PNG)),
    "MediaResource": lambda path: MediaResource(data=PNG),
}


def _read(file: BytesIO) -> BytesIO:
    file.read()
    return file


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_may_have_every_type(images: Recorder, path: Path, shape: str) -> None:
    image = SHAPES[shape](path)
    embedding = JinaEmbedding(CLIP, base_url=images.url)
    vectors = [
        embedding.get_image_embedding(image),
        asyncio.run(embedding.aget_image_embedding(image)),
        *embedding.get_image_embedding_batch([image]),
        *asyncio.run(embedding.aget_image_embedding_batch([image])),
    ]
    assert [sent.body["input"] for sent in images.sent] == [[{"image": BASE64}]] * 4
    assert vectors.count(vectors[0]) == 4


@pytest.mark.parametrize("image", [URL, ImageNode(image_url=URL), Node(image_resource=MediaResource(url=URL))])
def test_a_url_is_sent_to_the_service(images: Recorder, image: Any) -> None:
    JinaEmbedding(CLIP, base_url=images.url).get_image_embedding(image)
    assert images.sent[0].body["input"] == [{"image": URL}]


def test_a_pil_image_is_accepted(images: Recorder) -> None:
    JinaEmbedding(CLIP, base_url=images.url, max_image_side=90).get_image_embedding(_picture())  # type: ignore[arg-type]
    sent = Image.open(BytesIO(base64.b64decode(images.sent[0].body["input"][0]["image"])))
    assert sent.size == (90, 20)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("missing.png", "no file of this name"),
        (TextNode(text="a"), "TextNode .* has no image"),
        (MediaResource(text="a"), "MediaResource has no image"),
        (None, "NoneType"),
        (b"no picture", "must be an image"),
    ],
)
def test_a_file_that_is_not_an_image_raises(images: Recorder, image: Any, message: str) -> None:
    embedding = JinaEmbedding(CLIP, base_url=images.url)
    with pytest.raises(JinaInputError, match=message):
        embedding.get_image_embedding(image)
    with pytest.raises(JinaInputError, match=message):
        asyncio.run(embedding.aget_image_embedding_batch([image]))
    assert images.sent == []


def test_a_model_that_takes_no_images_says_so(images: Recorder) -> None:
    with pytest.raises(JinaInputError, match="jina-embeddings-v3 takes text only"):
        JinaEmbedding(base_url=images.url).get_image_embedding(URL)


def test_images_have_the_options_of_documents(images: Recorder) -> None:
    embedding = JinaEmbedding("jina-embeddings-v4", base_url=images.url, dimensions=128, encoding_documents="ubinary")
    assert isinstance(embedding, MultiModalEmbedding)
    text, image = embedding.get_text_embedding("a"), embedding.get_image_embedding(URL)
    assert (len(text), len(image), set(image)) == (128, 128, {0, 1})
    first, second = ({**sent.body, "input": None} for sent in images.sent)
    assert first == second
    assert (first["task"], first["embedding_type"]) == ("retrieval.passage", "ubinary")


def test_many_images_come_back_in_order(images: Recorder) -> None:
    urls = [f"https://example.com/{number}.png" for number in range(40)]
    embedding = JinaEmbedding(CLIP, base_url=images.url, embed_batch_size=7)
    one_by_one = [embedding.get_image_embedding(url) for url in urls]
    assert embedding.get_image_embedding_batch(urls) == one_by_one  # type: ignore[arg-type]
    assert asyncio.run(embedding.aget_image_embedding_batch(urls)) == one_by_one  # type: ignore[arg-type]
    assert embedding.get_image_embedding_batch([]) == asyncio.run(embedding.aget_image_embedding_batch([])) == []


class Events(BaseEventHandler):
    """Keeps the events that are sent."""

    seen: list[Any] = []  # noqa: RUF012, pydantic copies it

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.seen.append(event)


def test_embedding_images_sends_events(images: Recorder, path: Path) -> None:
    handler, debug = Events(), LlamaDebugHandler(print_trace_on_end=False)
    embedding = JinaEmbedding(CLIP, base_url=images.url, callback_manager=CallbackManager([debug]))
    get_dispatcher().add_event_handler(handler)
    try:
        vector = embedding.get_image_embedding(str(path))
        embedding.get_image_embedding_batch([URL, BytesIO(PNG)])
        asyncio.run(embedding.aget_image_embedding(ImageNode(image=BASE64)))  # type: ignore[arg-type]
        asyncio.run(embedding.aget_image_embedding_batch([_picture()]))  # type: ignore[list-item]
    finally:
        get_dispatcher().event_handlers.remove(handler)
    starts = [event for event in handler.seen if event.class_name() == "EmbeddingStartEvent"]
    ends = [event for event in handler.seen if event.class_name() == "EmbeddingEndEvent"]
    assert [event.model_dict["model_name"] for event in starts] == [CLIP] * 4
    assert [event.chunks for event in ends] == [[str(path)], [URL, "<BytesIO>"], [f"{BASE64[:200]}…"], ["<Image>"]]
    assert ends[0].embeddings == [vector]
    pairs = debug.get_event_pairs(CBEventType.EMBEDDING)
    assert [len(end.payload[EventPayload.EMBEDDINGS]) for _, end in pairs if end.payload] == [1, 2, 1, 1]


@pytest.mark.parametrize("use_async", [False, True])
def test_a_pipeline_embeds_the_image_of_nodes_without_text(images: Recorder, use_async: bool) -> None:
    nodes = [
        TextNode(text="a text"),
        ImageNode(image=BASE64, metadata={"file_path": "cat.png"}),
        ImageNode(image=BASE64, text="a caption"),
        ImageDocument(image=PNG),
    ]
    pipeline = IngestionPipeline(transformations=[JinaEmbedding(CLIP, base_url=images.url, dimensions=64)])
    done = asyncio.run(pipeline.arun(nodes=nodes)) if use_async else pipeline.run(nodes=nodes)
    assert [sent.body["input"] for sent in images.sent] == [["a text", "a caption"], [{"image": BASE64}] * 2]
    assert [len(node.embedding or []) for node in done] == [64] * 4
    assert done[1].embedding == done[3].embedding != done[0].embedding


def test_a_text_model_embeds_the_text_of_nodes(images: Recorder) -> None:
    JinaEmbedding(base_url=images.url)([ImageNode(image=BASE64, metadata={"title": "A cat"})])
    assert images.sent[0].body["input"] == ["title: A cat"]


@pytest.mark.parametrize("use_async", [False, True])
def test_a_multi_modal_index_finds_texts_and_images(engine_url: str, tmp_path: Path, use_async: bool) -> None:
    nodes: list[Any] = [TextNode(text="Bread needs flour, water and salt.", id_="bread")]
    for name, text in {"train": "Departures: Berlin 10:42", "menu": "Soup of the day: tomato"}.items():
        file = tmp_path / f"{name}.png"
        file.write_bytes(_png(_picture(text)))
        # LlamaIndex leaves out nodes whose text and metadata are empty.
        nodes.append(ImageNode(image_path=str(file), id_=name, metadata={"name": name}))
    embedding = JinaEmbedding(CLIP, base_url=engine_url, dimensions=256)
    index = MultiModalVectorStoreIndex(
        nodes, storage_context=StorageContext.from_defaults(), embed_model=embedding, image_embed_model=embedding
    )
    retriever = index.as_retriever(similarity_top_k=1, image_similarity_top_k=1)

    async def found_async() -> list[NodeWithScore]:
        question = "When does the train to Berlin leave?"
        return [*await retriever.aretrieve(question), *await retriever.aimage_to_image_retrieve(nodes[2].image_path)]

    def found_sync() -> list[NodeWithScore]:
        question = "When does the train to Berlin leave?"
        return [*retriever.retrieve(question), *retriever.image_to_image_retrieve(nodes[2].image_path)]

    results = asyncio.run(found_async()) if use_async else found_sync()
    assert [node.node_id for node in results] == ["bread", "train", "menu"]


def test_image_vectors_equal_those_of_the_client(engine_url: str) -> None:
    expected = JinaClient(base_url="local").embed([{"image": PNG}], model=CLIP).vectors
    vectors = JinaEmbedding(CLIP, base_url=engine_url).get_image_embedding(BytesIO(PNG))
    assert np.array_equal(np.asarray([vectors], np.float32), expected)


def _scored(*nodes: Any) -> list[NodeWithScore]:
    return [NodeWithScore(node=node) for node in nodes]


@pytest.mark.parametrize("use_async", [False, True])
def test_an_image_reranker_receives_images(images: Recorder, path: Path, use_async: bool) -> None:
    nodes = _scored(
        TextNode(text="a text"),
        ImageNode(image_path=str(path), text="a caption"),
        ImageNode(image_url=URL),
        Node(image_resource=MediaResource(data=PNG)),
        TextNode(text=""),
    )
    reranker = JinaRerank(top_n=10, model=M0, base_url=images.url)
    if use_async:
        results = asyncio.run(reranker.apostprocess_nodes(nodes, query_str="a cat"))
    else:
        results = reranker.postprocess_nodes(nodes, query_str="a cat")
    assert images.sent[0].body["documents"] == [
        *("a text", {"image": BASE64}, {"image": URL}, {"image": BASE64}, ""),
    ]
    assert sorted(node.node_id for node in results) == sorted(node.node_id for node in nodes)


def test_a_text_reranker_receives_texts(images: Recorder) -> None:
    nodes = _scored(ImageNode(image=BASE64, text="a caption"), ImageNode(image=BASE64), TextNode(text="a text"))
    results = JinaRerank(top_n=3, base_url=images.url).postprocess_nodes(nodes, query_str="a cat")
    assert images.sent[0].body["documents"] == ["a caption", "", "a text"]
    assert len(results) == 3


def test_a_query_may_be_an_image(images: Recorder, path: Path) -> None:
    reranker = JinaRerank(model=M0, base_url=images.url)
    query = QueryBundle(query_str="", image_path=str(path))
    reranker.postprocess_nodes(_scored(TextNode(text="a text")), query_bundle=query)
    assert images.sent[0].body["query"] == {"image": BASE64}


def test_the_engine_reranks_images_by_their_text(engine_url: str) -> None:
    texts = ("Soup of the day: tomato", "Departures: Berlin 10:42")
    nodes = _scored(*(ImageNode(image=base64.b64encode(_png(_picture(text))).decode(), id_=text) for text in texts))
    reranker = JinaRerank(top_n=1, model=M0, base_url=engine_url)
    results = reranker.postprocess_nodes(nodes, query_str="When does the train to Berlin leave?")
    assert [node.node_id for node in results] == ["Departures: Berlin 10:42"]
