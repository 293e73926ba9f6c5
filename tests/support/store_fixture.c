#include "tests/support/store_fixture.h"

#include "base/check.h"
#include "base/mem.h"
#include "record/batch_builder.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture fixture;

static const int64_t first_timestamp_ms = 1700000000000;

/* ---- one life */

static void on_line(struct log_sink *sink, enum log_level level, const char *line,
                    size_t size_bytes)
{
    const char *code = strstr(line, "LVE-");

    if (getenv("STORE_FIXTURE_TRACE") != NULL)
        fprintf(stderr, "%.*s", (int)size_bytes, line);
    if (code != NULL && fixture.lines < FIXTURE_LINES_MAX)
        memcpy(fixture.codes[fixture.lines++], code, 8);
}

bool fixture_has_line(const char *code)
{
    for (uint32_t i = 0; i < fixture.lines; i++)
        if (strcmp(fixture.codes[i], code) == 0)
            return true;
    return false;
}

static void on_progress(void *context, struct log *log)
{
    struct fixture_log *at = context;
    struct log_offsets offsets = log_offsets(log);
    int64_t allowed = at->config.relaxed ? offsets.accepted : offsets.durable;

    at->progress_count++;
    if (offsets.durable > at->durable)
        at->durable = offsets.durable;
    if (allowed > offsets.high_watermark && !at->holds_watermark)
        log_set_high_watermark(log, allowed);
}

static void on_failed(void *context, enum err err)
{
    fixture.failed_count++;
}

static void on_space(void *context, bool short_of_space)
{
    fixture.space_count++;
}

static enum err open_store(uint32_t shard)
{
    static const struct store_events events = {.failed = on_failed, .space = on_space};
    const struct fixture_options *options = &fixture.options;
    struct store_world world = {
        .loop = &fixture.loops[shard],
        .prng = &fixture.prng,
        .sink = &fixture.sink,
        .dir = &fixture.dir,
    };
    struct store_options store_options = {
        .shard = shard,
        .shard_count = fixture.shard_count,
        .journal_max_bytes = options->journal_max_bytes,
        .tail_cache_max_bytes = options->tail_cache_max_bytes,
        .checkpoint_interval_ms = options->checkpoint_interval_ms,
        .segment_write_bytes = options->segment_write_bytes,
        .segment_in_flight_max_bytes = 1 << 20,
        .relaxed_sync_interval_ms = 1000,
        .reserve_bytes = options->reserve_bytes,
        .open_files_max = 64,
        .index_cache_max_bytes = 400,
        .log_producers_max = options->log_producers_max,
        .producers_max = options->producers_max,
        .read_slab = options->reads_max_bytes > 0 ? &fixture.read_slab : NULL,
    };

    return store_open(&world, &store_options, fixture.marks, fixture.scan, &events, NULL,
                      &fixture.stores[shard]);
}

static enum err open_logs(void)
{
    static const struct log_events events = {.progress = on_progress};
    enum err err = OK;

    for (uint32_t i = 0; i < fixture.options.log_count && err == OK; i++) {
        struct fixture_log *at = &fixture.at[i];
        struct log_id id = {.topic_id.bytes = {0xaa, (uint8_t)(i + 1)}};
        char name[16];
        snprintf(name, sizeof(name), "topic%" PRIu32, i);
        err = log_open(fixture.stores[i % fixture.shard_count], &id, name, &at->config, &events, at,
                       &at->log);
    }
    return err;
}

static enum err open_all(struct sim_node *node)
{
    struct io *io = sim_node_io(node, 0);
    enum err err = log_dir_open(&fixture.dir, io, &fixture.prng, "data", NULL, 1);

    fixture.dir_is_open = err == OK;
    if (err == OK)
        err = marks_load(io, "data", &fixture.marks);
    if (err == OK)
        err = journal_scan_open(io, "data", fixture.marks, &fixture.scan_slab, 0, &fixture.scan);
    if (err == OK && (journal_scan_stats(fixture.scan)->lost_groups > 0 ||
                      journal_scan_stats(fixture.scan)->unmarked_shards > 0))
        err = ERR_CORRUPT; /* as the broker does */
    for (uint32_t i = 0; i < fixture.shard_count && err == OK; i++)
        err = open_store(i);
    fixture.store = fixture.stores[0];
    if (err == OK)
        err = open_logs();
    if (err == OK)
        err = store_recovered_all(fixture.stores, fixture.shard_count);
    journal_scan_close(fixture.scan);
    fixture.scan = NULL;
    marks_set_free(fixture.marks);
    fixture.marks = NULL;
    for (uint32_t i = 0; i < fixture.shard_count && err == OK; i++)
        store_start(fixture.stores[i]);
    return err;
}

