#include "base/check.h"
#include "broker/batch_check.h"
#include "broker/broker_lifecycle.h"
#include "broker/broker_private.h"
#include "broker/config.h"
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/descriptors.h"
#include "broker/fetch_session.h"
#include "broker/front.h"
#include "broker/health.h"
#include "broker/last_words.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/image.h"
#include "broker/metadata/loader.h"
#include "broker/produce_registration.h"
#include "broker/request_summaries.h"
#include "broker/scrape.h"
#include "broker/shard_metrics.h"
#include "broker/stall_watch.h"
#include "broker/stray_logs.h"
#include "broker/time_lookup.h"
#include "broker/topic_table.h"
#include "broker/validation.h"
#include "storage/dir/log_dir.h"
#include "storage/dir/marks.h"
#include "storage/journal/journal_scan.h"
#include "storage/store.h"

#include <string.h>

static struct log_sink *sink_of(const struct broker *broker)
{
    return broker->options.grounds[0].sink;
}

/* ---- opening */

static enum err open_dir(struct broker *broker)
{
    const struct config *config = broker->options.config;
    const char *path = config_log_dir(config);
    struct prng prng;
    enum err err;

    if (strchr(path, ',') != NULL) {
        log_line(sink_of(broker), LOG_ERROR, "LVE-1102",
                 "log.dirs names more than one directory; name one", log_str("log_dirs", path));
        return ERR_INVALID;
    }
    prng_init(&prng, broker->options.grounds[0].seed);
    err = log_dir_open(&broker->dir, broker->options.grounds[0].io, &prng, path,
                       config_values(config)->cluster_id, config_node_id(config));
    if (err != OK) {
        log_line(sink_of(broker), LOG_ERROR, "LVE-2001", "the data directory cannot be used",
                 log_str("dir", path), log_err(err), log_str("problem", broker->dir.problem));
        return err;
    }
    broker->opened_dir = true;
    return OK;
}

enum { KEPT_OF_COLD_READS = 2 }; /* a start reads nothing for clients: half of that is free */

static enum err read_journals(struct broker *broker)
{
    uint64_t keep_bytes = broker->memory_limits.max_bytes[MEMORY_COLD_READS] / KEPT_OF_COLD_READS;
    struct io *io = broker->options.grounds[0].io;
    enum err err = marks_load(io, broker->dir.path, &broker->marks);

    slab_init(&broker->scan_slab, UINT64_MAX);
    if (err == OK)
        err = journal_scan_open(io, broker->dir.path, broker->marks, &broker->scan_slab, keep_bytes,
                                &broker->scan);
    if (err == OK && journal_scan_stats(broker->scan)->unmarked_shards > 0) {
        log_line(sink_of(broker), LOG_ERROR, "LVE-2005",
                 "marks are missing or older than the journal: nothing was touched",
                 log_str("dir", broker->dir.path));
        return ERR_CORRUPT;
    }
    if (err == OK && journal_scan_stats(broker->scan)->lost_groups > 0) {
        log_line(sink_of(broker), LOG_ERROR, "LVE-2004",
                 "the journal has lost groups that were on stable storage: nothing was touched",
                 log_str("dir", broker->dir.path),
                 log_u64("groups", journal_scan_stats(broker->scan)->lost_groups));
        return ERR_CORRUPT;
    }
    if (err != OK)
        log_line(sink_of(broker), LOG_ERROR, "LVE-2002", "marks or journal cannot be read",
                 log_str("dir", broker->dir.path), log_err(err));
    return err;
}

static void on_store_failed(void *context, enum err err)
{
    struct station *station = context;

    log_line(station->shard.sink, LOG_ERROR, "LVE-2101",
             "the data directory has failed and is stopped for good", log_err(err));
    station->store_failed = true;
    health_set(station->broker->options.health, HEALTH_FAILED);
    topic_table_fail(station->shard.topics);
    if (station->shard.controller != NULL)
        controller_fail(station->shard.controller, err);
    last_words_speak(station->broker->last_words, &station->shard, err);
}

static void on_store_space(void *context, bool short_of_space)
{
    struct station *station = context;

    if (short_of_space)
        log_line(station->shard.sink, LOG_WARN, "LVE-2102",
                 "little space is left: produce requests are refused until there is more");
    else
        log_line(station->shard.sink, LOG_INFO, "LVE-2103", "there is space again");
}

