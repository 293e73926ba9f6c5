#include "bench/bench_store.h"

#include "base/clock_system.h"
#include "base/log_stderr.h"
#include "base/mem.h"
#include "storage/dir/marks.h"
#include "storage/journal/journal_scan.h"
#include "storage/log/log.h"
#include "storage/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    APPENDERS_MAX = 256,
    KEPT_BYTES = 512 << 20, /* of all partitions together, about */
    TURN_NS = 100000000,
};

struct appender {
    struct list node; /* of bench_log.waiting or bench_store.ready */
    int64_t last_offset;
    uint64_t since_ns;
};

struct bench_log {
    struct bench_store *bench;
    struct log *log;
    struct list waiting; /* of appender.node, in the order of their offsets */
};

struct bench_store {
    struct clock clock;
    struct loop loop;
    struct io *io;
    struct prng prng;
    struct log_stderr sink;
    struct log_dir dir;
    struct slab scan_slab;
    struct store *store;
    struct bench_log *logs;
    uint32_t log_count;
    struct appender appenders[APPENDERS_MAX];
    struct list ready; /* acknowledged, to append again */
    uint32_t waiting_count;
    struct store_waiter waiter;
    const uint8_t *batch; /* of the slice */
    uint32_t size_bytes;
    bool has_room;
    bool counting; /* inside the slice */
    bool checkpointed;
    bool stopped;
};

static void on_failed(void *context, enum err err)
{
    figures_must(err, "the store");
}

static void on_space(void *context, bool short_of_space)
{
    if (short_of_space)
        figures_must(ERR_NOSPACE, "the store");
}

static bool on_room(struct store_waiter *waiter)
{
    container_of(waiter, struct bench_store, waiter)->has_room = true;
    return true;
}

static void append_ready(struct bench_store *bench);

/* Who is acknowledged appends again at once, as those of the floor do. */
static void on_progress(void *context, struct log *log)
{
    struct bench_log *at = context;
    struct bench_store *bench = at->bench;
    int64_t durable = log_offsets(log).durable;
    uint64_t now = figures_now_ns();

    log_set_high_watermark(log, durable);
    while (!list_is_empty(&at->waiting)) {
        struct appender *appender = list_first(&at->waiting, struct appender, node);
        if (appender->last_offset >= durable)
            break;
        list_remove(&appender->node);
        bench->waiting_count--;
        if (bench->counting)
            figures_note(now - appender->since_ns);
        appender->since_ns = now;
        list_push_back(&bench->ready, &appender->node);
    }
    if (bench->counting)
        append_ready(bench);
}

static struct log_config config_of(uint32_t log_count)
{
    return (struct log_config){
        .segment_bytes = 256 << 20,
        .segment_ms = INT64_MAX,
        .retention_ms = -1,
        .retention_bytes = KEPT_BYTES / log_count,
        .index_interval_bytes = 4096,
        .segment_index_bytes = 10 << 20,
        .retention_by_delete = true,
    };
}

static void open_logs(struct bench_store *bench)
{
    static const struct log_events events = {.progress = on_progress};
    struct log_config config = config_of(bench->log_count);

    for (uint32_t i = 0; i < bench->log_count; i++) {
        struct bench_log *at = &bench->logs[i];
        struct log_id id = {.topic_id.bytes = {0xbe}, .partition = (int32_t)i};
        at->bench = bench;
        list_init(&at->waiting);
        figures_must(log_open(bench->store, &id, "bench", &config, &events, at, &at->log), "a log");
    }
}

static void open_store(struct bench_store *bench)
{
    static const struct store_events events = {.failed = on_failed, .space = on_space};
    static const struct store_options options = {
        .shard_count = 1,
        .journal_max_bytes = 512 << 20,
        .tail_cache_max_bytes = 128 << 20,
        .checkpoint_interval_ms = 5000,
        .segment_write_bytes = 256 << 10,
        .segment_in_flight_max_bytes = 1 << 20,
        .relaxed_sync_interval_ms = 1000,
        .reserve_bytes = 1 << 30,
        .open_files_max = 16384,
        .index_cache_max_bytes = 16 << 20,
    };
    struct store_world world = {
        .loop = &bench->loop, .prng = &bench->prng, .sink = &bench->sink.sink, .dir = &bench->dir};
    struct marks_set *marks = NULL;
    struct journal_scan *scan = NULL;

    figures_must(marks_load(bench->io, bench->dir.path, &marks), "marks");
    figures_must(journal_scan_open(bench->io, bench->dir.path, marks, &bench->scan_slab, 0, &scan),
                 "scan");
    figures_must(store_open(&world, &options, marks, scan, &events, bench, &bench->store), "store");
    open_logs(bench);
    figures_must(store_recovered(bench->store), "recovery");
    journal_scan_close(scan);
    marks_set_free(marks);
    store_start(bench->store);
}

struct bench_store *bench_store_open(const char *dir, uint32_t partition_count,
                                     enum io_wanted wanted)
{
    struct io_choice choice;
    struct bench_store *bench = mem_alloc(sizeof(*bench));

