#include "base/crc32c.h"
#include "base/mem.h"
#include "base/prng.h"
#include "record/batch.h"
#include "storage/log/producer_files.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define NOW_MS 1700000000000

static struct producer_state ps;
static size_t used; /* of the bytes of a window file */
static struct producer_state other;

static void setup(void)
{
    producer_state_init(&ps, 42, 1000);
    producer_state_init(&other, 7, 1000);
}

static void teardown(void)
{
    producer_state_deinit(&ps);
    producer_state_deinit(&other);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(producer_files, .init = setup, .fini = teardown);

/* Apply the batches of a log. */
static void apply(struct producer_state *to, const struct golden *log)
{
    const struct producer_rules verbatim = {.origin = PRODUCER_VERBATIM};
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;

    batch_walk_init(&walk, log->bytes, log->size_bytes);
    while (batch_next(&walk, &header, &bytes) == OK) {
        struct control_marker marker;
        bool is_marker = control_parse_marker(bytes, &header, &marker) == OK;
        struct producer_check checked;

        cr_assert(batch_crc_is_good(bytes, &header));
        cr_assert(eq(
            int, producer_state_check(to, &header, is_marker ? &marker : NULL, &verbatim, &checked),
            OK));
        producer_state_update(to, &header, is_marker ? &marker : NULL, NOW_MS, NULL);
    }
    cr_assert(eq(sz, walk.pos, log->size_bytes));
}

static void fill(struct producer_state *to, uint64_t seed)
{
    const struct producer_rules verbatim = {.origin = PRODUCER_VERBATIM};
    struct prng prng;

    prng_init(&prng, seed);
    for (int i = 0; i < 300; i++) {
        struct batch_header header = {
            .base_offset = to->end_offset + (int64_t)prng_below(&prng, 2),
            .last_offset_delta = (int32_t)prng_below(&prng, 5),
            .attributes = prng_chance(&prng, 1, 3) ? BATCH_TRANSACTIONAL : 0,
            .max_timestamp_ms = NOW_MS + i,
            .producer_id = (int64_t)prng_below(&prng, 20),
            .producer_epoch = 3,
            .base_sequence = (int32_t)prng_below(&prng, 1ULL << 31),
        };
        const struct control_marker marker = {.coordinator_epoch = i};
        bool is_marker = prng_chance(&prng, 1, 8);
        struct producer_check checked;

        cr_assert(eq(
            int, producer_state_check(to, &header, is_marker ? &marker : NULL, &verbatim, &checked),
            OK));
        producer_state_update(to, &header, is_marker ? &marker : NULL, NOW_MS + 2 * i, NULL);
    }
}

static struct golden encode_snapshot(const struct producer_state *from)
{
    uint8_t *bytes = mem_alloc(producer_snapshot_size(from));

    producer_snapshot_encode(from, bytes);
    return (struct golden){bytes, producer_snapshot_size(from)};
}

static struct golden encode_window(const struct producer_state *from)
{
    uint8_t *bytes = mem_alloc(producer_window_size(from));

    producer_window_encode(from, bytes, producer_window_size(from));
    return (struct golden){bytes, producer_window_size(from)};
}

Test(producer_files, a_snapshot_of_kafka_is_what_its_log_gives)
{
    struct golden log = golden_read("storage/producers.log");
    struct golden file = golden_read("storage/producers.snapshot");
    struct golden ours;

    apply(&ps, &log);
    cr_assert(eq(i64, ps.end_offset, 14));
    ours = encode_snapshot(&ps);
    cr_assert(eq(sz, ours.size_bytes, file.size_bytes));

    cr_assert(
        eq(int, producer_snapshot_decode(&other, 14, NOW_MS, file.bytes, file.size_bytes), OK));
    cr_assert(eq(u32, producer_state_count(&other), 5));
    cr_assert(eq(i64, producer_state_first_open_offset(&other), 8));
    /* entries come in no fixed order, so compare what is read */
    cr_assert(eq(int, producer_snapshot_decode(&ps, 14, NOW_MS, ours.bytes, ours.size_bytes), OK));
    cr_assert(producer_state_equal(&ps, &other));
    cr_assert(eq(int, memcmp(ours.bytes + 6, file.bytes + 6, 4), 0));
    golden_free(&ours);
    golden_free(&file);
    golden_free(&log);
}

Test(producer_files, kafkas_own_order_gives_kafkas_own_bytes)
{
    struct golden file = golden_read("storage/producers.snapshot");
    struct golden ours;

    cr_assert(eq(int, producer_snapshot_decode(&ps, 14, NOW_MS, file.bytes, file.size_bytes), OK));
    ours = encode_snapshot(&ps);
    cr_assert(eq(sz, ours.size_bytes, file.size_bytes));
    cr_assert(eq(int, memcmp(ours.bytes, file.bytes, file.size_bytes), 0));
    golden_free(&ours);
    golden_free(&file);
}

Test(producer_files, the_window_file_keeps_everything)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct golden file;
        const struct producer_entry *entry;
        const struct producer_entry *again;

        producer_state_clear(&ps, 0);
        fill(&ps, seed);
        file = encode_window(&ps);
        cr_assert(eq(int, producer_window_decode(&other, file.bytes, file.size_bytes, &used), OK),
                  "seed %lu", seed);
        cr_assert(producer_state_equal(&ps, &other), "seed %lu", seed);
        cr_assert(eq(i64, producer_state_first_open_offset(&other),
                     producer_state_first_open_offset(&ps)));
        entry = producer_state_next(&ps, NULL);
        again = producer_state_next(&other, NULL);
        while (entry) {
            cr_assert(eq(i64, entry->producer_id, again->producer_id)); /* the same order */
            cr_assert(eq(i64, entry->last_seen_ms, again->last_seen_ms));
            entry = producer_state_next(&ps, entry);
            again = producer_state_next(&other, again);
        }
        cr_assert(eq(ptr, (void *)again, NULL));
        golden_free(&file);
    }
}

