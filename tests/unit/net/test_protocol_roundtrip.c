/* Properties of every message of the schema in every version, and frames that must not change. */
#include "base/mem.h"
#include "net/protocol/header.h"
#include "net/protocol/kafka_tables.h"
#include "tests/support/random_message.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ARENA_BYTES_MAX = 16 << 20,
    SMALL_ARENA_BYTES_MAX = 64 << 10,
    MESSAGES_PER_VERSION = 8,
    MUTATIONS_PER_VERSION = 60,
    FRAME_BYTES_MAX = 1 << 20,
};

static struct {
    struct prng prng;
    uint64_t seed;
    struct arena arena;       /* of the message and its encoding */
    struct arena other_arena; /* of what is decoded */
} f;

/* LEVEE_SEED replays a run; without it the seed stays the same, so that a failure is ours. */
static void setup(void)
{
    const char *seed = getenv("LEVEE_SEED");

    f.seed = seed != NULL ? strtoull(seed, NULL, 0) : 20260801;
    prng_init(&f.prng, f.seed);
    arena_init(&f.arena, ARENA_BYTES_MAX);
    arena_init(&f.other_arena, ARENA_BYTES_MAX);
}

static void teardown(void)
{
    arena_deinit(&f.arena);
    arena_deinit(&f.other_arena);
}

static void *random_encoded(const struct message_desc *desc, int16_t version,
                            struct wire_bytes *bytes)
{
    void *message = arena_alloc(&f.arena, desc->body->size_bytes);
    struct wire_writer writer;

    random_message(desc, version, &f.prng, &f.arena, message);
    wire_writer_init(&writer, &f.arena);
    cr_assert(eq(int, codec_encode(desc, version, message, &writer), OK), "%s v%d seed %lu",
              desc->name, version, f.seed);
    cr_assert(eq(int, wire_writer_flatten(&writer, bytes), OK));
    cr_assert(eq(u64, (uint64_t)bytes->size_bytes, wire_writer_size(&writer)));
    return message;
}

typedef void property_fn(const struct message_desc *desc, int16_t version);

static void for_every_version(property_fn *property)
{
    unsigned count = 0;

    for (const struct message_desc *const *desc = kafka_messages; *desc != NULL; desc++) {
        for (int16_t v = (*desc)->min_version; v <= (*desc)->max_version; v++) {
            property(*desc, v);
            arena_reset(&f.arena);
            arena_reset(&f.other_arena);
        }
        count++;
    }
    cr_assert(eq(uint, count, 283));
}

static void round_trip(const struct message_desc *desc, int16_t version)
{
    for (int i = 0; i < MESSAGES_PER_VERSION; i++) {
        struct wire_bytes bytes, again;
        struct wire_reader reader;
        struct wire_writer writer;
        void *message = random_encoded(desc, version, &bytes);
        void *decoded = arena_alloc(&f.other_arena, desc->body->size_bytes);

        memset(decoded, 0xa5, desc->body->size_bytes);
        wire_reader_init(&reader, bytes.bytes, (size_t)bytes.size_bytes);
        cr_assert(eq(int, codec_decode(desc, version, &reader, &f.other_arena, decoded), OK),
                  "%s v%d seed %lu", desc->name, version, f.seed);
        cr_assert(eq(u64, wire_reader_left(&reader), 0), "%s v%d", desc->name, version);
        cr_assert(codec_equal(desc, version, message, decoded), "%s v%d seed %lu", desc->name,
                  version, f.seed);
        cr_assert(ge(u64, (uint64_t)bytes.size_bytes,
                     desc->body->min_size_bytes[version - desc->min_version]),
                  "%s v%d", desc->name, version);

        wire_writer_init(&writer, &f.other_arena);
        cr_assert(eq(int, codec_encode(desc, version, decoded, &writer), OK));
        cr_assert(eq(int, wire_writer_flatten(&writer, &again), OK));
        cr_assert(eq(int, again.size_bytes, bytes.size_bytes), "%s v%d", desc->name, version);
        cr_assert(eq(int, memcmp(again.bytes, bytes.bytes, (size_t)bytes.size_bytes), 0));
    }
}

Test(protocol_roundtrip, every_message_in_every_version_survives, .init = setup, .fini = teardown)
{
    for_every_version(round_trip);
}

