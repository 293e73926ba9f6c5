#include "net/frame.h"

#include "base/check.h"
#include "base/clock.h"

#include <string.h>

void frame_reader_init(struct frame_reader *reader, struct slab *slab, uint32_t max_bytes)
{
    *reader =
        (struct frame_reader){.slab = slab, .max_bytes = max_bytes, .place_bytes = FRAME_PLACE_MIN};
}

void frame_reader_deinit(struct frame_reader *reader)
{
    buf_unref(reader->buf);
    reader->buf = NULL;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The four bytes of the size, however they are cut. */
static enum err read_prefix(struct frame_reader *reader, const uint8_t *bytes, uint32_t size_bytes,
                            uint32_t *used_out)
{
    uint32_t used = 0;
    uint32_t announced;

    while (reader->prefix_bytes < FRAME_PREFIX_BYTES && used < size_bytes)
        reader->prefix[reader->prefix_bytes++] = bytes[used++];
    *used_out = used;
    if (reader->prefix_bytes < FRAME_PREFIX_BYTES)
        return OK;
    announced = (uint32_t)reader->prefix[0] << 24 | (uint32_t)reader->prefix[1] << 16 |
                (uint32_t)reader->prefix[2] << 8 | (uint32_t)reader->prefix[3];
    if (announced == 0 || announced > INT32_MAX)
        return ERR_MALFORMED;
    if (announced > reader->max_bytes)
        return ERR_TOO_LARGE;
    reader->size_bytes = announced;
    return OK;
}

uint64_t frame_growth_bytes(const struct frame_reader *reader, uint32_t size_bytes)
{
    uint64_t have = (uint64_t)reader->filled_bytes + size_bytes;
    uint64_t wanted;

    if (have >= reader->size_bytes)
        wanted = reader->size_bytes;
    else if (have < FRAME_LARGE_BYTES)
        wanted = have * FRAME_GROWTH > FRAME_FIRST_BYTES ? have * FRAME_GROWTH : FRAME_FIRST_BYTES;
    else
        wanted = have * FRAME_GROWTH_LARGE;
    return wanted < reader->size_bytes ? wanted : reader->size_bytes;
}

/* What a buffer of that size leaves to others. */
static uint64_t leave_bytes(const struct frame_reader *reader, uint64_t wanted_bytes)
{
    return reader->slab->budget.max_bytes /
           (wanted_bytes > FRAME_LARGE_BYTES ? FRAME_RESERVE_PART : FRAME_STASH_PART);
}

/* The smaller buffer goes as soon as its bytes are copied, so a frame that is alone finds room for
 * both, up to half of the slab. */
static uint64_t more_bytes(const struct frame_reader *reader, uint64_t wanted_bytes)
{
    uint64_t had_bytes = reader->buf == NULL ? 0 : reader->buf->capacity_bytes;

    return wanted_bytes > had_bytes ? wanted_bytes - had_bytes : 0;
}

bool frame_has_room(const struct frame_reader *reader, uint32_t size_bytes)
{
    uint64_t wanted_bytes = frame_growth_bytes(reader, size_bytes);
    uint64_t room_bytes = budget_room_bytes(&reader->slab->budget);

    return room_bytes >= wanted_bytes + sizeof(struct buf) &&
           room_bytes >= leave_bytes(reader, wanted_bytes) + more_bytes(reader, wanted_bytes);
}

/* Room for at least one more byte, and for incoming_bytes of them where FRM-1 or FRM-2 allow it. */
static enum err make_room(struct frame_reader *reader, uint32_t incoming_bytes)
{
    uint64_t have = (uint64_t)reader->filled_bytes + incoming_bytes;
    uint64_t wanted;
    struct buf *larger;

    if (reader->buf != NULL && have <= reader->buf->capacity_bytes)
        return OK;
    wanted = frame_growth_bytes(reader, incoming_bytes);
    if (!budget_has_room(&reader->slab->budget, more_bytes(reader, wanted),
                         leave_bytes(reader, wanted)))
        return ERR_NOMEM;
    larger = buf_create(reader->slab, (uint32_t)wanted, 1);
    if (larger == NULL)
        return ERR_NOMEM;
    if (reader->buf != NULL)
        memcpy(larger->bytes, reader->buf->bytes, reader->filled_bytes);
    buf_unref(reader->buf);
    reader->buf = larger;
    return OK;
}

enum err frame_read(struct frame_reader *reader, const uint8_t *bytes, uint32_t size_bytes,
                    uint32_t *used_out)
{
    uint32_t used = 0;
    uint32_t count;
    enum err err;

    *used_out = 0;
    if (reader->prefix_bytes < FRAME_PREFIX_BYTES) {
        err = read_prefix(reader, bytes, size_bytes, &used);
        if (err)
            return err;
        *used_out = used;
        if (reader->prefix_bytes < FRAME_PREFIX_BYTES)
            return OK;
    }
    count = min_u32(size_bytes - used, reader->size_bytes - reader->filled_bytes);
    if (count == 0)
        return OK;
    err = make_room(reader, count);
    if (err)
        return err;
    memcpy(reader->buf->bytes + reader->filled_bytes, bytes + used, count);
    reader->filled_bytes += count;
    *used_out = used + count;
    return OK;
}

struct buf *frame_take(struct frame_reader *reader, uint32_t *size_out)
{
    struct buf *buf = reader->buf;

    check(frame_is_whole(reader));
    *size_out = reader->size_bytes;
    reader->buf = NULL;
    reader->prefix_bytes = 0;
    reader->size_bytes = 0;
    reader->filled_bytes = 0;
    return buf;
}

bool frame_wants_bytes_in_place(const struct frame_reader *reader)
{
    return reader->prefix_bytes == FRAME_PREFIX_BYTES &&
           reader->filled_bytes >= FRAME_FIRST_BYTES &&
           reader->size_bytes - reader->filled_bytes >= FRAME_INTO_BYTES;
}

enum err frame_place(struct frame_reader *reader, uint8_t **bytes_out, uint32_t *size_out)
{
    enum err err;

    check(reader->prefix_bytes == FRAME_PREFIX_BYTES && !frame_is_whole(reader));
    /* A buffer that is full grows by what came so far, not by what is still to come. */
    if (reader->buf == NULL || reader->filled_bytes == reader->buf->capacity_bytes) {
        err = make_room(reader, 1);
        if (err)
            return err;
    }
    *bytes_out = reader->buf->bytes + reader->filled_bytes;
    *size_out = min_u32(reader->buf->capacity_bytes - reader->filled_bytes, reader->place_bytes);
    return OK;
}

void frame_filled(struct frame_reader *reader, uint32_t size_bytes, uint64_t took_ns)
{
    check(size_bytes <= reader->buf->capacity_bytes - reader->filled_bytes);
    reader->filled_bytes += size_bytes;
    if (took_ns > clock_ns_of_ms(FRAME_PLACE_SLOW_MS) && reader->place_bytes > FRAME_PLACE_MIN)
        reader->place_bytes /= 2;
    else if (took_ns < clock_ns_of_ms(FRAME_PLACE_FAST_MS) && reader->place_bytes < FRAME_PLACE_MAX)
        reader->place_bytes *= 2;
}
