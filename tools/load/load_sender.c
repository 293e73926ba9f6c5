#include "tools/load/load_sender.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"

#include <stdio.h>
#include <string.h>

enum { SLOTS_FIRST = 64, LATE_NS = 1000000 };

static uint64_t now_ns(const struct load_sender *sender)
{
    return clock_mono_ns(sender->room->loop.clock);
}

/* It cannot go on: told once. */
static void fail(struct load_sender *sender, const char *what, enum err err)
{
    const char *problem = sender->cluster == NULL ? "" : client_cluster_problem(sender->cluster);

    if (sender->state == LOAD_SENDER_BROKEN)
        return;
    sender->state = LOAD_SENDER_BROKEN;
    load_stats_add(sender->stats, LOAD_COUNTER_ERRORS, 1);
    load_shared_error(sender->shared, "producer %u: %s: %s%s%s", (unsigned)sender->number, what,
                      err_text(err), problem[0] == '\0' ? "" : "; ", problem);
}

/* ---- slots */

static uint32_t take_slot(struct load_sender *sender)
{
    uint32_t at = sender->free_slot;

    if (at == UINT32_MAX) {
        uint32_t count = sender->slots_count == 0 ? SLOTS_FIRST : sender->slots_count * 2;
        struct load_slot *slots =
            mem_try_realloc(sender->slots, (size_t)count * sizeof(*sender->slots));
        if (slots == NULL)
            return UINT32_MAX;
        for (uint32_t i = sender->slots_count; i < count; i++)
            slots[i].next_free = i + 1 == count ? UINT32_MAX : i + 1;
        at = sender->slots_count;
        sender->slots = slots;
        sender->slots_count = count;
    }
    sender->free_slot = sender->slots[at].next_free;
    sender->flying_count++;
    return at;
}

static void give_slot_back(struct load_sender *sender, uint32_t at)
{
    sender->slots[at].next_free = sender->free_slot;
    sender->free_slot = at;
    sender->flying_count--;
}

/* ---- what became of records */

static void settle(struct load_sender *sender, const struct load_slot *slot, int32_t partition,
                   enum load_outcome outcome, int64_t offset)
{
    if (sender->shared->account != NULL)
        load_account_outcome(sender->shared->account, load_sender_producer(sender), slot->sequence,
                             sender->topic_index, partition, outcome, offset);
}

static void tell_failure(struct load_sender *sender, const struct client_delivery *delivery)
{
    sender->transaction_failed += delivery->records_count;
    load_stats_add(sender->stats, LOAD_COUNTER_FAILED_ALL, delivery->records_count);
    if (delivery->err == ERR_CANCELED)
        return; /* by us */
    if (sender->expects_fencing && (delivery->error_code == KAFKA_INVALID_PRODUCER_EPOCH ||
                                    delivery->error_code == KAFKA_PRODUCER_FENCED))
        return;
    load_stats_add(sender->stats, LOAD_COUNTER_ERRORS, delivery->records_count);
    load_shared_error(sender->shared, "%s: records were not stored: %s%s", delivery->topic->name,
                      delivery->error_code != KAFKA_NONE ? kafka_error_name(delivery->error_code)
                                                         : err_text(delivery->err),
                      delivery->is_ambiguous ? " (they may have been)" : "");
}

/* Of records that others made nothing is counted. */
static void on_forwarded(struct load_sender *sender, const struct client_delivery *delivery)
{
    for (uint32_t i = 0; i < delivery->records_count; i++)
        give_slot_back(sender, (uint32_t)delivery->tokens[i]);
    if (delivery->err != OK || delivery->error_code != KAFKA_NONE)
        sender->transaction_failed += delivery->records_count;
}

