/* The cleaner's rule against a model: random histories of plain and transactional producers,
 * cleaned again and again, and after each pass what a reader of committed data finds, what is left
 * of every batch, and what a replay makes of the producers. */
#include "base/mem.h"
#include "base/prng.h"
#include "record/batch_builder.h"
#include "storage/cleaner/cleaner_batch.h"
#include "storage/log/producer_append.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum {
    KEYS = 12,
    PRODUCERS = 5,
    BATCHES_MAX = 400,
    RECORDS_MAX = 4000,
    RETENTION_MS = 1000,
    UNCOMPRESSED_MAX = 1 << 20,
};

struct stored {
    uint8_t *bytes; /* NULL: gone */
    uint32_t size_bytes;
    struct batch_header original;
};

/* What was written. */
struct written {
    int64_t offset;
    int64_t timestamp_ms;
    int64_t batch_base;
    int key;   /* -1: null */
    int value; /* -1: null */
    bool committed;
    bool aborted;
};

static struct world {
    uint64_t seed;
    struct prng prng;
    struct compression_context *context;
    struct batch_builder builder;
    struct stored log[BATCHES_MAX];
    uint32_t batch_count;
    struct written records[RECORDS_MAX];
    uint32_t record_count;
    int64_t end_offset;
    int64_t open_from[PRODUCERS]; /* -1: none */
    int32_t sequence[PRODUCERS];
    int16_t epoch[PRODUCERS];
    int64_t now_ms;
    int64_t first_dirty;
} w;

static void setup(void)
{
    memset(&w, 0, sizeof(w));
    w.context = compression_context_create();
    w.now_ms = 1000000;
    for (int p = 0; p < PRODUCERS; p++)
        w.open_from[p] = -1;
}

