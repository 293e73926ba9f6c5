/* The records of a probe on their way round: the schedule -> client_producer -> delivered ...
 * client_fetcher -> received -> committed. */
#include "base/check.h"
#include "net/protocol/kafka_errors.h"
#include "tools/load/probe_private.h"

#include <inttypes.h>

enum {
    RENEW_MS = 1000,
    COMMIT_MAX_MS = 10000,
    TICK_MAX_MS = 100,
    UP_INTERVALS = 20,
    DUE_MAX = 1000, /* records of one tick */
};

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL
#define UP_NS (2 * NS_PER_S)

static uint64_t now_ns(const struct probe *probe)
{
    return clock_mono_ns(probe->options.env->loop->clock);
}

static void tell_counts(struct probe *probe, int32_t partition)
{
    probe_metrics_counts(&probe->metrics, partition, &probe->counts[partition]);
}

static void raise_max(uint64_t *max, uint64_t value)
{
    if (value > *max)
        *max = value;
}

static void set_up_now(struct probe *probe)
{
    uint64_t patience_ns =
        UP_NS + (uint64_t)((double)(UP_INTERVALS * NS_PER_S) / probe->options.rate);

    probe->summary.is_up =
        probe->last_received_ns != 0 && now_ns(probe) - probe->last_received_ns <= patience_ns;
    probe_metrics_up(&probe->metrics, probe->summary.is_up);
}

/* ---- commits */

static void commit(struct probe *probe);

static void on_committed(struct client_offsets_op *op, enum err err)
{
    struct probe *probe = container_of(op, struct probe, commit);
    struct client_broker *coordinator = client_cluster_coordinator(
        probe->cluster, CLIENT_COORDINATOR_GROUP, probe->options.group_id);
    uint64_t latency_ns = now_ns(probe) - probe->commit_asked_ns;
    const char *reason = err == OK ? NULL : err_text(err);

    probe->is_committing = false;
    if (probe_private_is_held_up(probe))
        return;
    for (int32_t p = 0; err == OK && reason == NULL && p < probe->partitions_count; p++)
        if (probe->commit_errors[p] != KAFKA_NONE)
            reason = kafka_error_name(probe->commit_errors[p]);
    probe->summary.commits_count++;
    probe->summary.commits_failed += reason != NULL;
    if (reason != NULL)
        probe_private_problem(probe, err == OK ? ERR_INVALID : err, "OffsetCommit: %s", reason);
    else
        raise_max(&probe->summary.commit_max_ns, latency_ns);
    probe_metrics_committed(&probe->metrics,
                            coordinator == NULL ? -1 : client_broker_node_id(coordinator), reason,
                            latency_ns);
    if (probe->has_uncommitted)
        commit(probe);
    probe_private_look(probe);
}

/* PRB-3 */
static void commit(struct probe *probe)
{
    uint32_t count = 0;

    if (probe->is_committing || probe->is_ending)
        return;
    for (int32_t p = 0; p < probe->partitions_count; p++) {
        probe->commit_errors[p] = KAFKA_NONE;
        if (probe->places[p] >= 0)
            probe->commits[count++] = (struct client_group_offset){.topic = probe->topic,
                                                                   .partition = p,
                                                                   .offset = probe->places[p],
                                                                   .leader_epoch = -1,
                                                                   .metadata = ""};
    }
    probe->has_uncommitted = false;
    if (count == 0)
        return;
    probe->identity = (struct client_group_identity){
        .group_id = probe->options.group_id, .member_id = "", .generation_id = -1};
    probe->commit = (struct client_offsets_op){
        .done = on_committed, .cluster = probe->cluster, .timeout_ms = COMMIT_MAX_MS};
    probe->commit_asked_ns = now_ns(probe);
    probe->is_committing = true;
    client_offsets_commit(&probe->commit, &probe->identity, probe->commits, count,
                          probe->commit_errors);
}

/* ---- what is read */

