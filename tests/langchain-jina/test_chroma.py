"""Images and texts in LangChain's Chroma, which looks for methods of its own names."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_jina import JinaEmbeddings
from pictures import written

MODEL = "jina-clip-v2"
LINES = {"cat": "The cat sleeps on the sofa", "bread": "Bread needs flour and water"}


def test_chroma_embeds_images_with_jina_and_finds_them(engine_url: str, tmp_path: Path) -> None:
    # Imported here, because it takes half a second, and every process of the tests imports this file.
    from langchain_chroma import Chroma

    paths = []
    for name, line in LINES.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(written(line))
        paths.append(str(path))
    model = JinaEmbeddings(model=MODEL, base_url=engine_url)
    store = Chroma("images", model)
    store.add_images(paths, ids=list(LINES))
    store.add_texts(["Stocks fell."], ids=["text"])
    stored = store.get(ids=["cat"], include=["embeddings"])["embeddings"][0]
    assert list(stored) == pytest.approx(model.embed_images([paths[0]])[0])
    for path, name in zip(paths, LINES, strict=True):
        assert store.similarity_search_by_image(path, k=1)[0].id == name
    assert store.similarity_search("Stocks fell.", k=1)[0].id == "text"
    assert len(store.similarity_search("Where does the cat sleep?", k=3)) == 3
