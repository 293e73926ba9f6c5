/* fuzz_messages: any bytes as any message in any version.
 *
 * The first four bytes choose message and version, the rest is the message.  What can be decoded
 * must encode, and mean the same when it is decoded again; nothing may pass the arena's limit. */
#include "base/check.h"
#include "net/protocol/kafka_tables.h"

#include <stddef.h>
#include <stdint.h>

enum { ARENA_BYTES_MAX = 1 << 20, BIG_ARENA_BYTES_MAX = 64 << 20, CHOICE_BYTES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct message_desc *desc;
    struct wire_reader reader;
    struct arena arena;
    int16_t version;
    void *message;
    enum err err;

    if (size < CHOICE_BYTES)
        return 0;
    desc = choose((uint16_t)(data[0] << 8 | data[1]));
    version = (int16_t)(desc->min_version +
                        data[2] % (unsigned)(desc->max_version - desc->min_version + 1));
    arena_init(&arena, ARENA_BYTES_MAX);
    message = arena_alloc(&arena, desc->body->size_bytes);
    check(message != NULL);
    wire_reader_init(&reader, data + CHOICE_BYTES, size - CHOICE_BYTES);
    err = codec_decode(desc, version, &reader, &arena, message);
    check(arena.total_bytes <= ARENA_BYTES_MAX);
    if (err == OK)
        check_decoded(desc, version, message);
    else
        check(err == ERR_TRUNCATED || err == ERR_MALFORMED || err == ERR_NOMEM);
    arena_deinit(&arena);
    return 0;
}