static void teardown(void)
{
    for (uint32_t i = 0; i < w.batch_count; i++)
        mem_free(w.log[i].bytes);
    batch_builder_deinit(&w.builder);
    compression_context_destroy(w.context);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(cleaner_batch, .init = setup, .fini = teardown);

/* ---- a history */

static void store_batch(void)
{
    const uint8_t *bytes;
    uint32_t size_bytes;
    struct stored *stored = &w.log[w.batch_count++];

    cr_assert(le(u32, w.batch_count, BATCHES_MAX));
    cr_assert(eq(int, batch_builder_finish(&w.builder, w.context, &bytes, &size_bytes), OK));
    stored->bytes = mem_alloc(size_bytes);
    memcpy(stored->bytes, bytes, size_bytes);
    stored->size_bytes = size_bytes;
    cr_assert(eq(int, batch_parse(bytes, size_bytes, &stored->original), OK));
    w.end_offset = batch_last_offset(&stored->original) + 1;
}

static struct batch_builder_options options_for(int producer)
{
    struct batch_builder_options options = batch_builder_options_default();

    options.base_offset = w.end_offset;
    options.leader_epoch = 3;
    if (producer >= 0) {
        options.producer_id = 100 + producer;
        options.producer_epoch = w.epoch[producer];
    }
    return options;
}

/* producer -1: none; 0, 1: idempotent; the others: transactional. */
static void write_data(int producer, int count, int keys, bool keyless)
{
    struct batch_builder_options options = options_for(producer);

    options.codec = (enum compression)prng_below(&w.prng, COMPRESSION_COUNT);
    options.transactional = producer >= 2;
    options.log_append_time = prng_below(&w.prng, 8) == 0;
    options.append_time_ms = w.now_ms;
    if (producer >= 0) {
        options.base_sequence = w.sequence[producer];
        w.sequence[producer] += count;
    }
    if (producer >= 2 && w.open_from[producer] < 0)
        w.open_from[producer] = w.end_offset;
    batch_builder_reset(&w.builder, &options);
    for (int i = 0; i < count; i++) {
        struct written *one = &w.records[w.record_count++];
        char key[32];
        char value[32];
        bool is_null = prng_below(&w.prng, 4) == 0;
        cr_assert(le(u32, w.record_count, RECORDS_MAX));
        *one = (struct written){.offset = w.end_offset + i,
                                .timestamp_ms = w.now_ms - (int64_t)prng_below(&w.prng, 50),
                                .batch_base = w.end_offset,
                                .key = (int)prng_below(&w.prng, (uint32_t)keys),
                                .value = is_null ? -1 : (int)w.record_count,
                                .committed = producer < 2};
        if (keyless && prng_below(&w.prng, 10) == 0)
            one->key = -1;
        snprintf(key, sizeof(key), "key-%d", one->key);
        snprintf(value, sizeof(value), "value-%d", one->value);
        cr_assert(
            eq(int,
               batch_builder_add_pair(&w.builder, one->key < 0 ? NULL : key,
                                      one->key < 0 ? -1 : (int)strlen(key), is_null ? NULL : value,
                                      is_null ? -1 : (int)strlen(value), one->timestamp_ms),
               OK));
        if (options.log_append_time)
            one->timestamp_ms = w.now_ms;
    }
    store_batch();
}

static void write_marker(int producer, bool commit, bool bumps)
{
    struct control_marker marker = {.commit = commit, .coordinator_epoch = 1};
    struct batch_builder_options options;

    if (bumps) {
        w.epoch[producer]++;
        w.sequence[producer] = 0;
    }
    options = options_for(producer);
    options.transactional = true;
    options.control = true;
    for (uint32_t i = 0; i < w.record_count; i++) {
        struct written *one = &w.records[i];
        bool is_mine = false;
        for (uint32_t k = 0; k < w.batch_count && !is_mine; k++)
            is_mine = w.log[k].original.base_offset == one->batch_base &&
                      w.log[k].original.producer_id == 100 + producer;
        if (!is_mine || w.open_from[producer] < 0 || one->offset < w.open_from[producer])
            continue;
        one->committed = commit;
        one->aborted = !commit;
    }
    w.open_from[producer] = -1;
    batch_builder_reset(&w.builder, &options);
    cr_assert(eq(int, batch_builder_add_marker(&w.builder, &marker, w.now_ms), OK));
    store_batch();
}

static void write_something(int keys)
{
    int producer = (int)prng_below(&w.prng, PRODUCERS + 1) - 1;

    w.now_ms += (int64_t)prng_below(&w.prng, 20);
    if (producer >= 2 && prng_below(&w.prng, 3) == 0)
        write_marker(producer, prng_below(&w.prng, 3) != 0, prng_below(&w.prng, 2) == 0);
    else
        write_data(producer, 1 + (int)prng_below(&w.prng, 6), keys, producer < 0);
}

/* ---- a pass over the batches below end */

struct pass {
    struct cleaner_map map;
    struct cleaner_transactions transactions;
    struct cleaner_producers producers;
    struct cleaner_batch batch;
};

static void apply(struct producer_state *state)
{
    producer_state_init(state, 1, 1000);
    for (uint32_t i = 0; i < w.batch_count; i++) {
        struct batch_header header;
        if (w.log[i].bytes == NULL)
            continue;
        cr_assert(eq(int, batch_parse(w.log[i].bytes, w.log[i].size_bytes, &header), OK));
        cr_assert(
            eq(int,
               producer_append_replay(state, w.log[i].bytes, &header, PRODUCER_OWNER_NONE, 1, NULL),
               OK));
    }
}

static int64_t first_open(void)
{
    int64_t first = w.end_offset;

    for (int p = 0; p < PRODUCERS; p++)
        if (w.open_from[p] >= 0 && w.open_from[p] < first)
            first = w.open_from[p];
    return first;
}

static void begin_pass(struct pass *pass, const struct producer_state *state, uint32_t end)
{
    memset(pass, 0, sizeof(*pass));
    cleaner_map_init(&pass->map, 7, 1 << 20);
    cleaner_transactions_init(&pass->transactions, 7, 1000);
    cr_assert(eq(int, cleaner_producers_take(&pass->producers, state), OK));
    pass->batch = (struct cleaner_batch){.map = &pass->map,
                                         .transactions = &pass->transactions,
                                         .producers = &pass->producers,
                                         .context = w.context,
                                         .map_end = INT64_MAX,
                                         .decided_end = INT64_MAX,
                                         .now_ms = w.now_ms,
                                         .delete_retention_ms = RETENTION_MS};
    cleaner_batch_init(&pass->batch, UNCOMPRESSED_MAX);
    for (uint32_t i = 0; i < end; i++) {
        struct control_marker marker;
        struct batch_header header;
        if (w.log[i].bytes == NULL)
            continue;
        cr_assert(eq(int, batch_parse(w.log[i].bytes, w.log[i].size_bytes, &header), OK));
        if (batch_last_offset(&header) < w.first_dirty)
            continue;
        cr_assert(eq(int,
                     cleaner_transactions_note(
                         &pass->transactions, &header,
                         cleaner_batch_marker(w.log[i].bytes, &header, &marker) ? &marker : NULL),
                     OK));
    }
    cr_assert(eq(int, cleaner_transactions_seal(&pass->transactions), OK));
}

static void end_pass(struct pass *pass)
{
    cleaner_batch_deinit(&pass->batch);
    cleaner_producers_deinit(&pass->producers);
    cleaner_transactions_deinit(&pass->transactions);
    cleaner_map_deinit(&pass->map);
}

/* map_batches: so many enter the map, as if it were full then. */
static uint64_t run_pass(uint32_t end, uint32_t map_batches)
{
    struct producer_state state;
    struct pass pass;
    struct cleaner_bytes out = {0};
    uint64_t changed;
    int64_t next_dirty = end < w.batch_count ? w.log[end].original.base_offset : w.end_offset;
    int64_t full_offset = -1;

    apply(&state);
    begin_pass(&pass, &state, end);
    producer_state_deinit(&state);
    for (uint32_t i = 0; i < end; i++) {
        struct batch_header header;
        if (w.log[i].bytes == NULL)
            continue;
        cr_assert(eq(int, batch_parse(w.log[i].bytes, w.log[i].size_bytes, &header), OK));
        if (i >= map_batches) {
            pass.batch.map_end =
                header.base_offset > w.first_dirty ? header.base_offset : w.first_dirty;
            break;
        }
        cr_assert(
            eq(int,
               cleaner_batch_map(&pass.batch, w.log[i].bytes, &header, w.first_dirty, &full_offset),
               OK));
    }
    for (uint32_t i = 0; i < end; i++) {
        struct batch_header header;
        if (w.log[i].bytes == NULL)
            continue;
        cr_assert(eq(int, batch_parse(w.log[i].bytes, w.log[i].size_bytes, &header), OK));
        out.size_bytes = 0;
        cr_assert(eq(int,
                     cleaner_batch_filter(&pass.batch, w.log[i].bytes, &header, i + 1 == end, &out),
                     OK));
        mem_free(w.log[i].bytes);
        w.log[i].bytes = NULL;
        w.log[i].size_bytes = (uint32_t)out.size_bytes;
        if (out.size_bytes > 0) {
            w.log[i].bytes = mem_alloc(out.size_bytes);
            memcpy(w.log[i].bytes, out.bytes, out.size_bytes);
        }
    }
    cleaner_bytes_deinit(&out);
    changed = pass.batch.counts.changed_batches;
    if (next_dirty > pass.batch.map_end)
        next_dirty = pass.batch.map_end;
    if (next_dirty > cleaner_transactions_first_undecided(&pass.transactions))
        next_dirty = cleaner_transactions_first_undecided(&pass.transactions);
    w.first_dirty = next_dirty;
    end_pass(&pass);
    return changed;
}

/* ---- what must hold */

static const struct written *record_at(int64_t offset)
{
    for (uint32_t i = 0; i < w.record_count; i++)
        if (w.records[i].offset == offset)
            return &w.records[i];
    return NULL;
}

/* DUR-C2: it is what was written at that offset; *last_out by key: the newest committed one. */
static void check_record(const struct record *record, int64_t offset, int64_t timestamp_ms,
                         int *last_out)
{
    const struct written *was = record_at(offset);
    char text[32];

    cr_assert(was != NULL);
    cr_assert(eq(i64, timestamp_ms, was->timestamp_ms));
    snprintf(text, sizeof(text), "key-%d", was->key);
    cr_assert(eq(int, record->key_bytes, was->key < 0 ? -1 : (int)strlen(text)));
    cr_assert(was->key < 0 || memcmp(record->key, text, strlen(text)) == 0);
    snprintf(text, sizeof(text), "value-%d", was->value);
    cr_assert(eq(int, record->value_bytes, was->value < 0 ? -1 : (int)strlen(text)));
    cr_assert(was->value < 0 || memcmp(record->value, text, strlen(text)) == 0);
    if (was->committed && was->key >= 0)
        last_out[was->key] = was->value;
}

/* A transaction's marker is there as long as one of its batches is (DUR-C5). */
static void check_markers(void)
{
    for (int p = 2; p < PRODUCERS; p++) {
        bool has_data = false;
        for (uint32_t i = 0; i < w.batch_count; i++) {
            if (w.log[i].original.producer_id != 100 + p)
                continue;
            if (!batch_is_control(&w.log[i].original))
                has_data = has_data || w.log[i].bytes != NULL;
            else {
                cr_assert(w.log[i].bytes != NULL || !has_data);
                has_data = false;
            }
        }
    }
}

static void check_log(void)
{
    int expected[KEYS];
    int found[KEYS];
    struct batch_reader reader;

    for (int k = 0; k < KEYS; k++)
        expected[k] = found[k] = -1;
    for (uint32_t i = 0; i < w.record_count; i++)
        if (w.records[i].committed && w.records[i].key >= 0)
            expected[w.records[i].key] = w.records[i].value;
    batch_reader_init(&reader, w.context, UNCOMPRESSED_MAX);
    for (uint32_t i = 0; i < w.batch_count; i++) {
        const struct batch_header *was = &w.log[i].original;
        struct batch_header header;
        struct record record;
        int64_t offset, timestamp_ms;
        enum err err;
        if (w.log[i].bytes == NULL)
            continue;
        cr_assert(eq(int, batch_reader_open(&reader, w.log[i].bytes, w.log[i].size_bytes), OK));
        header = reader.header;
        cr_assert(batch_crc_is_good(w.log[i].bytes, &header));
        cr_assert(eq(u32, header.size_bytes, w.log[i].size_bytes));
        cr_assert(eq(i64, header.base_offset, was->base_offset));
        cr_assert(eq(i64, batch_last_offset(&header), batch_last_offset(was)));
        cr_assert(eq(i64, header.producer_id, was->producer_id));
        cr_assert(eq(int, header.producer_epoch, was->producer_epoch));
        cr_assert(eq(int, header.base_sequence, was->base_sequence));
        cr_assert(eq(int, header.leader_epoch, was->leader_epoch));
        cr_assert(header.record_count == 0 || batch_codec(&header) == batch_codec(was));
        while ((err = batch_reader_next(&reader, &record, &offset, &timestamp_ms)) == OK)
            if (!batch_is_control(&header))
                check_record(&record, offset, timestamp_ms, found);
        cr_assert(eq(int, err, ERR_NOT_FOUND));
    }
    batch_reader_deinit(&reader);
    for (int k = 0; k < KEYS; k++)
        cr_assert(eq(int, found[k], expected[k]), "key %d of seed %llu", k,
                  (unsigned long long)w.seed); /* DUR-C1 */
    check_markers();
}

static void check_producers(const struct producer_state *before)
{
    struct producer_state after;
    const struct producer_entry *entry = NULL;

    apply(&after);
    cr_assert(eq(u32, producer_state_count(&after), producer_state_count(before)));
    while ((entry = producer_state_next(before, entry)) != NULL) {
        const struct producer_entry *now = producer_state_find(&after, entry->producer_id);
        cr_assert(now != NULL);
        cr_assert(eq(int, now->epoch, entry->epoch));
        cr_assert(eq(int, now->batch_count, entry->batch_count)); /* DUR-C6 */
        cr_assert(eq(i64, now->txn_first_offset, entry->txn_first_offset));
        for (int i = 0; i < entry->batch_count; i++) {
            cr_assert(eq(i64, now->batches[i].last_offset, entry->batches[i].last_offset));
            cr_assert(eq(int, now->batches[i].first_sequence, entry->batches[i].first_sequence));
            cr_assert(eq(int, now->batches[i].last_sequence, entry->batches[i].last_sequence));
        }
    }
    producer_state_deinit(&after);
}

static void run_history(uint64_t seed)
{
    w.seed = seed;
    prng_init(&w.prng, seed);
    for (int round = 0; round < 12; round++) {
        struct producer_state before;
        uint32_t end;
        uint32_t map_batches = UINT32_MAX;
        for (uint32_t i = prng_below(&w.prng, 25); i > 0; i--)
            write_something(KEYS);
        w.now_ms += (int64_t)prng_below(&w.prng, 3) * RETENTION_MS;
        /* DUR-C3: below the first undecided; now and then an end between data and its marker */
        end = w.batch_count;
        while (end > 0 && batch_last_offset(&w.log[end - 1].original) >= first_open())
            end--;
        if (end > 0)
            end -= prng_below(&w.prng, end);
        if (end < w.batch_count && prng_below(&w.prng, 4) == 0)
            end += prng_below(&w.prng, w.batch_count - end);
        if (prng_below(&w.prng, 3) == 0)
            map_batches = prng_below(&w.prng, end + 1);
        if (end == 0 || w.log[end - 1].original.base_offset < w.first_dirty)
            continue;
        apply(&before);
        (void)run_pass(end, map_batches);
        check_log();
        check_producers(&before);
        producer_state_deinit(&before);
    }
    /* again, over what is there: nothing changes once all horizons are over */
    if (w.batch_count == 0)
        return;
    w.first_dirty = 0;
    (void)run_pass(w.batch_count, UINT32_MAX);
    w.now_ms += 2 * RETENTION_MS;
    w.first_dirty = 0;
    (void)run_pass(w.batch_count, UINT32_MAX);
    check_log();
    w.first_dirty = 0;
    cr_assert(eq(u64, run_pass(w.batch_count, UINT32_MAX), 0));
}

Test(cleaner_batch, a_reader_of_committed_data_finds_the_same_whatever_was_cleaned)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        run_history(seed);
        teardown();
        setup();
    }
}