/* log.cleaner.*, as it is now; none while the wall clock is not believed, by which tombstones and
 * young records are told apart. */
static void on_store_cleaning(void *context, struct store_cleaning *cleaning)
{
    struct station *station = context;
    struct shard *shard = &station->shard;
    const struct config_values *values = shard_config(shard);
    uint32_t shard_count = station->broker->options.shard_count;

    cleaning->is_off = !values->log_cleaner_enable || !clock_guard_allows(shard);
    cleaning->backoff_ms = values->log_cleaner_backoff_ms > UINT32_MAX
                               ? UINT32_MAX
                               : (uint32_t)values->log_cleaner_backoff_ms;
    cleaning->map_max_bytes = (uint64_t)values->log_cleaner_dedupe_buffer_size / shard_count;
    cleaning->uncompressed_max_bytes = (uint64_t)values->levee_uncompressed_batch_max_bytes;
    cleaning->bytes_per_second = values->log_cleaner_io_max_bytes_per_second / shard_count;
}

static enum err open_store(struct station *station)
{
    static const struct store_events events = {
        .failed = on_store_failed, .space = on_store_space, .cleaning = on_store_cleaning};
    struct broker *broker = station->broker;
    const struct config *config = broker->options.config;
    struct shard *shard = &station->shard;
    struct store_world world = {.loop = &shard->loop,
                                .prng = &shard->prng,
                                .sink = shard->sink,
                                .dir = &broker->dir,
                                .offload = shard->offload};
    struct store_options options = {
        .shard = shard->index,
        .shard_count = broker->options.shard_count,
        .journal_max_bytes = (uint64_t)config_values(config)->levee_journal_max_bytes,
        .tail_cache_max_bytes = broker->memory_limits.tail_cache_bytes,
        .checkpoint_interval_ms = (uint32_t)config_values(config)->levee_checkpoint_interval_ms,
        .relaxed_sync_interval_ms = (uint32_t)config_values(config)->levee_cache_flush_interval_ms,
        .reserve_bytes = (uint64_t)config_values(config)->levee_disk_reserve_bytes,
        .open_files_max = broker->descriptors.files_per_shard,
        .group_slab = memory_slab(&shard->memory, MEMORY_JOURNAL),
        .read_slab = memory_slab(&shard->memory, MEMORY_COLD_READS),
    };

    broker_sizes_fill(&broker->options.sizes, &broker->memory_limits, &options);
    return store_open(&world, &options, broker->marks, broker->scan, &events, station,
                      &shard->store);
}

/* What a shard has without a data directory. */
static enum err prepare_station(struct broker *broker, uint32_t index)
{
    const struct broker_ground *ground = &broker->options.grounds[index];
    struct station *station = &broker->stations[index];
    struct shard *shard = &station->shard;

    station->broker = broker;
    shard->index = index;
    shard->io = ground->io;
    shard->clock = ground->clock;
    shard->sink = ground->sink;
    shard->shards = &broker->shards;
    shard->config = broker->options.config;
    prng_init(&shard->prng, ground->seed);
    loop_init(&shard->loop, index, ground->io, ground->clock);
    memory_init(&shard->memory, &broker->memory_limits, &shard->loop, shard->sink);
    broker->shards.at[index] = shard;
    stall_watch_init(&station->stalls, &shard->loop, shard->sink,
                     (uint64_t)config_values(shard->config)->levee_loop_stall_warn_ms);
    shard->stalls = &station->stalls;
    shard->request_metrics = &station->request_metrics;
    shard->image = image_create();
    shard->fetch_sessions = mem_alloc(sizeof(*shard->fetch_sessions));
    fetch_sessions_init(
        shard->fetch_sessions, &shard->prng,
        (uint32_t)config_values(shard->config)->max_incremental_fetch_session_cache_slots,
        memory_budget(&shard->memory, MEMORY_FETCH_SESSIONS));
    shard->offload = broker->options.offload;
    append_load_init(&shard->append_load, &broker->memory_limits, broker->options.shard_count,
                     shard->sink);
    shard->checks = batch_checks_create(shard);
    shard->lookups = time_lookups_create(shard);
    shard->registrations = produce_registrations_create(shard);
    shard->fetch_sessions->stale_ms = broker_sizes_or(broker->options.sizes.fetch_session_stale_ms,
                                                      shard->fetch_sessions->stale_ms);
    return validation_create(shard->config, broker->memory_limits.recode_bytes, &shard->validation);
}