static void node_start(struct sim_node *node)
{
    prng_init(&fixture.prng, fixture.options.seed + node->starts_count * 7919);
    log_sink_init(&fixture.sink, on_line, sim_node_clock(node), LOG_TRACE, LOG_FORMAT_TEXT);
    slab_init(&fixture.scan_slab, fixture.options.scan_max_bytes);
    slab_init(&fixture.read_slab, fixture.options.reads_max_bytes);
    fixture.shard_count = fixture.options.shard_count;
    for (uint32_t i = 0; i < FIXTURE_SHARDS_MAX; i++) {
        loop_init(&fixture.loops[i], i, sim_node_io(node, i), sim_node_clock(node));
        sim_node_attach(node, i, &fixture.loops[i]);
        fixture.stores[i] = NULL;
    }
    fixture.up = true;
    fixture.stopped_count = 0;
    fixture.stop_err = OK;
    fixture.dir_is_open = false;
    fixture.start_err = open_all(node);
}

static void node_end(struct sim_node *node, enum sim_crash kind)
{
    if (kind != SIM_NO_CRASH)
        sim_node_drain(node, 1000);
    for (uint32_t i = 0; i < FIXTURE_LOGS_MAX; i++)
        fixture.at[i].log = NULL; /* store_close closes them */
    for (uint32_t i = 0; i < FIXTURE_SHARDS_MAX; i++)
        store_close(fixture.stores[i]);
    if (fixture.dir_is_open)
        log_dir_close(&fixture.dir, kind == SIM_NO_CRASH && fixture.stop_err == OK, 1);
    if (kind != SIM_NO_CRASH)
        sim_node_drain(node, 1000);
    slab_deinit(&fixture.scan_slab);
    slab_deinit(&fixture.read_slab);
    for (uint32_t i = 0; i < FIXTURE_SHARDS_MAX; i++)
        loop_deinit(&fixture.loops[i]);
    fixture.up = false;
}

/* ---- life and death from outside */

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value > 0 ? value : fallback;
}

static void set_defaults(struct fixture_options *options)
{
    options->log_count = or_default(options->log_count, 1);
    options->shard_count = or_default(options->shard_count, 1);
    options->segment_bytes = or_default(options->segment_bytes, 1 << 30);
    options->index_interval_bytes = or_default(options->index_interval_bytes, 4096);
    options->checkpoint_interval_ms = or_default(options->checkpoint_interval_ms, 5000);
    options->segment_write_bytes = or_default(options->segment_write_bytes, 256 << 10);
    if (options->tail_cache_max_bytes == 0)
        options->tail_cache_max_bytes = 64 << 20;
    if (options->journal_max_bytes == 0)
        options->journal_max_bytes = 64 << 20;
    if (options->scan_max_bytes == 0)
        options->scan_max_bytes = UINT64_MAX;
}

void fixture_up(const struct fixture_options *options)
{
    struct sim_disk_options disk;

    fixture = (struct fixture){.options = *options};
    set_defaults(&fixture.options);
    fixture.world = sim_world_create(&(struct sim_world_options){.seed = options->seed});
    sim_world_fork(fixture.world, "test", &fixture.chance);
    sim_disk_options_init(&disk);
    disk.capacity_bytes = options->capacity_bytes;
    disk.refuse_direct = options->refuse_direct;
    fixture.node = sim_node_create(fixture.world,
                                   &(struct sim_node_options){.name = "a",
                                                              .shards_count = FIXTURE_SHARDS_MAX,
                                                              .disk = &disk,
                                                              .start = node_start,
                                                              .end = node_end});
    for (uint32_t i = 0; i < fixture.options.log_count; i++)
        fixture.at[i].config = (struct log_config){
            .segment_bytes = fixture.options.segment_bytes,
            .segment_ms = INT64_MAX,
            .retention_ms = -1,
            .retention_bytes = -1,
            .index_interval_bytes = fixture.options.index_interval_bytes,
            .segment_index_bytes = 10 << 20,
            .file_delete_delay_ms = 60000,
            .retention_by_delete = true,
            .relaxed = options->relaxed,
            .log_append_time = options->log_append_time,
            .reserved_space = options->reserved_space && i == 0,
        };
}