static void take_record(struct probe *probe, int32_t partition,
                        const struct client_fetched_record *record)
{
    struct probe_event event;
    uint64_t sequence;

    probe->places[partition] = record->offset + 1;
    if (!probe_message_get(&record->record, &probe->id, &sequence))
        return;
    event = probe_ledger_received(&probe->ledger, sequence, now_ns(probe));
    probe->last_received_ns = now_ns(probe);
    probe->has_uncommitted = true;
    if (event.is_known) {
        probe_metrics_received(&probe->metrics, event.partition, event.latency_ns);
        raise_max(&probe->summary.roundtrip_max_ns, event.latency_ns);
    }
    tell_counts(probe, partition);
}

static void on_fetched(void *context)
{
    struct probe *probe = context;
    struct client_fetched_record record;
    struct client_fetched batch;
    enum err err;

    while ((err = client_fetcher_next_batch(probe->fetcher, &batch)) == OK) {
        if (!batch.is_visible || batch.partition >= probe->partitions_count)
            continue;
        while ((err = client_fetcher_next_record(probe->fetcher, &record)) == OK)
            take_record(probe, batch.partition, &record);
        if (err != ERR_NOT_FOUND)
            probe_private_problem(probe, err, "partition %" PRId32 ": a batch can't be read: %s",
                                  batch.partition, err_text(err));
    }
    if (err != ERR_AGAIN)
        probe_private_problem(probe, err, "Fetch: %s", err_text(err));
    set_up_now(probe);
    if (probe->has_uncommitted)
        commit(probe);
    probe_private_look(probe);
}

/* Read on from the begin of the partition, which leaves out nothing that is there (the ledger knows
 * what it has seen), or behind what can't be read. */
static void on_trouble(void *context, struct client_topic *topic, int32_t partition,
                       enum client_fetcher_trouble trouble, int64_t offset, int16_t error_code)
{
    static const char *const texts[] = {
        [CLIENT_FETCHER_OUT_OF_RANGE] = "the offset is gone",
        [CLIENT_FETCHER_TRUNCATED] = "the log was truncated",
        [CLIENT_FETCHER_CORRUPT] = "a batch is corrupt",
        [CLIENT_FETCHER_REFUSED] = "refused",
    };
    struct probe *probe = context;

    (void)topic;
    probe_private_problem(probe, ERR_INVALID, "Fetch, partition %" PRId32 " at %" PRId64 ": %s%s%s",
                          partition, offset, texts[trouble], error_code == KAFKA_NONE ? "" : ": ",
                          error_code == KAFKA_NONE ? "" : kafka_error_name(error_code));
    probe->stops[partition] =
        trouble == CLIENT_FETCHER_CORRUPT ? CLIENT_OFFSET_LATEST : CLIENT_OFFSET_EARLIEST;
    if (!probe->is_ending && !probe->is_listing) /* else on_reassigned looks */
        loop_set_timer_ms(probe->options.env->loop, &probe->reassign, RENEW_MS);
}

static void on_reassigned(struct client_offsets_op *op, enum err err)
{
    struct probe *probe = container_of(op, struct probe, list);
    bool is_stopped = false;

    probe->is_listing = false;
    if (probe_private_is_held_up(probe))
        return;
    for (uint32_t i = 0; err == OK && i < probe->listed_count; i++) {
        const struct client_offset_question *question = &probe->questions[i];
        if (question->error_code == KAFKA_NONE &&
            client_fetcher_assign(probe->fetcher, probe->topic, question->partition,
                                  question->offset, -1) == OK)
            probe->stops[question->partition] = 0;
    }
    for (int32_t p = 0; p < probe->partitions_count; p++)
        is_stopped = is_stopped || probe->stops[p] != 0;
    if (is_stopped)
        loop_set_timer_ms(probe->options.env->loop, &probe->reassign, RENEW_MS);
}