static void on_delivered(void *context, const struct client_delivery *delivery)
{
    struct load_sender *sender = context;
    struct load_shared *shared = sender->shared;
    struct load_stats *stats = sender->stats;
    bool is_stored = delivery->err == OK && delivery->error_code == KAFKA_NONE;
    enum load_outcome outcome = is_stored                ? LOAD_STORED
                                : delivery->is_ambiguous ? LOAD_UNKNOWN
                                                         : LOAD_FAILED;
    uint64_t now = now_ns(sender);
    uint64_t measured_count = 0;
    uint64_t measured_bytes = 0;
    uint64_t all_bytes = 0;

    if (sender->is_forwarding) {
        on_forwarded(sender, delivery);
        return;
    }
    if (shared->account != NULL)
        load_shared_lock(shared);
    for (uint32_t i = 0; i < delivery->records_count; i++) {
        uint32_t at = (uint32_t)delivery->tokens[i];
        const struct load_slot *slot = &sender->slots[at];
        settle(sender, slot, delivery->partition, outcome,
               is_stored && delivery->base_offset >= 0 ? delivery->base_offset + i : -1);
        if (is_stored) {
            all_bytes += slot->size_bytes;
            if (load_shared_is_measured(shared, slot->intended_ns)) {
                measured_count++;
                measured_bytes += slot->size_bytes;
                load_stats_time(stats, LOAD_HISTOGRAM_PRODUCE, slot->intended_ns, now);
            }
        }
        give_slot_back(sender, at);
    }
    if (shared->account != NULL)
        load_shared_unlock(shared);
    if (!is_stored) {
        tell_failure(sender, delivery);
        return;
    }
    load_shared_success(shared, LOAD_SUCCESS_STORED, now);
    sender->transaction_stored += delivery->records_count;
    load_stats_add(stats, LOAD_COUNTER_STORED_ALL, delivery->records_count);
    load_stats_add(stats, LOAD_COUNTER_STORED_BYTES_ALL, all_bytes);
    load_stats_add(stats, LOAD_COUNTER_STORED, measured_count);
    load_stats_add(stats, LOAD_COUNTER_STORED_BYTES, measured_bytes);
    if (measured_count > 0) {
        load_stats_add(stats, LOAD_COUNTER_REQUESTS, 1);
        histogram_record_n(&stats->histograms[LOAD_HISTOGRAM_SERVICE],
                           now > delivery->sent_ns ? now - delivery->sent_ns : 0, measured_count);
    }
}

static void on_room(void *context)
{
    struct load_sender *sender = context;

    sender->has_room = true;
}

static void on_fatal(void *context, int16_t error_code, enum err err)
{
    struct load_sender *sender = context;

    /* Of a transactional one its owner looks at the state: it may have been fenced on purpose. */
    if (sender->transactional_id == NULL)
        fail(sender,
             error_code != KAFKA_NONE ? kafka_error_name(error_code) : "the producer cannot go on",
             err);
}

/* ---- opening */

static struct client_producer_options producer_options(const struct load_sender *sender)
{
    const struct load_workload *workload = sender->shared->workload;
    struct client_producer_options options = client_producer_options_default();

    options.acks = (int16_t)workload->acks;
    options.is_idempotent = workload->is_idempotent;
    options.transactional_id = sender->transactional_id;
    options.transaction_timeout_ms = (uint32_t)(workload->transaction_timeout_ns / 1000000);
    options.linger_us = (uint32_t)(workload->linger_ns / 1000);
    options.batch_bytes = (uint32_t)workload->batch_bytes;
    options.request_max_bytes = (uint32_t)workload->request_max_bytes;
    options.in_flight_max = workload->requests_max;
    options.delivery_timeout_ms = (uint32_t)(workload->delivery_timeout_ns / 1000000);
    options.request_timeout_ms = (uint32_t)(workload->request_timeout_ns / 1000000);
    options.buffer_memory_bytes = workload->buffer_bytes;
    options.codec = load_workload_codec(workload, sender->number);
    return options;
}

static enum err prepare_partitions(struct load_sender *sender)
{
    if (sender->partition_sequences != NULL &&
        sender->partitions_count != sender->topic->partitions_count)
        return ERR_INVALID; /* it grew while the run went on: partitions of keys would change */
    if (sender->partition_sequences != NULL)
        return OK;
    sender->partitions_count = sender->topic->partitions_count;
    sender->partition = (int32_t)(sender->number % (uint32_t)sender->partitions_count);
    sender->partition_sequences =
        mem_try_alloc((size_t)sender->partitions_count * sizeof(*sender->partition_sequences));
    return sender->partition_sequences == NULL ? ERR_NOMEM : OK;
}

