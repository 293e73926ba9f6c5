"""Batches that are small on the wire and cost much: they expand, or never give a byte.

Every batch is whole, its CRC is right, and it holds what its header says.
"""
import functools
import gzip
import struct
import time
import zlib

import raw

CODECS = {"gzip": 1, "zstd": 4}
PAYLOAD = raw.record(0, b"k", b"v")
ZSTD_MAGIC = 0xFD2FB528
ZSTD_SKIPPED = 0x184D2A50


def batch_of(codec, records):
    return raw.batch((b"",), records=records, attributes=CODECS[codec],
                     timestamp=int(time.time() * 1000))


# ---- batches that expand

@functools.lru_cache
def gzip_bomb(expanded_bytes):
    return batch_of("gzip", gzip.compress(raw.record(0, b"k", bytes(expanded_bytes)), 9, mtime=0))


def zstd_block(kind, size, data, last=False):
    """RFC 8878, 3.1.1.2: kind 0 is raw, 1 run-length."""
    return struct.pack("<I", size << 3 | kind << 1 | last)[:3] + data


@functools.lru_cache
def zstd_bomb(expanded_bytes):
    """RFC 8878: a frame of run-length blocks, four bytes for each 128 KiB of zeroes."""
    run = 128 << 10
    runs = expanded_bytes // run
    value = runs * run
    after = raw.varint(0)  # no headers
    before = b"\0" + raw.varint(0) + raw.varint(0) + raw.sized(b"k") + raw.varint(value)
    before = raw.varint(len(before) + value + len(after)) + before
    blocks = zstd_block(0, len(before), before) + zstd_block(1, run, b"\0") * runs
    blocks += zstd_block(0, len(after), after, True)
    size = len(before) + value + len(after)
    window = 21 - 10 << 3  # 2 MiB
    return batch_of("zstd", struct.pack("<IBBQ", ZSTD_MAGIC, 3 << 6, window, size) + blocks)


# ---- batches of pieces that give nothing

def zstd_frame(blocks):
    """A frame without a size, with a window of 2 MiB."""
    return struct.pack("<IBB", ZSTD_MAGIC, 0, 21 - 10 << 3) + blocks


def zstd_empty_blocks(size_bytes):
    empty = zstd_block(0, 0, b"")
    return batch_of("zstd", zstd_frame(empty * (size_bytes // len(empty)) +
                                       zstd_block(0, len(PAYLOAD), PAYLOAD, True)))


def zstd_empty_frames(size_bytes):
    empty = zstd_frame(zstd_block(0, 0, b"", True))
    last = zstd_frame(zstd_block(0, len(PAYLOAD), PAYLOAD, True))
    return batch_of("zstd", empty * (size_bytes // len(empty)) + last)


def zstd_skipped_frames(size_bytes):
    skipped = struct.pack("<II", ZSTD_SKIPPED, 0)
    last = zstd_frame(zstd_block(0, len(PAYLOAD), PAYLOAD, True))
    return batch_of("zstd", skipped * (size_bytes // len(skipped)) + last)


GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def gzip_empty_members(size_bytes):
    empty = GZIP_HEADER + b"\3\0" + bytes(8)  # RFC 1952; an empty block of fixed codes
    last = gzip.compress(PAYLOAD, 1, mtime=0)
    return batch_of("gzip", empty * (size_bytes // len(empty)) + last)


def codes_of(lengths):
    """{symbol: its code as bits} for {symbol: length} (RFC 1951, 3.2.2)."""
    code = last = 0
    codes = {}
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        code <<= length - last
        codes[symbol] = format(code, "0%db" % length)
        code, last = code + 1, length
    return codes


def empty_block():
    """The bits of a deflate block that has its end and nothing before it, and brings a table of
    literals with codes of all lengths, so that building it costs most (RFC 1951, 3.2.7)."""
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
    zeroes = 18  # so many zero lengths: 11 and what the next seven bits say
    used = sorted({zeroes, 0, *range(1, 16)})
    lengths = {symbol: 4 if n < len(used) - 2 else 5 for n, symbol in enumerate(used)}
    codes = codes_of(lengths)

    def number(value, count):  # the lowest bit first
        return format(value, "0%db" % count)[::-1]

    bits = number(0, 1) + number(2, 2) + number(0, 5) + number(0, 5) + number(len(order) - 4, 4)
    bits += "".join(number(lengths.get(symbol, 0), 3) for symbol in order)
    bits += codes[zeroes] + number(138 - 11, 7) + codes[zeroes] + number(103 - 11, 7)
    bits += "".join(codes[length] for length in (*range(1, 16), 15))  # of the symbols 241 to 256
    return bits + codes[0] + "1" * 15  # no distances; the code of 256


def gzip_empty_blocks(size_bytes):
    bits = empty_block() * 8  # whole bytes
    data = bytes(int(bits[n:n + 8][::-1], 2) for n in range(0, len(bits), 8))
    data *= size_bytes // len(data)
    data += b"\1" + struct.pack("<HH", len(PAYLOAD), len(PAYLOAD) ^ 0xFFFF) + PAYLOAD  # stored
    return batch_of("gzip", GZIP_HEADER + data +
                    struct.pack("<II", zlib.crc32(PAYLOAD), len(PAYLOAD)))