Test(producer_files, replay_behind_a_window_file_ends_where_the_log_does)
{
    struct golden log = golden_read("storage/producers.log");
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;

    apply(&ps, &log);
    batch_walk_init(&walk, log.bytes, log.size_bytes);
    while (batch_next(&walk, &header, &bytes) == OK) {
        struct golden part = {log.bytes, walk.pos};
        struct golden file;
        struct producer_state half;

        producer_state_init(&half, 1, 10);
        apply(&half, &part);
        file = encode_window(&half);
        cr_assert(eq(int, producer_window_decode(&other, file.bytes, file.size_bytes, &used), OK));
        apply(&other, &log); /* what is in the file already is stepped over (DUR-I10) */
        cr_assert(producer_state_equal(&ps, &other));
        golden_free(&file);
        producer_state_deinit(&half);
    }
    golden_free(&log);
}

Test(producer_files, every_damaged_byte_and_every_prefix_is_noticed)
{
    fill(&ps, 3);
    for (int kind = 0; kind < 2; kind++) {
        struct golden file = kind ? encode_window(&ps) : encode_snapshot(&ps);

        for (size_t i = 0; i < file.size_bytes; i++) {
            enum err err;

            file.bytes[i] ^= 0x41;
            err = kind ? producer_window_decode(&other, file.bytes, file.size_bytes, &used)
                       : producer_snapshot_decode(&other, 5000, 0, file.bytes, file.size_bytes);
            cr_assert(err == ERR_CORRUPT || err == ERR_NEWER_FORMAT || err == ERR_MALFORMED);
            cr_assert(eq(u32, producer_state_count(&other), 0));
            file.bytes[i] ^= 0x41;
        }
        for (size_t size = 0; size < file.size_bytes; size++) {
            struct golden part = golden_copy(file.bytes, size);
            enum err err = kind ? producer_window_decode(&other, part.bytes, size, &used)
                                : producer_snapshot_decode(&other, 5000, 0, part.bytes, size);

            cr_assert(err == ERR_CORRUPT || err == ERR_TRUNCATED);
            golden_free(&part);
        }
        golden_free(&file);
    }
}

/* Mutations with a good checksum: what does not fit together is refused, the rest is usable. */
Test(producer_files, absurd_content_is_refused_and_never_leads_outside)
{
    const uint64_t seed = 31;
    struct prng prng;
    int taken = 0, refused = 0;

    prng_init(&prng, seed);
    fill(&ps, 4);
    for (int i = 0; i < 20000; i++) {
        bool window = prng_chance(&prng, 1, 2);
        struct golden whole = window ? encode_window(&ps) : encode_snapshot(&ps);
        size_t size =
            prng_chance(&prng, 1, 2) ? whole.size_bytes : prng_below(&prng, whole.size_bytes) + 1;
        struct golden file = golden_copy(whole.bytes, size);
        size_t from = window ? 16 : 6;
        uint32_t crc;
        enum err err;

        if (size > from) {
            file.bytes[from + prng_below(&prng, size - from)] = (uint8_t)prng_u64(&prng);
            crc = crc32c(0, file.bytes + from, size - from);
            for (size_t j = 0; j < 4; j++)
                file.bytes[from - 4 + j] = (uint8_t)(crc >> 8 * (window ? j : 3 - j));
        }
        err = window ? producer_window_decode(&other, file.bytes, size, &used)
                     : producer_snapshot_decode(&other, ps.end_offset, 0, file.bytes, size);
        if (err == OK) {
            struct golden again = window ? encode_window(&other) : encode_snapshot(&other);

            golden_free(&again);
            taken++;
        } else {
            cr_assert(eq(u32, producer_state_count(&other), 0));
            refused++;
        }
        golden_free(&file);
        golden_free(&whole);
    }
    cr_assert(taken > 1000 && refused > 1000, "%d %d", taken, refused);
}

Test(producer_files, a_newer_format_is_told_from_damage)
{
    struct golden file;

    fill(&ps, 5);
    file = encode_window(&ps);
    file.bytes[8] = 3;
    cr_assert(eq(int, producer_window_decode(&other, file.bytes, file.size_bytes, &used),
                 ERR_NEWER_FORMAT));
    golden_free(&file);
    file = encode_snapshot(&ps);
    file.bytes[1] = 2;
    cr_assert(eq(int, producer_snapshot_decode(&other, 5000, 0, file.bytes, file.size_bytes),
                 ERR_NEWER_FORMAT));
    golden_free(&file);
}