static void on_topic(struct client_wait *wait, enum err err)
{
    static const struct client_producer_events events = {
        .delivered = on_delivered, .room = on_room, .fatal = on_fatal};
    struct load_sender *sender = container_of(wait, struct load_sender, wait);
    struct client_producer_options options = producer_options(sender);

    if (sender->state != LOAD_SENDER_CONNECTING)
        return;
    if (err != OK) {
        fail(sender,
             wait->kafka_error != KAFKA_NONE ? kafka_error_name(wait->kafka_error)
                                             : sender->topic_name,
             err);
        return;
    }
    err = prepare_partitions(sender);
    if (err == OK)
        err = client_producer_create(sender->cluster, &options, &events, sender, &sender->producer);
    if (err != OK) {
        fail(sender, "cannot be made", err);
        return;
    }
    sender->has_room = true;
    sender->state = LOAD_SENDER_READY;
}

static enum err connect_client(struct load_sender *sender)
{
    const struct load_workload *workload = sender->shared->workload;
    struct client_options options = client_options_default();
    char problem[512];
    enum err err;

    options.bootstrap_servers = workload->brokers;
    options.request_timeout_ms = (uint32_t)(workload->request_timeout_ns / 1000000);
    options.allow_auto_create = false;
    err = client_cluster_create(&sender->room->env, &options, &sender->cluster, problem,
                                sizeof(problem));
    if (err != OK) {
        load_shared_error(sender->shared, "%s", err == ERR_INVALID ? problem : err_text(err));
        return err;
    }
    sender->state = LOAD_SENDER_CONNECTING;
    sender->topic = client_cluster_topic(sender->cluster, sender->topic_name);
    if (sender->topic == NULL)
        return ERR_NOMEM;
    sender->wait = (struct client_wait){.done = on_topic};
    client_cluster_wait_topic(sender->cluster, &sender->wait, sender->topic,
                              (uint32_t)(workload->timeout_ns / 1000000));
    return OK;
}

static enum err prepare(struct load_sender *sender)
{
    static uint8_t header_value[4096];
    const struct load_workload *workload = sender->shared->workload;
    struct load_keys_options keys = workload->keys;
    enum err err;

    keys.seed += sender->number * UINT64_C(0x9e3779b97f4a7c15);
    err = load_keys_init(&sender->keys, &keys);
    if (err != OK)
        return err;
    load_size_share(&sender->size, &workload->size, keys.seed);
    for (uint32_t i = 0; i < workload->headers_count; i++)
        sender->headers[i] = (struct record_header){.key = "header",
                                                    .key_bytes = 6,
                                                    .value_bytes = (int32_t)workload->header_bytes,
                                                    .value = header_value};
    sender->payload_place = keys.seed % LOAD_PAYLOAD_POOL_BYTES;
    sender->free_slot = UINT32_MAX;
    sender->value = mem_try_alloc(workload->size.max_bytes);
    return sender->value == NULL ? ERR_NOMEM : OK;
}

enum err load_sender_open(struct load_sender *sender)
{
    enum err err = prepare(sender);

    return err == OK ? connect_client(sender) : err;
}

/* ---- records */

static void choose_partition(struct load_sender *sender, uint64_t now, int32_t key_bytes)
{
    const struct load_workload *workload = sender->shared->workload;
    uint32_t count =
        sender->partition_count > 0 ? sender->partition_count : (uint32_t)sender->partitions_count;
    uint32_t from = sender->partition_count > 0 ? sender->partition_from : 0;

    if (key_bytes >= 0) {
        int32_t at = client_producer_partition_of(sender->key, (size_t)key_bytes, (int32_t)count);
        sender->partition = (int32_t)((from + (uint32_t)at) % (uint32_t)sender->partitions_count);
        return;
    }
    if (sender->partition_count > 0) { /* of a transaction: by turns */
        sender->partition = (int32_t)((from + sender->transaction_index % count) %
                                      (uint32_t)sender->partitions_count);
        return;
    }
    if (sender->partition_bytes < workload->batch_bytes && workload->linger_ns > 0 &&
        now - sender->partition_since_ns < workload->linger_ns && sender->partition_bytes > 0)
        return;
    sender->partition_bytes = 0;
    sender->partition_since_ns = now;
    sender->partition = (sender->partition + 1) % sender->partitions_count;
}