    memset(bench, 0, sizeof(*bench));
    bench->logs = mem_alloc(partition_count * sizeof(*bench->logs));
    memset(bench->logs, 0, partition_count * sizeof(*bench->logs));
    bench->log_count = partition_count;
    bench->waiter.room = on_room;
    list_init(&bench->ready);
    clock_system_init(&bench->clock);
    prng_init(&bench->prng, figures_now_ns());
    slab_init(&bench->scan_slab, UINT64_MAX);
    log_stderr_init(&bench->sink, 2, &bench->clock, LOG_WARN, LOG_FORMAT_TEXT);
    figures_must(io_choose(wanted, &choice), "io_uring");
    figures_must(io_choice_create(&choice, &bench->io), "backend");
    loop_init(&bench->loop, 0, bench->io, &bench->clock);
    figures_must(log_dir_open(&bench->dir, bench->io, &bench->prng, dir, NULL, 1), dir);
    open_store(bench);
    return bench;
}

/* False: no room now. */
static bool append_one(struct bench_store *bench, struct appender *appender)
{
    const uint8_t *batch = bench->batch;
    uint32_t size_bytes = bench->size_bytes;
    struct bench_log *at = &bench->logs[prng_below(&bench->prng, bench->log_count)];
    struct batch_header header;
    struct log_append_result result;
    struct log_append append;
    enum err err = batch_parse(batch, size_bytes, &header);

    if (err == OK && !batch_crc_is_good(batch, &header))
        err = ERR_CORRUPT;
    if (err == OK) {
        append = (struct log_append){
            .bytes = batch, .size_bytes = size_bytes, .max_timestamp_ms = header.max_timestamp_ms};
        err = log_append_leader(at->log, &append, &result);
    }
    if (err == ERR_FULL)
        return false;
    figures_must(err, "append");
    appender->last_offset = result.last_offset;
    list_push_back(&at->waiting, &appender->node);
    bench->waiting_count++;
    return true;
}

static void append_ready(struct bench_store *bench)
{
    while (bench->has_room && !list_is_empty(&bench->ready)) {
        struct list *node = list_pop_front(&bench->ready);
        if (append_one(bench, container_of(node, struct appender, node)))
            continue;
        list_push_front(&bench->ready, node);
        bench->has_room = false;
        store_wait_room(bench->store, &bench->waiter);
    }
}

static void turn(struct bench_store *bench)
{
    figures_must(loop_turn(&bench->loop, TURN_NS), "loop");
}

static void apply_retention(struct bench_store *bench)
{
    for (uint32_t i = 0; i < bench->log_count; i++)
        (void)log_apply_retention(bench->logs[i].log, 0);
}

struct figures bench_store_run(struct bench_store *bench, uint32_t appender_count,
                               const uint8_t *batch, uint32_t size_bytes, uint64_t duration_ns)
{
    uint64_t until;
    struct figures figures;

    apply_retention(bench);
    turn(bench);
    figures_begin();
    until = figures_now_ns() + duration_ns;
    bench->batch = batch;
    bench->size_bytes = size_bytes;
    bench->counting = true;
    bench->has_room = true;
    for (uint32_t i = 0; i < appender_count; i++) {
        bench->appenders[i].since_ns = figures_now_ns();
        list_push_back(&bench->ready, &bench->appenders[i].node);
    }
    while (figures_now_ns() < until) {
        append_ready(bench); /* the first ones, and those who waited for room */
        turn(bench);
    }
    figures = figures_end(size_bytes);
    bench->counting = false;
    while (bench->waiting_count > 0)
        turn(bench);
    store_cancel_wait(&bench->waiter);
    while (!list_is_empty(&bench->ready))
        (void)list_pop_front(&bench->ready);
    return figures;
}

static void on_checkpointed(void *context, enum err err)
{
    struct bench_store *bench = context;

    figures_must(err, "checkpoint");
    bench->checkpointed = true;
}

void bench_store_warm(struct bench_store *bench, const uint8_t *batch, uint32_t size_bytes)
{
    struct batch_header header;
    struct log_append_result result;
    struct log_append append = {.bytes = batch, .size_bytes = size_bytes};

    figures_must(batch_parse(batch, size_bytes, &header), "batch");
    append.max_timestamp_ms = header.max_timestamp_ms;
    for (uint32_t i = 0; i < bench->log_count; i++) {
        enum err err;
        while ((err = log_append_leader(bench->logs[i].log, &append, &result)) == ERR_FULL)
            turn(bench);
        figures_must(err, "append");
        if (i % APPENDERS_MAX == 0)
            turn(bench);
    }
    bench->checkpointed = false;
    store_checkpoint(bench->store, on_checkpointed, bench);
    while (!bench->checkpointed)
        turn(bench);
}

static void on_stopped(void *context, enum err err)
{
    struct bench_store *bench = context;

    figures_must(err, "stop");
    bench->stopped = true;
}

void bench_store_close(struct bench_store *bench)
{
    store_stop(bench->store, on_stopped, bench);
    while (!bench->stopped)
        turn(bench);
    store_close(bench->store);
    log_dir_close(&bench->dir, true, 1);
    slab_deinit(&bench->scan_slab);
    loop_deinit(&bench->loop);
    bench->io->v->destroy(bench->io);
    mem_free(bench->logs);
    mem_free(bench);
}
