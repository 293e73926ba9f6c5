#include "tests/sim/model_auditor.h"

#include "base/check.h"
#include "net/protocol/codec.h"
#include "net/protocol/msg_fetch.h"
#include "record/batch_reader.h"
#include "record/control_record.h"

#include <inttypes.h>

enum { WANDER_ODDS = 5, ISOLATION_COMMITTED = 1, UNCOMPRESSED_BYTES_MAX = 1 << 20 };

/* Of the partition of an answer that is being taken. */
struct taking {
    struct model_auditor *auditor;
    uint32_t partition;
    struct oracle_txn_answer answer;
    struct oracle_txn_listed listed[ORACLE_TXN_LISTED_MAX];
    bool is_used[ORACLE_TXN_LISTED_MAX]; /* it is in dropped, or was */
    int64_t dropped[ORACLE_TXN_LISTED_MAX];
    uint32_t dropped_count;
};

static uint64_t now_of(const struct model_auditor *auditor)
{
    return sim_world_now_ns(auditor->client.node->world);
}

/* ---- which producers are dropped */

/* Those whose aborted transaction begins at or before offset. */
static void drop_up_to(struct taking *taking, int64_t offset)
{
    for (uint32_t i = 0; i < taking->answer.listed_count; i++) {
        if (taking->is_used[i] || taking->listed[i].first_offset > offset)
            continue;
        taking->is_used[i] = true;
        taking->dropped[taking->dropped_count++] = taking->listed[i].producer_id;
    }
}

static bool is_dropped(const struct taking *taking, int64_t producer_id)
{
    for (uint32_t i = 0; i < taking->dropped_count; i++)
        if (taking->dropped[i] == producer_id)
            return true;
    return false;
}

static void take_back(struct taking *taking, int64_t producer_id)
{
    for (uint32_t i = 0; i < taking->dropped_count; i++) {
        if (taking->dropped[i] != producer_id)
            continue;
        taking->dropped[i--] = taking->dropped[--taking->dropped_count];
    }
}

/* ---- batches */

static void complain(const struct taking *taking, const char *rule, int64_t offset,
                     const char *text)
{
    oracle_txn_complain(taking->auditor->log->txn, rule, taking->answer.now_ns,
                        "partition %" PRIu32 " at %" PRId64 ": %s", taking->partition, offset,
                        text);
}

static void take_marker(struct taking *taking, const uint8_t *bytes,
                        const struct batch_header *header)
{
    struct oracle_txn_slot slot = {.producer_id = header->producer_id,
                                   .producer_epoch = header->producer_epoch};
    struct control_marker marker;

    if (control_parse_marker(bytes, header, &marker) != OK) {
        complain(taking, "L5", header->base_offset, "no marker of a transaction");
        return;
    }
    slot.kind = marker.commit ? ORACLE_TXN_COMMIT : ORACLE_TXN_ABORT;
    oracle_txn_log_holds(taking->auditor->log, taking->answer.now_ns, taking->partition,
                         header->base_offset, &slot);
    if (!marker.commit)
        take_back(taking, header->producer_id);
}

static void take_records(struct taking *taking, const uint8_t *bytes,
                         const struct batch_header *header)
{
    struct model_auditor *auditor = taking->auditor;
    struct oracle_txn_slot slot = {.kind = ORACLE_TXN_RECORD,
                                   .producer_id = header->producer_id,
                                   .producer_epoch = header->producer_epoch};
    bool hands_out = !auditor->options.is_committed || !is_dropped(taking, header->producer_id);
    struct batch_reader reader;
    struct record record;
    int64_t offset;
    enum err err;

    batch_reader_init(&reader, NULL, UNCOMPRESSED_BYTES_MAX);
    err = batch_reader_open(&reader, bytes, header->size_bytes);
    while (err == OK && (err = batch_reader_next(&reader, &record, &offset, NULL)) == OK) {
        if (!oracle_txn_value_get(auditor->log->txn, record.value, record.value_bytes,
                                  &slot.record)) {
            complain(taking, "L5", offset, "a record that nobody has sent");
            break;
        }
        oracle_txn_log_holds(auditor->log, taking->answer.now_ns, taking->partition, offset, &slot);
        if (hands_out && offset >= auditor->partitions[taking->partition].position)
            oracle_txn_log_seen(auditor->log, taking->answer.now_ns, auditor->options.view,
                                taking->partition, offset, slot.record);
    }
    batch_reader_deinit(&reader);
    if (err != ERR_NOT_FOUND)
        complain(taking, "L1", header->base_offset, "a batch that cannot be read");
}