static void on_reassign(struct timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, reassign);

    probe->listed_count = 0;
    for (int32_t p = 0; p < probe->partitions_count; p++)
        if (probe->stops[p] != 0)
            probe->questions[probe->listed_count++] = (struct client_offset_question){
                .topic = probe->topic, .partition = p, .timestamp_ms = probe->stops[p]};
    probe->list = (struct client_offsets_op){
        .done = on_reassigned, .cluster = probe->cluster, .timeout_ms = COMMIT_MAX_MS};
    probe->is_listing = true;
    client_offsets_list(&probe->list, probe->questions, probe->listed_count, false);
}

enum err probe_private_create_fetcher(struct probe *probe)
{
    static const struct client_fetcher_events events = {.ready = on_fetched, .trouble = on_trouble};
    struct client_fetcher_options options = client_fetcher_options_default();

    return client_fetcher_create(probe->cluster, &options, &events, probe, &probe->fetcher);
}

/* ---- what is sent */

static void on_delivered(void *context, const struct client_delivery *delivery)
{
    struct probe *probe = context;
    bool is_stored = delivery->error_code == KAFKA_NONE && delivery->err == OK;

    for (uint32_t i = 0; i < delivery->records_count; i++) {
        struct probe_event event =
            is_stored
                ? probe_ledger_acknowledged(&probe->ledger, delivery->tokens[i], now_ns(probe))
                : probe_ledger_failed(&probe->ledger, delivery->tokens[i], now_ns(probe));
        if (!event.is_known)
            continue;
        probe_metrics_produced(&probe->metrics, event.partition, event.latency_ns);
        if (is_stored)
            raise_max(&probe->summary.produce_max_ns, event.latency_ns);
        tell_counts(probe, event.partition);
    }
    if (!is_stored)
        probe_private_problem(probe, delivery->err == OK ? ERR_INVALID : delivery->err,
                              "Produce, partition %" PRId32 ": %s", delivery->partition,
                              delivery->error_code != KAFKA_NONE
                                  ? kafka_error_name(delivery->error_code)
                                  : err_text(delivery->err));
    probe_private_look(probe);
}

static void on_producer_closed(void *context)
{
    struct probe *probe = context;

    probe->is_renewing = false;
    if (probe->is_ending)
        probe_private_producer_closed(probe);
    else
        loop_set_timer_ms(probe->options.env->loop, &probe->renewal, RENEW_MS);
}

/* It can't go on: another one in its place. */
static void on_fatal(void *context, int16_t error_code, enum err err)
{
    struct probe *probe = context;

    probe_private_problem(probe, err == OK ? ERR_INVALID : err, "the producer: %s",
                          error_code != KAFKA_NONE ? kafka_error_name(error_code) : err_text(err));
    if (!probe->is_ending && !probe->is_renewing)
        loop_set_timer_ms(probe->options.env->loop, &probe->renewal, RENEW_MS);
}

static void on_renewal(struct timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, renewal);
    struct client_producer *before = probe->producer;

    if (before != NULL) {
        probe->producer = NULL;
        probe->is_renewing = true;
        client_producer_destroy(before, on_producer_closed, probe);
    } else if (probe_private_create_producer(probe) != OK) {
        loop_set_timer_ms(probe->options.env->loop, &probe->renewal, RENEW_MS);
    }
}

enum err probe_private_create_producer(struct probe *probe)
{
    static const struct client_producer_events events = {.delivered = on_delivered,
                                                         .fatal = on_fatal};
    struct client_producer_options options = client_producer_options_default();

    options.linger_us = 0;
    options.delivery_timeout_ms = probe->options.sla_ms;
    if (options.request_timeout_ms > options.delivery_timeout_ms)
        options.request_timeout_ms = options.delivery_timeout_ms;
    return client_producer_create(probe->cluster, &options, &events, probe, &probe->producer);
}