/* The newest tombstone of a key can be read for the whole of its time (DUR-C7), and then goes. */
Test(cleaner_batch, a_tombstone_stays_for_its_time)
{
    uint32_t at;

    prng_init(&w.prng, 1);
    do
        write_data(-1, 1, 1, false);
    while (w.records[w.record_count - 1].value >= 0);
    at = w.batch_count - 1;
    write_marker(2, true, false);
    (void)run_pass(w.batch_count, UINT32_MAX);
    w.now_ms += RETENTION_MS - 1;
    w.first_dirty = 0;
    (void)run_pass(w.batch_count, UINT32_MAX);
    cr_assert(w.log[at].bytes != NULL);
    w.now_ms += 1;
    w.first_dirty = 0;
    (void)run_pass(w.batch_count, UINT32_MAX);
    cr_assert(w.log[at].bytes == NULL);
}

/* An aborted value shadows nothing (DUR-C4), and its marker goes last of all (DUR-C5). */
Test(cleaner_batch, an_aborted_value_is_dropped_and_its_marker_stays_for_its_time)
{
    prng_init(&w.prng, 3);
    write_data(-1, 1, 1, false);
    write_data(2, 1, 1, false);
    write_marker(2, false, true);
    for (int i = 0; i < 6; i++)
        write_data(2, 1, 1, false);
    write_marker(2, true, true);
    write_data(2, 1, 1, false);
    write_marker(2, true, false);
    (void)run_pass(w.batch_count, UINT32_MAX);
    cr_assert(w.log[1].bytes == NULL);
    cr_assert(w.log[2].bytes != NULL);
    w.now_ms += RETENTION_MS;
    w.first_dirty = 0;
    (void)run_pass(w.batch_count, UINT32_MAX);
    cr_assert(w.log[2].bytes == NULL);
    check_log();
}

