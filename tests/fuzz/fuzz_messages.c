/* fuzz_messages: any bytes as any message in any version, and as the stream of a connection.
 *
 * Of the first four bytes the last says which.  For a message the others choose it and its version;
 * for a stream the first is the size of the pieces in which it comes.  What can be decoded must
 * encode, and mean the same when it is decoded again; nothing may pass the arena's limit. */
#include "base/check.h"
#include "base/mem.h"
#include "net/frame.h"
#include "net/protocol/header.h"
#include "net/protocol/kafka_tables.h"
#include "tests/fuzz/fuzz_seed.h"
#include "tests/support/random_message.h"

#include <string.h>

enum {
    ARENA_BYTES_MAX = 1 << 20,
    BIG_ARENA_BYTES_MAX = 64 << 20,
    CHOICE_BYTES = 4,
    CHOICE_STREAM = 3, /* of four */
    FRAME_BYTES_MAX = 1 << 20,
};

static const struct message_desc *choose(uint16_t index)
{
    size_t count = 0;

    while (kafka_messages[count] != NULL)
        count++;
    return kafka_messages[index % count];
}

static void check_decoded(const struct message_desc *desc, int16_t version, const void *message)
{
    struct arena arena;
    struct wire_writer writer;
    struct wire_reader reader;
    struct wire_bytes bytes;
    void *again;

    arena_init(&arena, BIG_ARENA_BYTES_MAX);
    again = arena_alloc(&arena, desc->body->size_bytes);
    check(again != NULL);
    wire_writer_init(&writer, &arena);
    check(codec_encode(desc, version, message, &writer) == OK);
    check(wire_writer_flatten(&writer, &bytes) == OK);
    wire_reader_init(&reader, bytes.bytes, (size_t)bytes.size_bytes);
    check(codec_decode(desc, version, &reader, &arena, again) == OK);
    check(wire_reader_left(&reader) == 0);
    check(codec_equal(desc, version, message, again));
    wire_writer_init(&writer, &arena);
    codec_print(desc, version, again, &writer);
    check(writer.err == OK);
    arena_deinit(&arena);
}

/* One body that nothing may follow. */
static void decode_message(const struct message_desc *desc, int16_t version, const uint8_t *bytes,
                           size_t size_bytes)
{
    struct wire_reader reader;
    struct arena arena;
    void *message;
    enum err err;

    arena_init(&arena, ARENA_BYTES_MAX);
    message = arena_alloc(&arena, desc->body->size_bytes);
    check(message != NULL);
    wire_reader_init(&reader, bytes, size_bytes);
    err = codec_decode(desc, version, &reader, &arena, message);
    check(arena.total_bytes <= ARENA_BYTES_MAX);
    if (err == OK)
        check_decoded(desc, version, message);
    else
        check(err == ERR_TRUNCATED || err == ERR_MALFORMED || err == ERR_NOMEM);
    arena_deinit(&arena);
}

/* ---- a connection */

static void check_header(const struct request_header *header, const struct api_desc *api,
                         struct arena *arena)
{
    struct request_header again;
    const struct api_desc *api_again;
    struct wire_writer writer;
    struct wire_reader reader;
    struct wire_bytes bytes;

    wire_writer_init(&writer, arena);
    check(header_encode_request(&writer, api, header->request_api_version, header->correlation_id,
                                header->client_id) == OK);
    check(wire_writer_flatten(&writer, &bytes) == OK);
    wire_reader_init(&reader, bytes.bytes, (size_t)bytes.size_bytes);
    check(header_decode_request(&reader, arena, &again, &api_again) == OK);
    check(wire_reader_left(&reader) == 0 && api_again == api);
    check(again.request_api_version == header->request_api_version);
    check(again.correlation_id == header->correlation_id);
    check(again.client_id.size_bytes == header->client_id.size_bytes);
}