void fixture_down(void)
{
    uint64_t left;

    if (fixture.world == NULL)
        return;
    if (fixture_is_alive())
        fixture_crash(SIM_KILL);
    for (uint32_t i = 0; i < FIXTURE_LOGS_MAX; i++)
        fixture_forget_from(i, INT64_MIN);
    left = sim_world_destroy(fixture.world);
    fixture.world = NULL;
    cr_assert(eq(u64, left, 0), "blocks of memory were left");
}

void fixture_try_start(void)
{
    sim_node_start(fixture.node);
}

bool fixture_start(void)
{
    fixture_try_start();
    if (!sim_node_is_running(fixture.node)) {
        sim_world_step(fixture.world, sim_world_now_ns(fixture.world)); /* bury it */
        return false;
    }
    cr_assert(eq(int, fixture.start_err, OK));
    return true;
}

static void on_stopped(void *context, enum err err)
{
    fixture.stopped_count++;
    if (err != OK)
        fixture.stop_err = err;
}

static bool is_stopped(void *context)
{
    return fixture.stopped_count == fixture.shard_count || !fixture_is_alive();
}

void fixture_stop(void)
{
    for (uint32_t i = 0; i < fixture.shard_count; i++)
        store_stop(fixture.stores[i], on_stopped, NULL);
    cr_assert(sim_world_run_until(fixture.world, is_stopped, NULL, 60 * SIM_SECOND));
    if (!fixture_is_alive())
        return;
    cr_assert(eq(int, fixture.stop_err, OK));
    cr_assert(eq(int, store_stopped_all(fixture.stores, fixture.shard_count), OK));
    sim_node_stop(fixture.node);
}

void fixture_crash(enum sim_crash kind)
{
    sim_node_crash(fixture.node, kind);
}

void fixture_run_ms(uint64_t ms)
{
    sim_world_run_for(fixture.world, ms * (SIM_SECOND / 1000));
}

static bool is_settled(void *context)
{
    if (!fixture_is_alive())
        return true;
    for (uint32_t i = 0; i < fixture.options.log_count; i++) {
        struct log_offsets offsets;
        if (fixture.at[i].log == NULL)
            continue;
        offsets = log_offsets(fixture.at[i].log);
        if (offsets.durable < offsets.log_end)
            return false;
    }
    return true;
}

bool fixture_settle(void)
{
    return sim_world_run_until(fixture.world, is_settled, NULL, 10 * SIM_SECOND);
}

static void on_checkpoint(void *context, enum err err)
{
    ++*(uint32_t *)context;
}

static bool is_checked(void *context)
{
    return *(uint32_t *)context == fixture.shard_count || !fixture_is_alive();
}

static bool is_true(void *context)
{
    return *(bool *)context || !fixture_is_alive();
}

void fixture_checkpoint(void)
{
    static uint32_t count;

    count = 0;
    for (uint32_t i = 0; i < fixture.shard_count; i++)
        store_checkpoint(fixture.stores[i], on_checkpoint, &count);
    cr_assert(sim_world_run_until(fixture.world, is_checked, &count, 60 * SIM_SECOND));
}

/* ---- appending */

static void remember(struct fixture_log *at, const uint8_t *bytes, uint32_t size_bytes,
                     const struct log_append_result *result, const struct fixture_append *append)
{
    struct fixture_batch *batch;

    at->batches = mem_realloc(at->batches, (at->batch_count + 1) * sizeof(*at->batches));
    batch = &at->batches[at->batch_count++];
    *batch = (struct fixture_batch){.base_offset = result->base_offset,
                                    .end_offset = result->last_offset + 1,
                                    .bytes = mem_alloc(size_bytes),
                                    .size_bytes = size_bytes};
    memcpy(batch->bytes, bytes, size_bytes);
    batch_set_base_offset(batch->bytes, result->base_offset);
    if (!append->verbatim)
        batch_set_leader_epoch(batch->bytes, append->leader_epoch);
    if (at->config.log_append_time && !append->verbatim)
        batch_set_append_time(batch->bytes, result->log_append_time_ms);
}

/* A client that says something about its records that they do not. */
static uint8_t *make_liar(const struct fixture_append *append, const uint8_t *bytes,
                          uint32_t size_bytes)
{
    uint8_t *liar = mem_alloc(size_bytes);

    memcpy(liar, bytes, size_bytes);
    if (append->claims_append_time)
        batch_set_append_time(liar, append->claimed_max_ms);
    else
        batch_set_create_time(liar, append->claimed_max_ms);
    return liar;
}