Test(cleaner_batch, a_damaged_batch_is_told)
{
    struct cleaner_bytes out = {0};
    struct producer_state state;
    struct pass pass;
    int64_t full_offset = -1;

    prng_init(&w.prng, 1);
    write_data(-1, 3, 3, false);
    apply(&state);
    begin_pass(&pass, &state, 1);
    producer_state_deinit(&state);
    w.log[0].bytes[BATCH_HEADER_BYTES] ^= 1;
    cr_assert(
        eq(int, cleaner_batch_map(&pass.batch, w.log[0].bytes, &w.log[0].original, 0, &full_offset),
           ERR_CORRUPT));
    cr_assert(eq(int,
                 cleaner_batch_filter(&pass.batch, w.log[0].bytes, &w.log[0].original, false, &out),
                 ERR_CORRUPT));
    cleaner_bytes_deinit(&out);
    end_pass(&pass);
}

static enum err put_key(struct cleaner_map *map, const char *key, int64_t offset)
{
    return cleaner_map_put(map, cleaner_map_key(map, key, strlen(key)), offset);
}

static int64_t find_key(const struct cleaner_map *map, const char *key)
{
    return cleaner_map_find(map, cleaner_map_key(map, key, strlen(key)));
}

Test(cleaner_batch, a_full_map_says_where_it_was_full)
{
    struct cleaner_map map;
    char key[16];
    uint32_t count = 0;

    cleaner_map_init(&map, 3, 0);
    for (; count < 100000; count++) {
        snprintf(key, sizeof(key), "k%u", count);
        if (put_key(&map, key, count) != OK)
            break;
    }
    cr_assert(eq(u32, count, 768));
    cr_assert(eq(i64, find_key(&map, "k5"), 5));
    cr_assert(eq(i64, find_key(&map, "nobody"), -1));
    cr_assert(eq(int, put_key(&map, "k5", 9000), OK)); /* it is there */
    cr_assert(eq(int, put_key(&map, "k5", 8000), OK));
    cr_assert(eq(i64, find_key(&map, "k5"), 9000));
    cleaner_map_deinit(&map);
}
