/* frame: whole messages out of a byte stream (Kafka protocol: int32 size, big endian, then that
 * many bytes).
 *
 * One frame_reader is one direction of one connection; it collects one frame at a time.  Memory
 * follows the bytes that came, never the size that was announced:
 *   FRM-1  capacity <= max(FRAME_FIRST_BYTES, FRAME_GROWTH_LARGE * bytes received of this frame)
 *       and a frame above FRAME_LARGE_BYTES leaves a FRAME_RESERVE_PART of the slab to small ones,
 *       which leave a FRAME_STASH_PART to what others have received and cannot begin
 *   FRM-2  a frame that lies whole in the bytes handed in gets a buffer of exactly its size and is
 *       copied once */
#ifndef LEVEE_NET_FRAME_H
#define LEVEE_NET_FRAME_H

#include "base/slab.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FRAME_PREFIX_BYTES = 4,
    FRAME_FIRST_BYTES = 4096,
    FRAME_LARGE_BYTES = 64 * 1024, /* received: from here on a larger growth saves copies */
    FRAME_GROWTH = 2,
    FRAME_GROWTH_LARGE = 4,
    FRAME_INTO_BYTES = 256 * 1024, /* missing: from here on receiving straight into place pays */
    FRAME_PLACE_MAX = 256 * 1024,  /* of one receive in place; less from who is slow, since what a
                                    * receive has got so far cannot be seen */
    FRAME_PLACE_MIN = 16 * 1024,
    FRAME_PLACE_FAST_MS = 50,
    FRAME_PLACE_SLOW_MS = 250,
    FRAME_RESERVE_PART = 4,
    FRAME_STASH_PART = 8,
};

struct frame_reader {
    struct slab *slab;
    struct buf *buf; /* of the current frame; NULL before its first byte after the size */
    uint32_t max_bytes;
    uint32_t size_bytes;   /* announced; meaningful once prefix_bytes is 4 */
    uint32_t filled_bytes; /* of the frame, without the size */
    uint32_t place_bytes;  /* of the next receive in place, at most */
    uint8_t prefix_bytes;  /* of the size, 0..4 */
    uint8_t prefix[FRAME_PREFIX_BYTES];
};

/* slab stays the caller's.  max_bytes: largest allowed size, without the four bytes of it. */
void frame_reader_init(struct frame_reader *reader, struct slab *slab, uint32_t max_bytes);

/* Drops a frame half received. */
void frame_reader_deinit(struct frame_reader *reader);

/* Take bytes up to the end of the current frame; *used_out says how many.  Call it again with the
 * rest once the frame was taken.  ERR_MALFORMED: size below 1.  ERR_TOO_LARGE: size above
 * max_bytes.  After these the stream cannot be read any further.  ERR_NOMEM: the slab is full; call
 * it again with what was not used once it has room. */
must_use enum err frame_read(struct frame_reader *reader, const uint8_t *bytes, uint32_t size_bytes,
                             uint32_t *used_out);

/* True: a whole frame waits for frame_take, and frame_read takes nothing. */
static inline bool frame_is_whole(const struct frame_reader *reader)
{
    return reader->prefix_bytes == FRAME_PREFIX_BYTES && reader->filled_bytes == reader->size_bytes;
}

/* True: the current frame has begun. */
static inline bool frame_is_partial(const struct frame_reader *reader)
{
    return reader->prefix_bytes > 0;
}

/* The whole frame; the reference is the caller's.  buf->bytes are its first *size_out bytes. */
struct buf *frame_take(struct frame_reader *reader, uint32_t *size_out);

/* What the buffer of the current frame grows to (FRM-1) when size_bytes more of it come, and
 * whether the slab has room for that. */
uint64_t frame_growth_bytes(const struct frame_reader *reader, uint32_t size_bytes);
bool frame_has_room(const struct frame_reader *reader, uint32_t size_bytes);

/* True: so much is missing that it is better received straight into place. */
bool frame_wants_bytes_in_place(const struct frame_reader *reader);

/* Where the next bytes of the current frame go, and how many fit (at least one; grows the buffer by
 * FRM-1).  Tell with frame_filled, and how long they took to come: the next ones are more or fewer.
 * ERR_NOMEM: the slab is full. */
must_use enum err frame_place(struct frame_reader *reader, uint8_t **bytes_out, uint32_t *size_out);
void frame_filled(struct frame_reader *reader, uint32_t size_bytes, uint64_t took_ns);

#endif
