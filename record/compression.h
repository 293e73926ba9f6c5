/* compression: gzip, snappy, lz4 and zstd behind one face, with Kafka's numbers and framings.
 *
 * A context holds the libraries' states and one window of output, and is reused batch after batch;
 * one per loop.  Reading is streamed: memory does not depend on what the bytes expand to.
 *
 *   gzip    RFC 1952, members one after the other, as Java's GZIPInputStream reads
 *   snappy  raw, or in xerial blocks: 0x82 "SNAPPY" 0, int32 1, int32 1, then { int32 size, raw }
 *           (big endian); written in blocks of 32 KiB as Java does
 *   lz4     one frame of independent blocks, no dictionary (what Java can read)
 *   zstd    frames one after the other; windows up to 128 MiB, as Java reads
 *
 *   CMP-1  at most one reader or compression uses a context at a time
 *   CMP-2  memory: a window of 64 KiB, one raw snappy block (at most 22 times its compressed size
 *          and never above the output limit), and what the libraries need for one stream */
#ifndef LEVEE_RECORD_COMPRESSION_H
#define LEVEE_RECORD_COMPRESSION_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum compression { /* bits 0-2 of a batch's attributes */
                   COMPRESSION_NONE = 0,
                   COMPRESSION_GZIP = 1,
                   COMPRESSION_SNAPPY = 2,
                   COMPRESSION_LZ4 = 3,
                   COMPRESSION_ZSTD = 4,
                   COMPRESSION_COUNT
};

enum { COMPRESSION_LEVEL_DEFAULT = INT32_MIN };

static inline bool compression_is_known(int codec)
{
    return codec >= 0 && codec < COMPRESSION_COUNT;
}

/* "none", "gzip", ...: as in compression.type.  Never NULL. */
const char *compression_name(enum compression codec);

struct compression_context;

/* Takes little memory before the first use of each codec.  Never NULL. */
must_use struct compression_context *compression_context_create(void);

/* Accepts NULL. */
void compression_context_destroy(struct compression_context *context);

/* Uncompressed bytes out of compressed ones, front to back.  What that costs is counted in
 * work_bytes, in bytes of output: what came out, what went in, and a price for each block, frame or
 * member, for which the libraries make tables: a stream may be nothing but blocks without output.
 * Owned by the caller; nothing to release: the next init on the context reuses everything. */
struct compression_reader {
    struct compression_context *context;
    enum compression codec;
    const uint8_t *in;
    size_t in_bytes;
    size_t in_pos;
    size_t ask_bytes;      /* of input, up to the end of the next block */
    const uint8_t *window; /* output not yet handed out: window_pos .. window_bytes */
    size_t window_bytes;
    size_t window_pos;
    uint64_t output_bytes; /* produced so far */
    uint64_t output_max_bytes;
    uint64_t work_bytes;
    uint64_t work_max_bytes; /* past it, and not at the end: ERR_FULL; UINT64_MAX after the init */
    bool at_end;             /* nothing more will be produced */
    bool frame_done;         /* between two frames, members or blocks */
    bool xerial;
    enum err failed; /* sticky */
};

static inline bool compression_is_spent(const struct compression_reader *reader)
{
    return reader->work_bytes > reader->work_max_bytes;
}

/* bytes: the compressed region of a batch, the caller's until the last read.  output_max_bytes: a
 * stream that yields more ends with ERR_TOO_LARGE.  ERR_CODEC: no such codec (any int is allowed).
 * ERR_NOMEM. */
must_use enum err compression_reader_init(struct compression_reader *reader,
                                          struct compression_context *context, int codec,
                                          const uint8_t *bytes, size_t size_bytes,
                                          uint64_t output_max_bytes);

/* What a reader of these bytes may need beside them, at most. */
uint64_t compression_memory_bytes(int codec, const uint8_t *bytes, size_t size_bytes);

/* Up to size_bytes into out; fewer only at the end of the stream (*read_out 0: was there before).
 * ERR_MALFORMED: not this format; ERR_TRUNCATED: ends inside; ERR_TOO_LARGE; ERR_FULL: it has cost
 * work_max_bytes; ERR_NOMEM.  After an error every call says the same. */
must_use enum err compression_read(struct compression_reader *reader, void *out, size_t size_bytes,
                                   size_t *read_out);

/* The same without a copy: *skipped_out bytes, fewer than size_bytes only at the end. */
must_use enum err compression_skip(struct compression_reader *reader, uint64_t size_bytes,
                                   uint64_t *skipped_out);

/* Look at what is decoded already: up to the next window's end, at least one byte unless the stream
 * is at its end (*size_out 0).  Valid until the next call on the reader; compression_advance takes
 * from it. */
must_use enum err compression_peek(struct compression_reader *reader, const uint8_t **bytes_out,
                                   size_t *size_out);
void compression_advance(struct compression_reader *reader, size_t size_bytes);

/* Everything at once into memory from mem_try_alloc (the caller frees it), never more than
 * output_max_bytes.  Errors as above. */
must_use enum err compression_decompress(struct compression_context *context, int codec,
                                         const uint8_t *bytes, size_t size_bytes,
                                         uint64_t output_max_bytes, uint8_t **out,
                                         size_t *out_bytes);

/* Room that compression_compress may need for size_bytes of input. */
size_t compression_bound(enum compression codec, size_t size_bytes);

/* Compress into out[0 .. out_max_bytes).  level: COMPRESSION_LEVEL_DEFAULT, or the library's own
 * scale (Kafka's compression.gzip.level, .lz4.level, .zstd.level).  ERR_FULL: out is too small;
 * ERR_CODEC: no such codec; ERR_INVALID: the library does not know the level; ERR_NOMEM. */
must_use enum err compression_compress(struct compression_context *context, int codec,
                                       int32_t level, const uint8_t *bytes, size_t size_bytes,
                                       uint8_t *out, size_t out_max_bytes, size_t *out_bytes);

#endif