static void take_batches(struct taking *taking, const struct wire_records *records)
{
    struct auditor_partition *at = &taking->auditor->partitions[taking->partition];
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;

    if (records->slice_count == 0)
        return;
    batch_walk_init(&walk, records->slices[0].bytes, records->size_bytes);
    while (batch_next(&walk, &header, &bytes) == OK) {
        if (header.base_offset > at->position || batch_last_offset(&header) < at->position)
            complain(taking, "L8", at->position, "the answer jumps");
        if (!batch_crc_is_good(bytes, &header) || !batch_is_transactional(&header)) {
            complain(taking, "L1", header.base_offset, "a batch that is not as it was sent");
            return;
        }
        drop_up_to(taking, batch_last_offset(&header));
        if (batch_is_control(&header))
            take_marker(taking, bytes, &header);
        else
            take_records(taking, bytes, &header);
        at->position = batch_last_offset(&header) + 1;
    }
    taking->answer.next_offset = at->position;
}

/* ---- answers */

static void say(const struct taking *taking)
{
    const struct oracle_txn_answer *answer = &taking->answer;
    const struct oracle_txn *txn = taking->auditor->log->txn;

    if (answer->next_offset == answer->asked_offset)
        return;
    oracle_txn_say(txn, answer->now_ns,
                   "view %" PRIu32 ": partition %" PRIu32 " %" PRId64 " to %" PRId64
                   ", stable %" PRId64 ", high %" PRId64,
                   taking->auditor->options.view, taking->partition, answer->asked_offset,
                   answer->next_offset, answer->stable, answer->high);
    for (uint32_t i = 0; i < answer->listed_count; i++)
        oracle_txn_say(txn, answer->now_ns, "  aborted: %" PRId64 " from %" PRId64,
                       answer->listed[i].producer_id, answer->listed[i].first_offset);
}

static void take_partition(struct model_auditor *auditor, uint32_t partition,
                           const struct fetch_response_partition_data *data)
{
    struct auditor_partition *at = &auditor->partitions[partition];
    struct taking taking = {
        .auditor = auditor,
        .partition = partition,
        .answer = {.partition = partition,
                   .now_ns = now_of(auditor),
                   .asked_offset = at->asked_offset,
                   .next_offset = at->asked_offset,
                   .stable = data->last_stable_offset,
                   .high = data->high_watermark,
                   .floor_stable = at->floor_stable,
                   .floor_high = at->floor_high,
                   .is_committed = auditor->options.is_committed},
    };

    if (data->error_code == KAFKA_OFFSET_OUT_OF_RANGE)
        complain(&taking, "L3", at->asked_offset, "this offset is out of range");
    if (!at->is_asked || data->error_code != KAFKA_NONE)
        return;
    at->is_asked = false;
    for (int32_t i = 0; i < data->aborted_transactions.count; i++) {
        if (i == ORACLE_TXN_LISTED_MAX) {
            complain(&taking, "T13", at->asked_offset, "more transactions than anybody has sent");
            return;
        }
        taking.listed[i] =
            (struct oracle_txn_listed){data->aborted_transactions.items[i].producer_id,
                                       data->aborted_transactions.items[i].first_offset};
        taking.answer.listed_count++;
    }
    taking.answer.listed = taking.listed;
    take_batches(&taking, &data->records);
    say(&taking);
    oracle_txn_log_answer(auditor->log, &taking.answer);
    if (at->position >= data->high_watermark && data->last_stable_offset == data->high_watermark)
        at->is_at_end = true;
}

static void on_fetched(struct model_call *call, enum err err, const void *answer)
{
    struct model_auditor *auditor = container_of(call, struct model_auditor, call);
    const struct fetch_response *response = answer;

    auditor->busy = false;
    if (err == OK && (auditor->is_stale || response->error_code != KAFKA_NONE))
        err = ERR_NOT_FOUND;
    for (int32_t t = 0; err == OK && t < response->responses.count; t++) {
        const struct fetch_response_fetchable_topic_response *topic = &response->responses.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++)
            if ((uint32_t)topic->partitions.items[p].partition_index <
                auditor->topics->partitions_count)
                take_partition(auditor, (uint32_t)topic->partitions.items[p].partition_index,
                               &topic->partitions.items[p]);
    }
    auditor->is_stale = false;
}