static enum err open_station(struct broker *broker, uint32_t index)
{
    struct station *station = &broker->stations[index];
    struct shard *shard = &station->shard;
    enum err err = open_store(station);

    if (err == OK)
        err = topic_table_create(shard, &shard->topics);
    if (err == OK)
        err = group_coordinator_create(shard, &shard->groups);
    if (err == OK)
        group_coordinator_observe(shard->groups);
    if (err == OK)
        err = transaction_coordinator_create(shard, &shard->transactions);
    if (err == OK)
        transaction_coordinator_observe(shard->transactions);
    return err;
}

/* ---- who follows the metadata, in this order */

static bool publish_to_groups(struct shard *shard, const struct delta *delta,
                              struct delta_cursor *cursor)
{
    for (uint32_t i = 0; i < delta->topic_count; i++)
        if (delta->topics[i].changes & DELTA_TOPIC_DELETED)
            group_coordinator_topic_deleted(shard->groups, delta->topics[i].name);
    return true;
}

static enum err open_topics(struct shard *shard)
{
    topic_table_open_all(shard->topics);
    return topic_table_open_err(shard->topics);
}

static bool publish_to_topics(struct shard *shard, const struct delta *delta,
                              struct delta_cursor *cursor)
{
    return topic_table_publish_some(shard->topics, delta, cursor);
}

static const struct metadata_publisher publishers[] = {
    {.name = "groups", .publish = publish_to_groups},
    {.name = "topics", .open = open_topics, .publish = publish_to_topics},
};

static enum err open_metadata(struct broker *broker)
{
    struct shard *first = broker->shards.at[0];
    enum err err = loader_open(first, &broker->loader);

    if (err != OK)
        return err;
    broker->controller =
        controller_create(first, broker->loader, broker->dir.cluster_id, broker->dir.node_id);
    first->controller = broker->controller;
    for (size_t i = 0; i < array_count(publishers); i++)
        loader_add(broker->loader, &publishers[i]);
    err = stray_logs_set_aside(first->io, broker->dir.path, first->image, first->sink);
    return err == OK ? loader_open_publishers(broker->loader) : err;
}

static void on_left_entries(void *context, const struct journal_facts *facts)
{
    log_line(context, LOG_INFO, "LVE-2003", "journal entries of a deleted topic were passed over",
             log_uuid("topic_id", &facts->topic_id), log_i64("partition", facts->partition));
}

/* What the journals hold, into the logs that were opened; then they are followed. */
static enum err recover_stores(struct broker *broker)
{
    uint32_t count = broker->options.shard_count;
    struct store *stores[SHARD_COUNT_MAX];
    enum err err;

    for (uint32_t i = 0; i < count; i++)
        stores[i] = broker->shards.at[i]->store;
    err = store_replay_all(stores, count);
    for (uint32_t i = 0; i < count && err == OK; i++)
        err = topic_table_follow_all(broker->shards.at[i]->topics);
    return err == OK ? store_recovered_all(stores, count) : err;
}

/* The addresses first: who cannot have them leaves the data directory alone. */
static enum err open_front(struct broker *broker)
{
    enum err err = OK;

    for (uint32_t i = 0; i < broker->options.shard_count && err == OK; i++)
        err = prepare_station(broker, i);
    if (err == OK)
        err = front_create(broker->options.config, &broker->shards,
                           broker->descriptors.connections_max,
                           broker->options.sizes.conn_answers_max_bytes, &broker->front);
    return err == OK ? front_listen(broker->front) : err;
}

static enum err open_parts(struct broker *broker)
{
    enum err err = open_front(broker);

    if (err == OK)
        err = open_dir(broker);
    if (err == OK)
        err = read_journals(broker);
    for (uint32_t i = 0; i < broker->options.shard_count && err == OK; i++)
        err = open_station(broker, i);
    if (err == OK)
        err = open_metadata(broker);
    if (err != OK)
        return err;
    journal_scan_each_left(broker->scan, on_left_entries, sink_of(broker));
    err = recover_stores(broker);
    journal_scan_close(broker->scan);
    broker->scan = NULL;
    marks_set_free(broker->marks);
    broker->marks = NULL;
    return err;
}