enum err fixture_append(const struct fixture_append *append, struct log_append_result *out)
{
    struct fixture_log *at = &fixture.at[append->log_index];
    struct batch_builder_options options = batch_builder_options_default();
    int64_t timestamp_ms = append->timestamp_ms != 0
                               ? append->timestamp_ms
                               : first_timestamp_ms + (int64_t)at->batch_count * 10;
    uint32_t record_count = append->record_count > 0 ? append->record_count : 1;
    struct log_append_result result;
    struct batch_builder builder;
    struct batch_header header;
    const uint8_t *bytes;
    uint32_t size_bytes;
    uint8_t *value;
    uint8_t *liar = NULL;
    enum err err;

    if (append->has_producer) {
        options.producer_id = append->producer_id;
        options.producer_epoch = append->producer_epoch;
        options.base_sequence = append->base_sequence;
    }
    options.transactional = append->transactional;
    options.control = append->marker != NULL;
    options.base_offset = append->verbatim ? append->base_offset : 0;
    options.leader_epoch = append->verbatim ? append->leader_epoch : -1;
    batch_builder_init(&builder, &options);
    value = mem_alloc(append->value_bytes);
    if (append->marker != NULL)
        cr_assert(eq(int, batch_builder_add_marker(&builder, append->marker, timestamp_ms), OK));
    for (uint32_t i = 0; i < record_count && append->marker == NULL; i++) {
        memset(value, (int)(at->batch_count * 31 + i + 1), append->value_bytes);
        err = batch_builder_add_pair(&builder, &at->batch_count, sizeof(at->batch_count), value,
                                     (int32_t)append->value_bytes, timestamp_ms + i);
        cr_assert(eq(int, err, OK));
    }
    mem_free(value);
    err = batch_builder_finish(&builder, NULL, &bytes, &size_bytes);
    cr_assert(eq(int, err, OK));
    cr_assert(eq(int, batch_parse(bytes, size_bytes, &header), OK));
    if (append->lies)
        liar = make_liar(append, bytes, size_bytes);
    err = append->verbatim ? log_append_verbatim(at->log, bytes, size_bytes, &result)
                           : log_append_leader(at->log,
                                               &(struct log_append){
                                                   .bytes = liar != NULL ? liar : bytes,
                                                   .size_bytes = size_bytes,
                                                   .max_timestamp_ms = header.max_timestamp_ms,
                                                   .leader_epoch = append->leader_epoch,
                                                   .now_ms = clock_wall_ms(fixture.loops[0].clock),
                                                   .rules = {.origin = append->marker != NULL
                                                                           ? PRODUCER_COORDINATOR
                                                                           : PRODUCER_CLIENT,
                                                             .txn_v2 = append->txn_v2,
                                                             .is_registered = true,
                                                             .owner = append->owner}},
                                               &result);
    if (err == OK && !result.duplicate)
        remember(at, bytes, size_bytes, &result, append);
    mem_free(liar);
    batch_builder_deinit(&builder);
    if (err == OK && out != NULL)
        *out = result;
    return err;
}

enum err fixture_append_some(uint32_t log_index)
{
    static const uint32_t sizes[] = {1, 30, 700, 4096, 9000};
    uint32_t size = sizes[prng_below(&fixture.chance, sizeof(sizes) / sizeof(sizes[0]))];

    return fixture_append(
        &(struct fixture_append){
            .log_index = log_index,
            .record_count = 1 + (uint32_t)prng_below(&fixture.chance, 4),
            .value_bytes = 1 + (uint32_t)prng_below(&fixture.chance, size),
        },
        NULL);
}

void fixture_forget_from(uint32_t log_index, int64_t offset)
{
    struct fixture_log *at = &fixture.at[log_index];

    while (at->batch_count > 0 && at->batches[at->batch_count - 1].end_offset > offset)
        mem_free(at->batches[--at->batch_count].bytes);
    if (at->batch_count == 0) {
        mem_free(at->batches);
        at->batches = NULL;
    }
}

/* ---- reading and comparing */

struct waiting_read {
    bool done;
    enum err err;
};

static struct waiting_read waiting;

static void on_read(struct log_read *read, enum err err)
{
    waiting = (struct waiting_read){.done = true, .err = err};
}