static void defaults_are_shortest(const struct message_desc *desc, int16_t version)
{
    void *message = arena_alloc(&f.arena, desc->body->size_bytes);
    struct wire_writer writer;

    codec_set_defaults(desc, message);
    wire_writer_init(&writer, &f.arena);
    cr_assert(eq(int, codec_encode(desc, version, message, &writer), OK), "%s v%d", desc->name,
              version);
    /* min_size_bytes guards allocations: a value that passed it from above would refuse good input.
     * All defaults are shortest but a struct that is present where it could be null. */
    cr_assert(
        ge(u64, wire_writer_size(&writer), desc->body->min_size_bytes[version - desc->min_version]),
        "%s v%d", desc->name, version);
}

Test(protocol_roundtrip, defaults_can_be_sent_in_every_version, .init = setup, .fini = teardown)
{
    for_every_version(defaults_are_shortest);
}

static void prefixes_fail(const struct message_desc *desc, int16_t version)
{
    struct wire_bytes bytes;
    void *decoded = arena_alloc(&f.arena, desc->body->size_bytes);

    random_encoded(desc, version, &bytes);
    for (int32_t size = 0; size < bytes.size_bytes; size++) {
        /* a block of its own, so that the address sanitizer sees a read behind it */
        uint8_t *prefix = mem_alloc((size_t)size);
        struct wire_reader reader;
        enum err err;

        memcpy(prefix, bytes.bytes, (size_t)size);
        wire_reader_init(&reader, prefix, (size_t)size);
        err = codec_decode(desc, version, &reader, &f.other_arena, decoded);
        cr_assert(eq(int, err, ERR_TRUNCATED), "%s v%d size %d of %d seed %lu", desc->name, version,
                  size, bytes.size_bytes, f.seed);
        mem_free(prefix);
        arena_reset(&f.other_arena);
    }
}

Test(protocol_roundtrip, every_strict_prefix_is_truncated, .init = setup, .fini = teardown)
{
    for_every_version(prefixes_fail);
}

/* Whatever can be decoded can be encoded, and means the same. */
static void check_decodable(const struct message_desc *desc, int16_t version, const void *decoded)
{
    struct wire_writer writer;
    struct wire_reader reader;
    struct wire_bytes bytes;
    void *again = arena_alloc(&f.arena, desc->body->size_bytes);

    wire_writer_init(&writer, &f.arena);
    cr_assert(eq(int, codec_encode(desc, version, decoded, &writer), OK), "%s v%d seed %lu",
              desc->name, version, f.seed);
    cr_assert(eq(int, wire_writer_flatten(&writer, &bytes), OK));
    wire_reader_init(&reader, bytes.bytes, (size_t)bytes.size_bytes);
    cr_assert(eq(int, codec_decode(desc, version, &reader, &f.arena, again), OK));
    cr_assert(codec_equal(desc, version, decoded, again), "%s v%d seed %lu", desc->name, version,
              f.seed);
    codec_print(desc, version, again, &writer);
    cr_assert(eq(int, writer.err, OK));
}

static void mutations_are_judged(const struct message_desc *desc, int16_t version)
{
    for (int i = 0; i < MUTATIONS_PER_VERSION; i++) {
        struct wire_bytes bytes;
        struct wire_reader reader;
        struct arena small;
        uint8_t *mutant;
        void *decoded = arena_alloc(&f.arena, desc->body->size_bytes);
        enum err err;

        random_encoded(desc, version, &bytes);
        if (bytes.size_bytes == 0)
            return;
        mutant = mem_alloc((size_t)bytes.size_bytes);
        memcpy(mutant, bytes.bytes, (size_t)bytes.size_bytes);
        for (uint64_t changes = 1 + prng_below(&f.prng, 3); changes > 0; changes--) {
            uint8_t *at = mutant + prng_below(&f.prng, (uint64_t)bytes.size_bytes);
            *at = prng_chance(&f.prng, 1, 2) ? (uint8_t)prng_u64(&f.prng)
                                             : (uint8_t)(*at ^ (1u << prng_below(&f.prng, 8)));
        }
        arena_init(&small, SMALL_ARENA_BYTES_MAX);
        wire_reader_init(&reader, mutant, (size_t)bytes.size_bytes);
        err = codec_decode(desc, version, &reader, &small, decoded);
        cr_assert(le(u64, small.total_bytes, SMALL_ARENA_BYTES_MAX));
        if (err == OK)
            check_decodable(desc, version, decoded);
        else
            cr_assert(err == ERR_TRUNCATED || err == ERR_MALFORMED || err == ERR_NOMEM, "%s",
                      err_name(err));
        arena_deinit(&small);
        mem_free(mutant);
        arena_reset(&f.arena);
    }
}

Test(protocol_roundtrip, mutated_bytes_are_refused_or_mean_something, .init = setup,
     .fini = teardown)
{
    for_every_version(mutations_are_judged);
}

/* -- golden frames ---------------------------------------------------------------------------- */