/* ---- questions */

static void fetch(struct model_auditor *auditor)
{
    struct fetch_request_fetch_partition partitions[ORACLE_TXN_PARTITIONS_MAX];
    struct fetch_request_fetch_topic topic;
    struct fetch_request request;

    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &topic);
    topic.topic = wire_string(auditor->topics->at[0].name);
    topic.topic_id = auditor->topics->at[0].id;
    topic.partitions.items = partitions;
    for (uint32_t p = 0; p < auditor->topics->partitions_count; p++) {
        struct auditor_partition *at = &auditor->partitions[p];
        struct fetch_request_fetch_partition *asked = &partitions[topic.partitions.count];
        const struct oracle_txn_partition *known = &auditor->log->partitions[p];
        if (auditor->options.wanders && known->stable > 0 &&
            prng_chance(&auditor->client.prng, 1, WANDER_ODDS))
            at->position = (int64_t)prng_below(&auditor->client.prng, (uint64_t)known->stable + 1);
        codec_set_struct_defaults(&fetch_request_fetch_partition_struct, asked);
        asked->partition = (int32_t)p;
        asked->fetch_offset = at->position;
        asked->partition_max_bytes = (int32_t)auditor->options.partition_bytes_max;
        at->asked_offset = at->position;
        at->floor_stable = known->stable;
        at->floor_high = known->high;
        at->is_asked = true;
        topic.partitions.count++;
    }
    request.isolation_level = auditor->options.is_committed ? ISOLATION_COMMITTED : 0;
    request.max_wait_ms = (int32_t)auditor->options.max_wait_ms;
    request.min_bytes = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    auditor->busy = true;
    model_client_call(&auditor->client, &auditor->call, API_FETCH,
                      model_client_version(&auditor->client, API_FETCH, 4, 18), &request,
                      on_fetched);
}

static void on_tick(struct timer *timer)
{
    struct model_auditor *auditor = container_of(timer, struct model_auditor, tick);

    if (!auditor->busy && !auditor->stop && model_client_is_up(&auditor->client) &&
        !uuid_is_zero(&auditor->topics->at[0].id))
        fetch(auditor);
    loop_set_timer_ms(&auditor->client.loop, &auditor->tick,
                      model_client_draw_ms(&auditor->client, auditor->options.pause_max_ms));
}

void model_auditor_init(struct model_auditor *auditor, struct sim_node *node,
                        struct history *history, const struct model_client_options *client,
                        const struct model_auditor_options *options,
                        const struct model_topics *topics, struct oracle_txn_log *log)
{
    check(topics->partitions_count <= ORACLE_TXN_PARTITIONS_MAX &&
          options->view < ORACLE_TXN_VIEWS_MAX);
    *auditor = (struct model_auditor){.options = *options, .topics = topics, .log = log};
    log->views[options->view].is_committed = options->is_committed;
    log->views[options->view].wanders = options->wanders;
    model_client_init(&auditor->client, node, history, client);
    timer_init(&auditor->tick, on_tick);
    loop_set_timer_ms(&auditor->client.loop, &auditor->tick, 1);
}

void model_auditor_deinit(struct model_auditor *auditor)
{
    loop_cancel_timer(&auditor->client.loop, &auditor->tick);
    model_client_deinit(&auditor->client);
}

void model_auditor_begin(struct model_auditor *auditor, bool from_start)
{
    for (uint32_t p = 0; p < ORACLE_TXN_PARTITIONS_MAX; p++) {
        auditor->partitions[p].is_at_end = false;
        if (from_start)
            auditor->partitions[p].position = 0;
    }
    if (from_start)
        oracle_txn_log_forget(auditor->log, auditor->options.view);
    auditor->stop = false;
    auditor->is_stale = auditor->busy;
}

bool model_auditor_is_at_end(const struct model_auditor *auditor)
{
    for (uint32_t p = 0; p < auditor->topics->partitions_count; p++)
        if (!auditor->partitions[p].is_at_end)
            return false;
    return true;
}