/* The value, its stamp, and its place in the account. */
static enum err make(struct load_sender *sender, uint64_t intended_ns, int32_t key_bytes)
{
    struct load_shared *shared = sender->shared;
    struct load_made *made = &sender->made;
    uint32_t size_bytes = load_size_next(&sender->size);
    const uint8_t *payload =
        load_payload_next(&shared->payload, &sender->payload_place, size_bytes);
    struct load_stamp stamp = {
        .run = shared->run,
        .producer = load_sender_producer(sender),
        .epoch = sender->epoch,
        .sequence = sender->sequence,
        .intended_ns = (uint64_t)((int64_t)intended_ns + shared->wall_ns),
        .transaction = sender->transaction,
        .index = sender->transaction_index,
        .index_count = sender->transaction_size,
        .partition_sequence = sender->partition_sequences[sender->partition],
    };

    if (shared->account != NULL) {
        enum err err;
        load_shared_lock(shared);
        err = load_account_sent(shared->account, &stamp, sender->topic_index, sender->partition);
        load_shared_unlock(shared);
        if (err != OK)
            return err;
    }
    memcpy(sender->value, payload, size_bytes);
    if (shared->workload->is_stamped)
        load_stamp_write(sender->value, size_bytes, sender->key, key_bytes, &stamp);
    *made = (struct load_made){.intended_ns = intended_ns,
                               .sequence = sender->sequence,
                               .partition = sender->partition,
                               .value_bytes = size_bytes};
    sender->sequence++;
    sender->transaction_index++;
    sender->partition_sequences[sender->partition]++;
    sender->partition_bytes += size_bytes;
    return OK;
}

/* Give the record that was made to the client, or hold it. */
static enum err hand_over(struct load_sender *sender, int32_t key_bytes)
{
    const struct load_workload *workload = sender->shared->workload;
    struct load_made *made = &sender->made;
    struct client_record record = {
        .topic = sender->topic, .partition = made->partition, .timestamp_ms = -1};
    uint32_t at = take_slot(sender);
    uint64_t now;
    enum err err;

    if (at == UINT32_MAX)
        return ERR_NOMEM;
    record_init(&record.record, key_bytes < 0 ? NULL : sender->key, key_bytes, sender->value,
                (int32_t)made->value_bytes);
    record.record.headers = sender->headers;
    record.record.header_count = (int32_t)workload->headers_count;
    record.token = at;
    sender->slots[at] = (struct load_slot){.intended_ns = made->intended_ns,
                                           .sequence = made->sequence,
                                           .size_bytes = made->value_bytes +
                                                         (key_bytes < 0 ? 0 : (uint32_t)key_bytes)};
    err = client_producer_send(sender->producer, &record);
    made->is_held = err == ERR_FULL;
    if (err == ERR_FULL)
        sender->has_room = false;
    if (err != OK) {
        give_slot_back(sender, at);
        return err == ERR_FULL ? OK : err;
    }
    now = now_ns(sender);
    load_stats_add(sender->stats, LOAD_COUNTER_SENT_ALL, 1);
    if (load_shared_is_measured(sender->shared, made->intended_ns)) {
        load_stats_add(sender->stats, LOAD_COUNTER_SENT, 1);
        load_stats_time(sender->stats, LOAD_HISTOGRAM_DELAY, made->intended_ns, now);
        if (now > made->intended_ns + LATE_NS)
            load_stats_add(sender->stats, LOAD_COUNTER_LATE, 1);
    }
    return OK;
}

static int32_t key_bytes_of(const struct load_sender *sender)
{
    const struct load_workload *workload = sender->shared->workload;

    return workload->keys.kind == LOAD_KEYS_NONE ? -1 : (int32_t)workload->key_bytes;
}