static void share_memory(struct broker *broker)
{
    struct memory_limits *limits = &broker->memory_limits;
    uint64_t total_bytes;

    memory_limits_share(broker->options.config, broker->options.memory_max_bytes,
                        broker->shards.count, limits, &total_bytes);
    broker_sizes_limit(&broker->options.sizes, limits);
    memory_limits_log(limits, total_bytes, sink_of(broker));
}

static void register_metrics(struct broker *broker)
{
    struct metrics *metrics = broker->options.metrics;

    for (uint32_t i = 0; i < broker->shards.count; i++)
        shard_metrics_register(broker->shards.at[i], metrics);
    front_register_metrics(broker->front, metrics);
    broker->scrape = scrape_create(
        &broker->shards, (uint32_t)config_values(broker->options.config)->levee_metrics_rows_max);
    scrape_register(broker->scrape, metrics);
    request_summaries_register(&broker->summaries, &broker->shards, metrics);
}

enum err broker_open(const struct broker_options *options, struct broker **out)
{
    struct broker *broker = mem_alloc(sizeof(*broker));
    enum err err;

    check(options->shard_count >= 1 && options->shard_count <= SHARD_COUNT_MAX);
    broker->options = *options;
    broker->shards.count = options->shard_count;
    broker->last_words =
        last_words_create(&broker->shards, options->events->failed, options->context);
    broker->stations = mem_alloc(options->shard_count * sizeof(*broker->stations));
    share_memory(broker);
    err = descriptors_share_out(options->config, options->descriptor_max, options->shard_count,
                                sink_of(broker), &broker->descriptors);
    if (err == OK)
        err = open_parts(broker);
    if (err != OK) {
        log_line(sink_of(broker), LOG_ERROR, "LVE-1101", "the broker could not start",
                 log_err(err));
        broker_close(broker, false);
        return err;
    }
    register_metrics(broker);
    *out = broker;
    return OK;
}

/* ---- starting: each shard's timers, the controller, our broker unfenced, then the listeners */

static void on_serve(struct mail *mail)
{
    struct station *station = container_of(mail, struct station, serve_mail);

    front_start_shard(station->broker->front, &station->shard);
}

static void on_unfenced(void *context, enum err err)
{
    struct broker *broker = context;
    const struct shard *first = broker->shards.at[0];

    if (__atomic_load_n(&broker->stopping, __ATOMIC_ACQUIRE))
        return; /* stopped before it was ready: no client is let in any more */
    if (err != OK) {
        log_line(sink_of(broker), LOG_ERROR, "LVE-1101", "the broker could not start",
                 log_err(err));
        broker->options.events->failed(broker->options.context, err);
        return;
    }
    log_line(first->sink, LOG_INFO, "LVE-4013", "the metadata is up",
             log_str("cluster_id", broker->dir.cluster_id),
             log_i64("controller_epoch", controller_epoch(broker->controller)),
             log_i64("broker_epoch", broker_lifecycle_epoch(broker->life)),
             log_u64("topics", image_topic_count(first->image)),
             log_u64("partitions", image_partition_count(first->image)));
    for (uint32_t i = 0; i < broker->shards.count; i++) {
        struct station *station = &broker->stations[i];
        station->serve_mail.deliver = on_serve;
        loop_post(&station->shard.loop, &station->serve_mail);
    }
    health_set(broker->options.health, HEALTH_READY);
    broker->options.events->ready(broker->options.context);
}

static void on_controller_started(void *context, enum err err)
{
    struct broker *broker = context;

    if (err == OK)
        broker_lifecycle_start(broker->life, on_unfenced, broker);
    else
        on_unfenced(broker, err);
}

static void start_controller(struct broker *broker, struct shard *first)
{
    struct broker_lifecycle_options options = {
        .client = controller_client_of(broker->controller),
        .node_id = broker->dir.node_id,
        .directory_id = broker->dir.directory_id,
        .is_unclean = !broker->dir.was_clean && !broker->dir.is_new,
    };

    uuid_random(&first->prng, &options.incarnation_id);
    broker->life = broker_lifecycle_create(first, &options);
    controller_begin(broker->controller, on_controller_started, broker);
}