/* PRB-1, PRB-2 */
static void send_one(struct probe *probe, int32_t partition, uint64_t intended_ns)
{
    uint8_t value[PROBE_MESSAGE_BYTES];
    struct client_record record = {.topic = probe->topic, .partition = partition};
    int64_t now_ms = clock_wall_ms(probe->options.env->loop->clock);
    uint64_t sequence;
    enum err err = ERR_FULL;

    if (!probe_ledger_has_room(&probe->ledger)) {
        probe->counts[partition].produced++;
        probe->counts[partition].failed++;
        tell_counts(probe, partition);
        return;
    }
    sequence = probe_ledger_sent(&probe->ledger, partition, intended_ns);
    probe_message_put(value, &probe->id, sequence, now_ms);
    record.timestamp_ms = now_ms;
    record.token = sequence;
    record_init(&record.record, NULL, -1, value, sizeof(value));
    if (probe->producer != NULL)
        err = client_producer_send(probe->producer, &record);
    if (err != OK) {
        probe_ledger_failed(&probe->ledger, sequence, now_ns(probe));
        probe_private_problem(probe, err, "Produce, partition %" PRId32 ": %s", partition,
                              err_text(err));
    }
    tell_counts(probe, partition);
}

static uint64_t intended_at(const struct probe *probe, uint64_t index)
{
    return probe->begun_ns + (uint64_t)((double)index * (double)NS_PER_S / probe->options.rate);
}

static void send_due(struct probe *probe)
{
    for (int i = 0; i < DUE_MAX; i++) {
        uint64_t at_ns = intended_at(probe, probe->intended_count);
        if (at_ns > now_ns(probe))
            return;
        probe->intended_count++;
        send_one(probe, probe->next_partition, at_ns);
        probe->next_partition = (probe->next_partition + 1) % probe->partitions_count;
    }
}

/* PRB-4 */
static void look_after_topic(struct probe *probe)
{
    uint64_t now = now_ns(probe);

    if (probe->options.is_once || probe->summary.is_up || now - probe->begun_ns < 2 * UP_NS ||
        now - probe->last_received_ns < 2 * UP_NS || now - probe->looked_ns < 2 * UP_NS)
        return;
    probe->looked_ns = now;
    probe_private_make_again(probe);
}

static void on_tick(struct timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, tick);
    uint64_t wait_ms = TICK_MAX_MS;

    probe_ledger_expire(&probe->ledger, now_ns(probe));
    for (int32_t p = 0; p < probe->partitions_count; p++)
        tell_counts(probe, p);
    if (!probe->options.is_once) {
        uint64_t next_ns;
        send_due(probe);
        next_ns = intended_at(probe, probe->intended_count);
        wait_ms = next_ns > now_ns(probe) ? (next_ns - now_ns(probe)) / NS_PER_MS + 1 : 1;
    }
    set_up_now(probe);
    look_after_topic(probe);
    loop_set_timer_ms(probe->options.env->loop, timer,
                      wait_ms < TICK_MAX_MS ? wait_ms : TICK_MAX_MS);
    probe_private_look(probe);
}

void probe_private_begin(struct probe *probe)
{
    probe->summary.has_begun = true;
    probe->begun_ns = now_ns(probe);
    for (int32_t p = 0; p < probe->partitions_count; p++) {
        probe->places[p] = -1;
        if (probe->options.is_once)
            send_one(probe, p, probe->begun_ns);
    }
    if (probe->options.is_once)
        client_producer_flush(probe->producer);
    loop_set_timer_ms(probe->options.env->loop, &probe->tick, 1);
}

bool probe_private_round_is_over(const struct probe *probe)
{
    return probe->summary.has_begun && probe_ledger_awaited_count(&probe->ledger) == 0 &&
           !probe->is_committing && !probe->has_uncommitted;
}

void probe_private_init_timers(struct probe *probe)
{
    timer_init(&probe->tick, on_tick);
    timer_init(&probe->renewal, on_renewal);
    timer_init(&probe->reassign, on_reassign);
}

void probe_private_cancel_timers(struct probe *probe)
{
    struct loop *loop = probe->options.env->loop;

    loop_cancel_timer(loop, &probe->tick);
    loop_cancel_timer(loop, &probe->renewal);
    loop_cancel_timer(loop, &probe->reassign);
}