struct golden {
    char name[1024];
    int key;
    int version;
    bool is_request;
    size_t size_bytes;
    uint8_t bytes[FRAME_BYTES_MAX];
};

static struct golden golden; /* too large for the stack */

static int hex_digit(int character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

static void golden_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char direction[16];
    int character, high = -1;

    cr_assert(ne(ptr, file, NULL), "%s", path);
    snprintf(golden.name, sizeof(golden.name), "%s", path);
    golden.size_bytes = 0;
    cr_assert(eq(int, fscanf(file, "%d %d %15s", &golden.key, &golden.version, direction), 3),
              "%s: first line", path);
    golden.is_request = strcmp(direction, "request") == 0;
    cr_assert(golden.is_request || strcmp(direction, "response") == 0, "%s: first line", path);
    while ((character = fgetc(file)) != EOF) {
        int digit;
        if (character == '#') {
            while ((character = fgetc(file)) != EOF && character != '\n')
                ;
            continue;
        }
        if (isspace(character))
            continue;
        digit = hex_digit(character);
        cr_assert(ge(int, digit, 0), "%s: '%c' is no hex digit", path, character);
        if (high < 0) {
            high = digit;
            continue;
        }
        cr_assert(lt(sz, golden.size_bytes, FRAME_BYTES_MAX), "%s", path);
        golden.bytes[golden.size_bytes++] = (uint8_t)(high << 4 | digit);
        high = -1;
    }
    cr_assert(eq(int, high, -1), "%s: odd number of digits", path);
    fclose(file);
}

static void golden_check(void)
{
    const struct api_desc *api = api_find((int16_t)golden.key), *found;
    const struct message_desc *desc;
    int16_t version = (int16_t)golden.version;
    struct request_header header;
    struct wire_reader reader;
    struct wire_writer writer;
    struct wire_bytes again;
    int32_t size, correlation_id;
    void *message;

    cr_assert(ne(ptr, (void *)api, NULL), "%s", golden.name);
    desc = golden.is_request ? api->request : api->response;
    message = arena_alloc(&f.arena, desc->body->size_bytes);
    wire_reader_init(&reader, golden.bytes, golden.size_bytes);
    wire_writer_init(&writer, &f.arena);
    wire_writer_begin_frame(&writer);
    cr_assert(eq(int, wire_read_int32(&reader, &size), OK), "%s", golden.name);
    cr_assert(eq(sz, (size_t)size, wire_reader_left(&reader)), "%s", golden.name);

    if (golden.is_request) {
        cr_assert(eq(int, header_decode_request(&reader, &f.arena, &header, &found), OK), "%s",
                  golden.name);
        cr_assert(eq(int, found->key, golden.key), "%s", golden.name);
        cr_assert(eq(int, header.request_api_version, golden.version), "%s", golden.name);
        cr_assert(eq(
            int,
            header_encode_request(&writer, api, version, header.correlation_id, header.client_id),
            OK));
    } else {
        cr_assert(
            eq(int, header_decode_response(&reader, &f.arena, api, version, &correlation_id), OK),
            "%s", golden.name);
        cr_assert(eq(int, header_encode_response(&writer, api, version, correlation_id), OK));
    }
    cr_assert(eq(int, codec_decode(desc, version, &reader, &f.arena, message), OK), "%s",
              golden.name);
    cr_assert(eq(sz, wire_reader_left(&reader), 0), "%s", golden.name);
    cr_assert(eq(int, codec_encode(desc, version, message, &writer), OK), "%s", golden.name);
    wire_writer_end_frame(&writer);
    cr_assert(eq(int, wire_writer_flatten(&writer, &again), OK));
    cr_assert(eq(sz, (size_t)again.size_bytes, golden.size_bytes), "%s", golden.name);
    cr_assert(eq(int, memcmp(again.bytes, golden.bytes, golden.size_bytes), 0), "%s", golden.name);
}

Test(protocol_roundtrip, golden_frames_come_back_byte_for_byte, .init = setup, .fini = teardown)
{
    DIR *dir = opendir(PROTOCOL_GOLDEN_DIR);
    struct dirent *entry;
    unsigned count = 0;
    char path[1024];

    cr_assert(ne(ptr, dir, NULL), "%s", PROTOCOL_GOLDEN_DIR);
    while ((entry = readdir(dir)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".hex") != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", PROTOCOL_GOLDEN_DIR, entry->d_name);
        golden_read(path);
        golden_check();
        arena_reset(&f.arena);
        count++;
    }
    closedir(dir);
    cr_assert(lt(uint, 0, count), "%s holds no frame", PROTOCOL_GOLDEN_DIR);
}