static void on_start(struct mail *mail)
{
    struct station *station = container_of(mail, struct station, start_mail);
    struct broker *broker = station->broker;

    clock_guard_start(&station->shard); /* store_start's first look at the cleaner asks it */
    store_start(station->shard.store);
    topic_table_start(station->shard.topics);
    group_coordinator_start(station->shard.groups);
    transaction_coordinator_start(station->shard.transactions);
    if (station->shard.index == 0)
        start_controller(broker, &station->shard);
}

void broker_start(struct broker *broker)
{
    /* shard 0 last: when the controller begins, every other loop has its mail */
    for (uint32_t i = broker->shards.count; i-- > 0;) {
        struct station *station = &broker->stations[i];
        station->start_mail.deliver = on_start;
        loop_post(&station->shard.loop, &station->start_mail);
    }
}

uint64_t broker_progress(const struct broker *broker)
{
    uint64_t progress = 0;

    for (uint32_t i = 0; i < broker->shards.count; i++)
        progress += shard_metrics_progress(broker->shards.at[i]);
    return progress;
}

uint64_t broker_buffer_bytes(const struct broker *broker)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < broker->shards.count; i++)
        bytes += buffer_pool_used_bytes(&broker->shards.at[i]->memory.buffers);
    return bytes;
}

void broker_trim_memory(struct broker *broker)
{
    for (uint32_t i = 0; i < broker->shards.count; i++)
        memory_trim(&broker->shards.at[i]->memory);
}

/* ---- the end */

/* What one of them has under way may be of a partition of another shard. */
static void close_coordinators(struct broker *broker)
{
    for (uint32_t i = 0; i < broker->shards.count; i++)
        group_coordinator_destroy(broker->stations[i].shard.groups);
    for (uint32_t i = 0; i < broker->shards.count; i++)
        transaction_coordinator_destroy(broker->stations[i].shard.transactions);
}

static void close_station(struct station *station)
{
    struct shard *shard = &station->shard;

    if (station->broker == NULL)
        return;
    topic_table_destroy(shard->topics);
    if (shard->index == 0) {
        broker_lifecycle_destroy(station->broker->life);
        controller_destroy(shard->controller);
        loader_close(station->broker->loader);
    }
    if (shard->store != NULL)
        store_close(shard->store);
    produce_registrations_destroy(shard->registrations);
    validation_destroy(shard->validation);
    if (shard->fetch_sessions != NULL)
        fetch_sessions_deinit(shard->fetch_sessions);
    mem_free(shard->fetch_sessions);
    image_destroy(shard->image);
    request_metrics_deinit(&station->request_metrics);
    memory_deinit(&shard->memory);
    loop_deinit(&shard->loop);
}

void broker_close(struct broker *broker, bool clean)
{
    int64_t broker_epoch;

    if (broker == NULL)
        return;
    broker_epoch = broker->life == NULL ? -1 : broker_lifecycle_epoch(broker->life);
    for (uint32_t i = 0; i < broker->shards.count; i++) {
        batch_checks_destroy(broker->stations[i].shard.checks);
        time_lookups_destroy(broker->stations[i].shard.lookups);
    }
    scrape_destroy(broker->scrape);
    request_summaries_deinit(&broker->summaries);
    front_destroy(broker->front);
    journal_scan_close(broker->scan);
    marks_set_free(broker->marks);
    close_coordinators(broker);
    for (uint32_t i = 0; i < broker->shards.count; i++)
        close_station(&broker->stations[i]);
    if (broker->opened_dir)
        log_dir_close(&broker->dir, clean, broker_epoch);
    last_words_destroy(broker->last_words);
    mem_free(broker->stations);
    mem_free(broker);
}

struct shard *broker_shard(struct broker *broker, uint32_t index)
{
    check(index < broker->shards.count);
    return broker->shards.at[index];
}

struct scrape *broker_scrape(struct broker *broker)
{
    return broker->scrape;
}

uint16_t broker_listener_port(const struct broker *broker, uint32_t listener_index)
{
    return front_port(broker->front, listener_index);
}