static void read_frame(const uint8_t *bytes, uint32_t size_bytes)
{
    struct request_header header;
    const struct api_desc *api = NULL;
    struct wire_reader reader;
    struct arena arena;
    int32_t correlation_id;
    enum err err;

    arena_init(&arena, BIG_ARENA_BYTES_MAX);
    wire_reader_init(&reader, bytes, size_bytes);
    err = header_decode_request(&reader, &arena, &header, &api);
    if (err == OK) {
        check(api_serves(header.request_api_key, header.request_api_version));
        check_header(&header, api, &arena);
        decode_message(api->request, header.request_api_version,
                       bytes + size_bytes - wire_reader_left(&reader), wire_reader_left(&reader));
        wire_reader_init(&reader, bytes, size_bytes); /* and as an answer */
        if (header_decode_response(&reader, &arena, api, header.request_api_version,
                                   &correlation_id) == OK)
            check(wire_reader_left(&reader) <= size_bytes - 4);
    } else if (err == ERR_UNSUPPORTED) {
        check(!api_serves(header.request_api_key, header.request_api_version));
    } else {
        check(err == ERR_TRUNCATED || err == ERR_MALFORMED || err == ERR_TOO_LARGE ||
              err == ERR_NOMEM);
    }
    arena_deinit(&arena);
}

/* By frame_read, or by frame_place and frame_filled as when much is missing. */
static enum err take_piece(struct frame_reader *frames, const uint8_t *bytes, uint32_t size_bytes,
                           bool in_place, uint32_t *used_out)
{
    uint8_t *place;
    uint32_t room_bytes;
    enum err err;

    if (!in_place || frames->prefix_bytes < FRAME_PREFIX_BYTES || frame_is_whole(frames))
        return frame_read(frames, bytes, size_bytes, used_out);
    err = frame_place(frames, &place, &room_bytes);
    if (err != OK)
        return err;
    check(room_bytes > 0);
    *used_out = size_bytes < room_bytes ? size_bytes : room_bytes;
    memcpy(place, bytes, *used_out);
    frame_filled(frames, *used_out, size_bytes * 1000000U);
    return OK;
}

static void read_stream(const uint8_t *bytes, size_t size_bytes, uint8_t piece)
{
    struct frame_reader frames;
    struct slab slab;
    size_t pos = 0;
    size_t frame_pos = 0; /* of the current frame's size */

    slab_init(&slab, 4 * FRAME_BYTES_MAX);
    frame_reader_init(&frames, &slab, FRAME_BYTES_MAX);
    while (pos < size_bytes) {
        size_t some_bytes = piece == 0 ? size_bytes : piece;
        uint32_t used = 0;
        uint32_t frame_bytes;
        struct buf *buf;
        if (some_bytes > size_bytes - pos)
            some_bytes = size_bytes - pos;
        if (take_piece(&frames, bytes + pos, (uint32_t)some_bytes, piece % 2 == 1, &used) != OK)
            break;
        check(used > 0 && used <= some_bytes);
        pos += used;
        /* memory follows the bytes that came (frame.h, FRM-1) */
        check(frames.buf == NULL || frames.buf->capacity_bytes <= FRAME_FIRST_BYTES ||
              frames.buf->capacity_bytes <=
                  FRAME_GROWTH_LARGE * ((uint64_t)frames.filled_bytes + 1));
        if (!frame_is_whole(&frames))
            continue;
        buf = frame_take(&frames, &frame_bytes);
        check(pos - frame_pos == FRAME_PREFIX_BYTES + (size_t)frame_bytes);
        check(memcmp(buf->bytes, bytes + frame_pos + FRAME_PREFIX_BYTES, frame_bytes) == 0);
        read_frame(bytes + frame_pos + FRAME_PREFIX_BYTES, frame_bytes);
        buf_unref(buf);
        frame_pos = pos;
    }
    frame_reader_deinit(&frames);
    slab_deinit(&slab);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    const struct message_desc *desc;
    int16_t version;
    uint8_t *bytes;

    if (size_bytes < CHOICE_BYTES)
        return 0;
    size_bytes -= CHOICE_BYTES;
    bytes = mem_alloc(size_bytes); /* of exactly that size */
    memcpy(bytes, data + CHOICE_BYTES, size_bytes);
    if (data[3] % 4 == CHOICE_STREAM) {
        read_stream(bytes, size_bytes, data[0]);
    } else {
        desc = choose((uint16_t)(data[0] << 8 | data[1]));
        version = (int16_t)(desc->min_version +
                            data[2] % (int)(desc->max_version - desc->min_version + 1));
        decode_message(desc, version, bytes, size_bytes);
    }
    mem_free(bytes);
    return 0;
}