/* A record that was made and will not be stored. */
static void drop_made(struct load_sender *sender)
{
    struct load_slot slot = {.sequence = sender->made.sequence};

    sender->made.is_held = false;
    sender->transaction_failed++;
    load_stats_add(sender->stats, LOAD_COUNTER_FAILED_ALL, 1);
    load_shared_lock(sender->shared);
    settle(sender, &slot, sender->made.partition, LOAD_FAILED, -1);
    load_shared_unlock(sender->shared);
}

enum err load_sender_give(struct load_sender *sender, uint64_t intended_ns)
{
    int32_t key_bytes = key_bytes_of(sender);
    enum err err;

    check(load_sender_is_free(sender)); /* LSN-3 */
    if (key_bytes >= 0)
        load_keys_write(load_keys_next(&sender->keys), sender->key, (size_t)key_bytes);
    choose_partition(sender, intended_ns, key_bytes);
    err = make(sender, intended_ns, key_bytes);
    if (err == ERR_FULL)
        return err;
    if (err == OK) {
        err = hand_over(sender, key_bytes);
        if (err != OK)
            drop_made(sender);
    }
    if (err != OK && sender->transactional_id == NULL)
        fail(sender, "a record cannot be sent", err);
    return err;
}

enum err load_sender_forward(struct load_sender *sender, int32_t partition,
                             const struct record *record)
{
    struct client_record out = {
        .topic = sender->topic, .partition = partition, .timestamp_ms = -1, .record = *record};
    uint32_t at = take_slot(sender);
    enum err err;

    if (at == UINT32_MAX)
        return ERR_NOMEM;
    out.token = at;
    err = client_producer_send(sender->producer, &out);
    if (err != OK)
        give_slot_back(sender, at);
    return err;
}

void load_sender_retry(struct load_sender *sender)
{
    enum err err;

    if (!sender->made.is_held || !sender->has_room || sender->producer == NULL)
        return;
    err = hand_over(sender, key_bytes_of(sender));
    if (err == OK)
        return;
    drop_made(sender);
    if (sender->transactional_id == NULL)
        fail(sender, "a record cannot be sent", err);
}

/* ---- closing */

static void on_cluster_closed(void *context)
{
    struct load_sender *sender = context;

    sender->cluster = NULL;
    sender->topic = NULL;
    sender->state = LOAD_SENDER_CLOSED;
    if (!sender->is_again)
        return;
    sender->is_again = false;
    sender->epoch++;
    if (connect_client(sender) != OK)
        sender->state = LOAD_SENDER_BROKEN;
}

static void on_producer_closed(void *context)
{
    struct load_sender *sender = context;

    sender->producer = NULL;
    client_cluster_destroy(sender->cluster, on_cluster_closed, sender);
}

static void close_client(struct load_sender *sender)
{
    sender->state = LOAD_SENDER_CLOSING;
    if (sender->made.is_held)
        drop_made(sender);
    if (sender->producer != NULL)
        client_producer_destroy(sender->producer, on_producer_closed, sender);
    else if (sender->cluster != NULL)
        client_cluster_destroy(sender->cluster, on_cluster_closed, sender);
    else
        sender->state = LOAD_SENDER_CLOSED;
}

void load_sender_retire(struct load_sender *sender)
{
    if (sender->state == LOAD_SENDER_READY)
        sender->state = LOAD_SENDER_RETIRING;
}

static void look_at_connections(struct load_sender *sender)
{
    uint64_t count = sender->cluster == NULL ? 0 : client_cluster_failures_count(sender->cluster);

    if (count > sender->failures_count)
        load_shared_lost_connection(sender->shared, now_ns(sender));
    sender->failures_count = count;
}

void load_sender_turn(struct load_sender *sender)
{
    look_at_connections(sender);
    load_sender_retry(sender);
    if (sender->state != LOAD_SENDER_RETIRING || !load_sender_is_idle(sender))
        return;
    sender->is_again = true;
    close_client(sender);
}

void load_sender_close(struct load_sender *sender)
{
    sender->is_again = false;
    if (sender->state != LOAD_SENDER_CLOSING && sender->state != LOAD_SENDER_CLOSED)
        close_client(sender);
}

void load_sender_deinit(struct load_sender *sender)
{
    check(sender->cluster == NULL);
    mem_free(sender->partition_sequences);
    mem_free(sender->value);
    mem_free(sender->slots);
}
