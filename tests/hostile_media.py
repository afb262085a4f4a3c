"""Small files that are made to cost a decoder time or memory, or to crash it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image

Files = dict[str, tuple[str, Callable[[], bytes]]]


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    with io.BytesIO() as file:
        picture.save(file, kind, **options)
        return file.getvalue()


def _deflated(block: bytes, count: int) -> bytes:
    """Compress a block that is repeated, by compressing it once: a full flush makes its parts independent."""
    packer, checksum = zlib.compressobj(9, wbits=-15), 1
    part = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(count):
        checksum = zlib.adler32(block, checksum)
    return b"\x78\xda" + part * count + packer.flush() + struct.pack(">I", checksum)


def _noise(side: int, mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((side, side), 60).convert(mode)


# PNG.


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *chunks: bytes, depth: int = 8, color: int = 2, interlaced: int = 0) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + _chunk(b"IEND", b"")


def _zeros(width: int, height: int, bits: int) -> bytes:
    return _deflated(bytes(1 + (width * bits + 7) // 8), height)


def _idat(data: bytes, size: int = 2**20) -> bytes:
    return b"".join(_chunk(b"IDAT", data[start : start + size]) for start in range(0, len(data), size))


def _idat_of_bytes(data: bytes) -> bytes:
    """Put each byte into a chunk of its own."""
    chunks = [_chunk(b"IDAT", bytes([byte])) for byte in range(256)]
    return b"".join(map(chunks.__getitem__, data))


def _apng(frames: int) -> bytes:
    pixels = zlib.compress(bytes(301 * 100))
    parts = [_chunk(b"acTL", struct.pack(">II", frames, 0))]
    for number in range(frames):
        parts.append(_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * number, 100, 100, 0, 0, 1, 1, 0, 0)))
        data = pixels if number == 0 else struct.pack(">I", 2 * number + 1) + pixels
        parts.append(_chunk(b"IDAT" if number == 0 else b"fdAT", data))
    return _png(100, 100, *parts)


# JPEG.


def _jpeg_of_size(width: int, height: int) -> bytes:
    data = _saved(_noise(64), "JPEG")
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def _scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = _saved(Image.linear_gradient("L").resize((5000, 5000)), "JPEG", progressive=True, quality=20)
    first, last = data.index(b"\xff\xda"), data.rindex(b"\xff\xda")
    assert first < last
    return data[:-2] + data[last:-2] * min(count, 6_000_000 // (len(data) - last)) + data[-2:]


def _scans_of_nothing(count: int) -> bytes:
    """A progressive JPEG of 40 megapixels, and empty scans of all its coefficients."""
    data = _saved(Image.new("L", (6000, 6000)), "JPEG", progressive=True)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" + b"\x00" * 8
    return data[:-2] + scan * count + data[-2:]


def _segments(marker: int, count: int) -> bytes:
    data = _saved(_noise(64), "JPEG")
    return data[:2] + (b"\xff" + bytes([marker]) + b"\x00\x12" + bytes(16)) * count + data[2:]


def _exif_loop() -> bytes:
    """EXIF data whose directory points to itself."""
    entries = struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0xA005, 4, 1, 8)
    tiff = b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 2) + entries + struct.pack("<I", 8)
    exif = b"Exif\x00\x00" + tiff
    data = _saved(_noise(64), "JPEG")
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


# GIF, WebP, BMP.


def _frames(kind: str, count: int, size: tuple[int, int]) -> bytes:
    first, *others = (Image.new("P" if kind == "GIF" else "RGB", size, number % 256) for number in range(count))
    return _saved(first, kind, save_all=True, append_images=others)


def _gif_of_size(width: int, height: int, blocks: int = 0) -> bytes:
    data = _saved(Image.new("P", (8, 8)), "GIF")
    comment = b"\x21\xfe\x01x\x00" * blocks
    place = data.index(b"\x2c")
    image = data[place : 5 + place] + struct.pack("<HH", width, height) + data[place + 9 :]
    return data[:6] + struct.pack("<HH", width, height) + data[10:place] + comment + image


def _webp_of_size(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\x10\x00\x00\x00"
    body += struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body += _saved(_noise(16), "WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _bmp(width: int, height: int, compression: int = 0, bits: int = 24, data: bytes = b"") -> bytes:
    palette = bytes(4 * 2**bits) if bits <= 8 else b""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0) + palette
    offset = 14 + len(info)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + data


# TIFF.

Entry = tuple[int, int, int, int]


def _tiff(entries: list[Entry], following: int = 0, data: bytes = b"") -> bytes:
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *each) for each in entries)
    return b"II*\x00\x08\x00\x00\x00" + directory + struct.pack("<I", following) + data


def _tiff_directory(width: int, height: int, compression: int, place: int, size: int) -> list[Entry]:
    """The entries for a gray picture whose data are at a place in the file."""
    return [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, 1, place),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, size),
    ]


_DIRECTORY_BYTES = 2 + 12 * 9 + 4


def _tiff_picture(width: int, height: int, compression: int, data: bytes) -> bytes:
    return _tiff(_tiff_directory(width, height, compression, 8 + _DIRECTORY_BYTES, len(data)), 0, data)


def _tiff_pages(count: int) -> bytes:
    """Pages of 9 by 9 pixels, each with data of its own."""
    data = bytes(81)
    size = _DIRECTORY_BYTES + len(data)
    pages = []
    for number in range(count):
        place = 8 + number * size
        following = place + size if number < count - 1 else 0
        page = _tiff(_tiff_directory(9, 9, 1, place + _DIRECTORY_BYTES, len(data)), following, data)
        pages.append(page if number == 0 else page[8:])
    return b"".join(pages)


# PDF.


def _pdf(*objects: bytes) -> bytes:
    """A PDF of objects; the first is the catalog."""
    body, offsets = bytearray(b"%PDF-1.7\n"), list[int]()
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (size, len(body))
    return bytes(body) + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def _stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def _flate(data: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        data = zlib.compress(data, 9)
    return data


def _page(content: bytes, *more: bytes, page: bytes = b"", box: bytes = b"0 0 600 800") -> bytes:
    """A PDF of one page. The content is object 4, and further objects follow."""
    return _pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 4 0 R %s >>" % (box, page),
        content,
        *more,
    )


def _operators(operator: bytes, count: int) -> bytes:
    return _page(_stream(_deflated(operator * 10_000, count // 10_000), b"/Filter /FlateDecode"))


def _nested_forms(levels: int, calls: int) -> bytes:
    """Forms that each draw the next one several times."""
    forms = []
    for level in range(levels):
        last = level == levels - 1
        content = b"0 0 600 800 re f" if last else b"/F Do " * calls
        resources = b"" if last else b"/Resources << /XObject << /F %d 0 R >> >>" % (6 + level)
        forms.append(_stream(content, b"/Type /XObject /Subtype /Form /BBox [0 0 600 800] " + resources))
    return _page(_stream(b"/F Do"), *forms, page=b"/Resources << /XObject << /F 5 0 R >> >>")


def _pages(count: int) -> bytes:
    pages = [b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"] * count
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 3 + count))
    return _pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count %d /Kids [%s] >>" % (count, kids), *pages
    )


def _page_tree(depth: int) -> bytes:
    nodes = [b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % (number + 3) for number in range(depth)]
    return _pdf(b"<< /Type /Catalog /Pages 2 0 R >>", *nodes, b"<< /Type /Page /MediaBox [0 0 9 9] >>")


def _fonts(count: int) -> bytes:
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    names = b" ".join(b"/F%d %d 0 R" % (number, 5 + number) for number in range(count))
    text = b"".join(b"/F%d 9 Tf (x) Tj " % number for number in range(count))
    return _page(_stream(b"BT " + text + b"ET"), *[font] * count, page=b"/Resources << /Font << %s >> >>" % names)


def _type3_recursion() -> bytes:
    glyph = _stream(b"1000 0 d0 BT /F 1 Tf (aaaaaaaaaa) Tj ET")
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] /FontMatrix [1 0 0 1 0 0] /CharProcs << /a 6 0 R >> "
        b"/Encoding << /Differences [97 /a] >> /FirstChar 97 /LastChar 97 /Widths [9] "
        b"/Resources << /Font << /F 5 0 R >> >> >>"
    )
    return _page(_stream(b"BT /F 9 Tf (a) Tj ET"), font, glyph, page=b"/Resources << /Font << /F 5 0 R >> >>")


def _annotations(count: int) -> bytes:
    form = _stream(b"0 0 500 500 re f " * 50, b"/Type /XObject /Subtype /Form /BBox [0 0 600 800]")
    note = b"<< /Type /Annot /Subtype /Stamp /F 4 /Rect [0 0 600 800] /AP << /N 5 0 R >> >>"
    kids = b" ".join(b"%d 0 R" % number for number in range(6, 6 + count))
    return _page(_stream(b""), form, *[note] * count, page=b"/Annots [%s]" % kids)


def _picture_in_pdf(side: int, bits: int = 8) -> bytes:
    entries = (
        b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB /BitsPerComponent %d "
        b"/Filter /FlateDecode" % (side, side, bits)
    )
    data = _deflated(bytes(side * 3 * bits // 8), side)
    return _page(
        _stream(b"600 0 0 800 0 0 cm /I Do"), _stream(data, entries), page=b"/Resources << /XObject << /I 5 0 R >> >>"
    )


def _shading() -> bytes:
    function = b"<< /FunctionType 3 /Domain [0 1] /Bounds [%s] /Encode [%s] /Functions [%s] >>" % (
        b" ".join(b"%f" % (number / 2000) for number in range(1, 2000)),
        b"0 1 " * 2000,
        b"<< /FunctionType 2 /Domain [0 1] /C0 [0 0 0] /C1 [1 1 1] /N 2 >> " * 2000,
    )
    shading = b"<< /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 600 800] /Extend [true true] /Function 6 0 R >>"
    page = b"/Resources << /Shading << /S 5 0 R >> >>"
    return _page(_stream(b"/S sh " * 20_000), shading, function, page=page)


def _text_bomb() -> bytes:
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    text = b"BT /F 1 Tf " + b"(%s) Tj " % (b"word " * 2000) * 3000 + b"ET"
    content = _stream(_flate(text), b"/Filter /FlateDecode")
    return _page(content, font, page=b"/Resources << /Font << /F 5 0 R >> >>")


def _chained(times: int) -> bytes:
    filters = b"/Filter [%s]" % (b"/FlateDecode " * times)
    return _page(_stream(_flate(_deflated(bytes(2**20), 2**8) + bytes(2**24), times - 1), filters))


FILES: Files = {
    "PNG: 60,000 x 60,000 pixels": ("image", lambda: _png(60_000, 60_000, _chunk(b"IDAT", zlib.compress(bytes(99))))),
    "PNG: 40 megapixels, 16 bits, transparent": (
        "image",
        lambda: _png(6300, 6300, _idat(_zeros(6300, 6300, 64)), depth=16, color=6),
    ),
    "PNG: 40 megapixels, interlaced": (
        "image",
        lambda: _png(6300, 6300, _idat(_zeros(6300, 12600, 24)), interlaced=1),
    ),
    "PNG: a million chunks": ("image", lambda: _png(9, 9, _chunk(b"tEXt", b"a\0b") * 500_000, _idat(_zeros(9, 9, 24)))),
    "PNG: a text that inflates": (
        "image",
        lambda: _png(9, 9, _chunk(b"zTXt", b"a\0\0" + _deflated(bytes(2**20), 2**8)), _idat(_zeros(9, 9, 24))),
    ),
    "PNG: a profile that inflates": (
        "image",
        lambda: _png(9, 9, _chunk(b"iCCP", b"a\0\0" + _deflated(bytes(2**20), 2**8)), _idat(_zeros(9, 9, 24))),
    ),
    "PNG: data in chunks of one byte": (
        "image",
        lambda: _png(999, 999, _idat_of_bytes(_flate(_noise(999, "L").tobytes())[:540_000])),
    ),
    "PNG: thousands of frames": ("image", lambda: _apng(20_000)),
    "PNG: truncated": ("image", lambda: _saved(_noise(300), "PNG")[:100_000]),
    "PNG: a wrong checksum": ("image", lambda: _saved(_noise(300), "PNG")[:-20] + bytes(20)),
    "JPEG: 65,500 x 65,500 pixels": ("image", lambda: _jpeg_of_size(65_500, 65_500)),
    "JPEG: 65,500 x 600 pixels of nothing": ("image", lambda: _jpeg_of_size(65_500, 600)),
    "JPEG: hundreds of scans": ("image", lambda: _scans(400)),
    "JPEG: thousands of empty scans": ("image", lambda: _scans_of_nothing(4000)),
    "JPEG: 300,000 comments": ("image", lambda: _segments(0xFE, 300_000)),
    "JPEG: 300,000 application segments": ("image", lambda: _segments(0xE1, 300_000)),
    "JPEG: EXIF that contains itself": ("image", _exif_loop),
    "JPEG: truncated": ("image", lambda: _saved(_noise(300), "JPEG")[:5000]),
    "GIF: 65,535 x 65,535 pixels": ("image", lambda: _gif_of_size(65_535, 65_535)),
    "GIF: 6,300 x 6,300 pixels of nothing": ("image", lambda: _gif_of_size(6300, 6300)),
    "GIF: a million comments": ("image", lambda: _gif_of_size(8, 8, 1_000_000)),
    "GIF: thousands of frames": ("image", lambda: _frames("GIF", 3000, (40, 40))),
    "GIF: truncated": ("image", lambda: _saved(_noise(300, "P"), "GIF")[:5000]),
    "WebP: 16,383 x 16,383 pixels": ("image", lambda: _webp_of_size(16_383, 16_383)),
    "WebP: 6,300 x 6,300 pixels of nothing": ("image", lambda: _webp_of_size(6300, 6300)),
    "WebP: hundreds of frames": ("image", lambda: _frames("WEBP", 300, (64, 64))),
    "WebP: truncated": ("image", lambda: _saved(_noise(300), "WEBP")[:5000]),
    "TIFF: 60,000 x 60,000 pixels": ("image", lambda: _tiff_picture(60_000, 60_000, 1, b"x")),
    "TIFF: a directory that follows itself": ("image", lambda: _tiff([(256, 4, 1, 9), (257, 4, 1, 9)], 8)),
    "TIFF: a tag of four billion values": ("image", lambda: _tiff([(256, 4, 2**32 - 1, 8), (273, 4, 2**32 - 1, 8)])),
    "TIFF: 40 megapixels deflated": ("image", lambda: _tiff_picture(6300, 6300, 8, _deflated(bytes(6300), 6300))),
    "TIFF: thousands of pages": ("image", lambda: _tiff_pages(1500)),
    "TIFF: truncated": ("image", lambda: _saved(_noise(300), "TIFF")[:5000]),
    "BMP: 60,000 x 60,000 pixels": ("image", lambda: _bmp(60_000, 60_000)),
    "BMP: 40 megapixels of runs": ("image", lambda: _bmp(6300, 6300, 1, 8, (b"\xff\x01" * 25 + b"\0\0") * 6300)),
    "BMP: a negative size": ("image", lambda: _bmp(-9, -(2**31), data=bytes(99))),
    "BMP: truncated": ("image", lambda: _saved(_noise(300), "BMP")[:5000]),
    "PDF: deflated three times": ("pdf", lambda: _chained(3)),
    "PDF: a hundred filters": ("pdf", lambda: _page(_stream(b"x" * 99, b"/Filter [%s]" % (b"/ASCIIHexDecode " * 100)))),
    "PDF: nested forms": ("pdf", lambda: _nested_forms(10, 30)),
    "PDF: a form that draws itself": (
        "pdf",
        lambda: _page(
            _stream(b"/F Do"),
            _stream(
                b"/F Do /F Do",
                b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F 5 0 R >> >>",
            ),
            page=b"/Resources << /XObject << /F 5 0 R >> >>",
        ),
    ),
    "PDF: millions of fills": ("pdf", lambda: _operators(b"0 0 600 800 re f ", 3_000_000)),
    "PDF: millions of curves": ("pdf", lambda: _operators(b"0 0 m 1 900 600 0 9 800 c S ", 2_000_000)),
    "PDF: millions of states": ("pdf", lambda: _operators(b"q ", 30_000_000)),
    "PDF: thousands of pages": ("pdf", lambda: _pages(20_000)),
    "PDF: a deep page tree": ("pdf", lambda: _page_tree(20_000)),
    "PDF: a page tree that contains itself": (
        "pdf",
        lambda: _pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 50 /Kids [2 0 R 2 0 R] >>"),
    ),
    "PDF: thousands of fonts": ("pdf", lambda: _fonts(20_000)),
    "PDF: a font that draws itself": ("pdf", _type3_recursion),
    "PDF: thousands of annotations": ("pdf", lambda: _annotations(20_000)),
    "PDF: a page of 14,400 points and a picture": ("pdf", lambda: _picture_in_pdf(12_000)),
    "PDF: a page of a billion points": ("pdf", lambda: _page(_stream(b""), box=b"0 0 1000000000 1")),
    "PDF: a page without a size": ("pdf", lambda: _page(_stream(b""), box=b"0 0 0 0")),
    "PDF: a function of 2,000 parts": ("pdf", _shading),
    "PDF: 30 million characters": ("pdf", _text_bomb),
    "PDF: nested arrays": ("pdf", lambda: _page(_stream(b"[" * 2_000_000))),
    "PDF: truncated": ("pdf", lambda: _pages(50)[:2000]),
    "PDF: random bytes after the head": ("pdf", lambda: b"%PDF-1.7\n" + _noise(500).tobytes()),
}
"""By a description: ``image`` or ``pdf``, and a function that returns the file."""