enum err fixture_read(uint32_t log_index, struct log_read *read)
{
    enum err err;

    waiting.done = false;
    read->done = on_read;
    err = log_read(fixture.at[log_index].log, read);
    if (err != ERR_AGAIN)
        return err;
    cr_assert(not(waiting.done)); /* never inside the call */
    cr_assert(sim_world_run_until(fixture.world, is_true, &waiting.done, 10 * SIM_SECOND));
    return waiting.err;
}

/* The batches of a read are those of the list from index on.  Returns how many. */
static uint32_t compare(const struct fixture_log *at, uint32_t index, const struct log_read *read)
{
    uint32_t first = index;
    uint32_t pos = 0;

    while (pos < read->size_bytes) {
        const struct fixture_batch *batch = &at->batches[index];
        cr_assert(lt(u32, index, at->batch_count));
        cr_assert(le(u32, pos + batch->size_bytes, read->size_bytes));
        cr_assert(eq(int, memcmp(read->bytes + pos, batch->bytes, batch->size_bytes), 0),
                  "bytes of the batch at offset %" PRId64 " (seed %" PRIu64 ")", batch->base_offset,
                  fixture.options.seed);
        pos += batch->size_bytes;
        index++;
    }
    if (index > first)
        cr_assert(eq(i64, read->end_offset, at->batches[index - 1].end_offset));
    return index - first;
}

void fixture_check_content(uint32_t log_index, uint32_t max_bytes)
{
    struct fixture_log *at = &fixture.at[log_index];
    struct log_offsets offsets = log_offsets(at->log);
    int64_t offset = offsets.log_start;
    uint32_t index = 0;

    while (index < at->batch_count && at->batches[index].end_offset <= offset)
        index++;
    while (offset < offsets.log_end) {
        struct log_read read = {.offset = offset,
                                .bound = offsets.log_end,
                                .max_bytes = max_bytes,
                                .at_least_one = true};
        enum err err = fixture_read(log_index, &read);
        cr_assert(eq(int, err, OK), "%s at %" PRId64 " (seed %" PRIu64 ")", err_name(err), offset,
                  fixture.options.seed);
        cr_assert(lt(u32, 0, read.size_bytes), "nothing at %" PRId64 " (seed %" PRIu64 ")", offset,
                  fixture.options.seed);
        index += compare(at, index, &read);
        offset = read.end_offset;
        log_read_release(&read);
    }
    cr_assert(eq(u32, index, at->batch_count));
    cr_assert(eq(i64, offset, offsets.log_end));
}

void fixture_check_prefix(uint32_t log_index)
{
    struct fixture_log *at = &fixture.at[log_index];
    struct log_offsets offsets = log_offsets(at->log);

    cr_assert(not(log_is_quarantined(at->log)), "quarantined (seed %" PRIu64 ")",
              fixture.options.seed);
    cr_assert(ge(i64, offsets.log_end, at->durable), "durable ones are lost (seed %" PRIu64 ")",
              fixture.options.seed);
    cr_assert(ge(i64, offsets.log_start, at->log_start));
    if (!at->holds_watermark)
        cr_assert(eq(i64, offsets.high_watermark, offsets.log_end));
    cr_assert(eq(i64, offsets.durable, offsets.log_end));
    fixture_forget_from(log_index, offsets.log_end);
    if (at->batch_count > 0 && offsets.log_start < offsets.log_end)
        cr_assert(eq(i64, at->batches[at->batch_count - 1].end_offset, offsets.log_end));
    fixture_check_content(log_index, 20000);
    at->durable = offsets.log_end; /* shown now: may never be lost again (DUR-L4) */
}

void fixture_check_offsets(uint32_t log_index)
{
    struct log_offsets offsets = log_offsets(fixture.at[log_index].log);

    cr_assert(le(i64, offsets.log_start, offsets.last_stable));
    cr_assert(le(i64, offsets.last_stable, offsets.high_watermark));
    cr_assert(le(i64, offsets.high_watermark,
                 fixture.at[log_index].config.relaxed ? offsets.accepted : offsets.durable));
    cr_assert(le(i64, offsets.durable, offsets.accepted));
    cr_assert(le(i64, offsets.accepted, offsets.log_end));
}

const char *fixture_path(uint32_t log_index, const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "data/topic%" PRIu32 "-0/%s", log_index, name);
    return path;
}