/* ---- seeds: any message, bare or behind size and header */

static size_t put_message(struct prng *prng, struct arena *arena, uint8_t *out, size_t max_bytes)
{
    uint16_t index = (uint16_t)prng_below(prng, UINT16_MAX);
    const struct message_desc *desc = choose(index);
    uint8_t step = (uint8_t)prng_below(prng, (uint64_t)(desc->max_version - desc->min_version + 1));
    int16_t version = (int16_t)(desc->min_version + step);
    void *body = arena_alloc(arena, desc->body->size_bytes);
    struct wire_writer writer;
    struct wire_bytes bytes;

    random_message(desc, version, prng, arena, body);
    wire_writer_init(&writer, arena);
    if (codec_encode(desc, version, body, &writer) != OK ||
        wire_writer_flatten(&writer, &bytes) != OK ||
        (size_t)bytes.size_bytes + CHOICE_BYTES > max_bytes)
        return 0;
    memcpy(out, (uint8_t[]){(uint8_t)(index >> 8), (uint8_t)index, step, 0}, CHOICE_BYTES);
    memcpy(out + CHOICE_BYTES, bytes.bytes, (size_t)bytes.size_bytes);
    return CHOICE_BYTES + (size_t)bytes.size_bytes;
}

static size_t put_request(struct prng *prng, struct arena *arena, uint8_t *out, size_t max_bytes)
{
    const struct api_desc *api = &kafka_apis[prng_below(prng, KAFKA_API_COUNT)];
    int16_t version;
    struct wire_writer writer;
    struct wire_bytes bytes;
    void *body;

    if (api->max < api->served_min)
        return 0;
    version = (int16_t)(api->served_min +
                        (int16_t)prng_below(prng, (uint64_t)(api->max - api->served_min + 1)));
    body = arena_alloc(arena, api->request->body->size_bytes);
    random_message(api->request, version, prng, arena, body);
    wire_writer_init(&writer, arena);
    if (header_encode_request(&writer, api, version, 7, wire_string("client")) != OK ||
        codec_encode(api->request, version, body, &writer) != OK ||
        wire_writer_flatten(&writer, &bytes) != OK ||
        (size_t)bytes.size_bytes + FRAME_PREFIX_BYTES > max_bytes)
        return 0;
    for (int i = 0; i < FRAME_PREFIX_BYTES; i++)
        out[i] = (uint8_t)((uint32_t)bytes.size_bytes >> 8 * (3 - i));
    memcpy(out + FRAME_PREFIX_BYTES, bytes.bytes, (size_t)bytes.size_bytes);
    return FRAME_PREFIX_BYTES + (size_t)bytes.size_bytes;
}

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    struct arena arena;
    size_t size_bytes = CHOICE_BYTES;

    if (max_bytes < CHOICE_BYTES)
        return 0;
    arena_init(&arena, BIG_ARENA_BYTES_MAX);
    if (prng_chance(prng, 1, 2)) {
        size_bytes = put_message(prng, &arena, out, max_bytes);
    } else {
        memcpy(out, (uint8_t[]){(uint8_t)prng_below(prng, 64), 0, 0, CHOICE_STREAM}, CHOICE_BYTES);
        do
            size_bytes += put_request(prng, &arena, out + size_bytes, max_bytes - size_bytes);
        while (prng_chance(prng, 1, 2));
    }
    arena_deinit(&arena);
    return size_bytes;
}

FUZZ_SEEDS(make_seed)
