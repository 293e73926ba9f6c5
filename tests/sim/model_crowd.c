#include "tests/sim/model_crowd.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/codec.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_list_offsets.h"
#include "net/protocol/msg_metadata.h"
#include "net/protocol/msg_produce.h"
#include "tests/sim/model_batch.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS = 20000,
    LATEST = -1,
    NAME_BYTES = 8,
    THOUSANDS = 1000, /* topics that are there at once, for the mark */
};

typedef char crowd_name[NAME_BYTES];

printf_like(2, 3) static void complain(struct model_crowd *crowd, const char *format, ...)
{
    char text[160];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    oracle_complain(crowd->oracle, "L15", sim_world_now_ns(crowd->client.node->world), text);
}

static void name_of(uint32_t index, crowd_name out)
{
    snprintf(out, sizeof(crowd_name), "m%" PRIu32, index);
}

/* CROWD_TOPICS_MAX: it is none of ours. */
static uint32_t index_of(struct wire_string name)
{
    crowd_name text = {0};
    crowd_name again;
    uint32_t index;

    if (name.size_bytes < 2 || name.size_bytes >= NAME_BYTES || name.text[0] != 'm')
        return CROWD_TOPICS_MAX;
    memcpy(text, name.text, (size_t)name.size_bytes);
    index = (uint32_t)strtoul(text + 1, NULL, 10);
    if (index >= CROWD_TOPICS_MAX)
        return CROWD_TOPICS_MAX;
    name_of(index, again);
    return strcmp(again, text) == 0 ? index : CROWD_TOPICS_MAX;
}

static void begin(struct model_crowd *crowd, int16_t key, int16_t version, const void *request,
                  void (*done)(struct model_call *, enum err, const void *))
{
    crowd->busy = true;
    model_client_call(&crowd->client, &crowd->call, key, version, request, done);
}

static struct model_crowd *ended(struct model_call *call)
{
    struct model_crowd *crowd = container_of(call, struct model_crowd, call);

    crowd->busy = false;
    return crowd;
}

/* Those of a state whose turn it is, at most max: into asked.  known: only with an id. */
static uint32_t choose(struct model_crowd *crowd, enum crowd_state state, bool known, uint32_t max)
{
    uint32_t first = (uint32_t)prng_below(&crowd->client.prng, crowd->created_count + 1);

    crowd->asked_count = 0;
    for (uint32_t i = 0; i < crowd->created_count && crowd->asked_count < max; i++) {
        uint32_t index = (first + i) % crowd->created_count;
        const struct crowd_topic *topic = &crowd->topics[index];
        if (topic->state == state && !(known && uuid_is_zero(&topic->id)))
            crowd->asked[crowd->asked_count++] = index;
    }
    return crowd->asked_count;
}

/* ---- they come */

static void on_created(struct model_call *call, enum err err, const void *answer)
{
    struct model_crowd *crowd = ended(call);
    const struct create_topics_response *response = answer;

    for (int32_t i = 0; err == OK && i < response->topics.count; i++) {
        const struct create_topics_response_creatable_topic_result *got =
            &response->topics.items[i];
        uint32_t index = index_of(got->name);
        struct crowd_topic *topic;
        if (index == CROWD_TOPICS_MAX ||
            (got->error_code != KAFKA_NONE && got->error_code != KAFKA_TOPIC_ALREADY_EXISTS))
            continue;
        topic = &crowd->topics[index];
        topic->state = CROWD_THERE;
        if (got->error_code == KAFKA_NONE)
            topic->id = got->topic_id;
    }
}

static void create_asked(struct model_crowd *crowd)
{
    struct create_topics_request_creatable_topic *asked =
        mem_alloc(crowd->asked_count * sizeof(*asked));
    crowd_name *names = mem_alloc(crowd->asked_count * sizeof(crowd_name));
    struct create_topics_request request;

    codec_set_defaults(&create_topics_request_desc, &request);
    for (uint32_t i = 0; i < crowd->asked_count; i++) {
        codec_set_struct_defaults(&create_topics_request_creatable_topic_struct, &asked[i]);
        name_of(crowd->asked[i], names[i]);
        asked[i].name = wire_string(names[i]);
        asked[i].num_partitions = 1;
        asked[i].replication_factor = 1;
        crowd->topics[crowd->asked[i]].state = CROWD_COMING;
    }
    request.topics.items = asked;
    request.topics.count = (int32_t)crowd->asked_count;
    request.timeout_ms = TIMEOUT_MS;
    begin(crowd, API_CREATE_TOPICS, 7, &request, on_created);
    mem_free(asked);
    mem_free(names);
}

static void create_next(struct model_crowd *crowd)
{
    uint32_t left = crowd->options.topics_count - crowd->created_count;
    uint32_t count = 1 + (uint32_t)prng_below(&crowd->client.prng, crowd->options.batch_max);

    crowd->asked_count = count < left ? count : left;
    for (uint32_t i = 0; i < crowd->asked_count; i++)
        crowd->asked[i] = crowd->created_count++;
    create_asked(crowd);
}

/* ---- they go */

static void on_deleted(struct model_call *call, enum err err, const void *answer)
{
    struct model_crowd *crowd = ended(call);
    const struct delete_topics_response *response = answer;

    for (int32_t i = 0; err == OK && i < response->responses.count; i++) {
        int16_t error = response->responses.items[i].error_code;
        if (error != KAFKA_NONE && error != KAFKA_UNKNOWN_TOPIC_ID)
            continue;
        for (uint32_t a = 0; a < crowd->asked_count; a++) {
            struct crowd_topic *topic = &crowd->topics[crowd->asked[a]];
            if (uuid_equal(&topic->id, &response->responses.items[i].topic_id))
                topic->state = CROWD_GONE;
        }
    }
}

static void delete_asked(struct model_crowd *crowd)
{
    struct delete_topics_request_delete_topic_state *states =
        mem_alloc(crowd->asked_count * sizeof(*states));
    struct delete_topics_request request;

    codec_set_defaults(&delete_topics_request_desc, &request);
    for (uint32_t i = 0; i < crowd->asked_count; i++) {
        codec_set_struct_defaults(&delete_topics_request_delete_topic_state_struct, &states[i]);
        states[i].topic_id = crowd->topics[crowd->asked[i]].id;
        crowd->topics[crowd->asked[i]].state = CROWD_GOING;
    }
    request.topics.items = states;
    request.topics.count = (int32_t)crowd->asked_count;
    request.timeout_ms = TIMEOUT_MS;
    begin(crowd, API_DELETE_TOPICS, 6, &request, on_deleted);
    mem_free(states);
}

/* ---- records */

static void on_produced(struct model_call *call, enum err err, const void *answer)
{
    struct model_crowd *crowd = ended(call);
    const struct produce_response *response = answer;

    for (int32_t i = 0; err == OK && i < response->responses.count; i++) {
        const struct produce_response_topic_produce_response *got = &response->responses.items[i];
        if (got->partition_responses.count != 1 ||
            got->partition_responses.items[0].error_code != KAFKA_NONE)
            continue;
        for (uint32_t a = 0; a < crowd->asked_count; a++) {
            struct crowd_topic *topic = &crowd->topics[crowd->asked[a]];
            if (uuid_equal(&topic->id, &got->topic_id))
                topic->acknowledged++;
        }
    }
}

struct crowd_record {
    struct produce_request_topic_produce_data topic;
    struct produce_request_partition_produce_data data;
    struct wire_slice slice;
    uint8_t *bytes;
};

static void make_record(struct model_crowd *crowd, struct crowd_topic *topic,
                        struct crowd_record *out)
{
    struct model_batch_record record = {.value_bytes = 20,
                                        .timestamp_ms = clock_wall_ms(crowd->client.loop.clock)};
    struct model_batch_spec spec = {
        .first_value = history_value(crowd->client.options.id, crowd->next_counter++),
        .records = &record,
        .records_count = 1,
        .plain = true,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1};
    uint32_t size_bytes;

    topic->sent++;
    model_batch_make(&spec, crowd->compression, &crowd->client.prng, &out->bytes, &size_bytes);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &out->topic);
    codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &out->data);
    out->slice = (struct wire_slice){.bytes = out->bytes, .size_bytes = size_bytes};
    out->data.records =
        (struct wire_records){.slices = &out->slice, .slice_count = 1, .size_bytes = size_bytes};
    out->topic.topic_id = topic->id;
    out->topic.partition_data.items = &out->data;
    out->topic.partition_data.count = 1;
}

static void produce(struct model_crowd *crowd)
{
    struct crowd_record *records = mem_alloc(crowd->asked_count * sizeof(*records));
    struct produce_request_topic_produce_data *topics =
        mem_alloc(crowd->asked_count * sizeof(*topics));
    struct produce_request request;

    codec_set_defaults(&produce_request_desc, &request);
    for (uint32_t i = 0; i < crowd->asked_count; i++) {
        make_record(crowd, &crowd->topics[crowd->asked[i]], &records[i]);
        topics[i] = records[i].topic;
    }
    request.acks = -1;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data.items = topics;
    request.topic_data.count = (int32_t)crowd->asked_count;
    begin(crowd, API_PRODUCE, 13, &request, on_produced);
    for (uint32_t i = 0; i < crowd->asked_count; i++)
        mem_free(records[i].bytes);
    mem_free(records);
    mem_free(topics);
}

/* ---- a look at their names and ids */

static void judge_listed(struct model_crowd *crowd, uint32_t index, const struct uuid *id)
{
    struct crowd_topic *topic = &crowd->topics[index];

    topic->listed = true;
    if (topic->state == CROWD_NONE)
        complain(crowd, "there is a topic m%" PRIu32 " that nobody has created", index);
    else if (topic->state == CROWD_GONE && uuid_equal(&topic->id, id))
        complain(crowd, "the topic m%" PRIu32 " was deleted and is there", index);
    else if (topic->state == CROWD_THERE && uuid_is_zero(&topic->id))
        topic->id = *id;
    else if (topic->state == CROWD_THERE && !uuid_equal(&topic->id, id))
        complain(crowd, "the topic m%" PRIu32 " is another one", index);
}

static void on_looked(struct model_call *call, enum err err, const void *answer)
{
    struct model_crowd *crowd = ended(call);
    const struct metadata_response *response = answer;
    uint32_t count = 0;

    if (err != OK)
        return;
    for (uint32_t i = 0; i < crowd->created_count; i++)
        crowd->topics[i].listed = false;
    for (int32_t i = 0; i < response->topics.count; i++) {
        uint32_t index = index_of(response->topics.items[i].name);
        if (index < CROWD_TOPICS_MAX)
            judge_listed(crowd, index, &response->topics.items[i].topic_id);
        count += index < CROWD_TOPICS_MAX;
    }
    for (uint32_t i = 0; i < crowd->created_count; i++)
        if (crowd->topics[i].state == CROWD_THERE && !crowd->topics[i].listed)
            complain(crowd, "the topic m%" PRIu32 " is not there", i);
    if (count >= THOUSANDS)
        sim_mark(MARK_THOUSANDS);
    crowd->looked = true;
}

static void look(struct model_crowd *crowd)
{
    struct metadata_request request;

    codec_set_defaults(&metadata_request_desc, &request);
    request.topics.count = -1; /* null: all of them */
    request.allow_auto_topic_creation = false;
    begin(crowd, API_METADATA, 12, &request, on_looked);
}

/* ---- where their logs end */

static void judge_end(struct model_crowd *crowd, uint32_t index, int64_t end)
{
    struct crowd_topic *topic = &crowd->topics[index];
    char text[128];

    topic->read = true;
    if (end >= topic->acknowledged && end <= topic->sent)
        return;
    snprintf(text, sizeof(text),
             "the log of m%" PRIu32 " ends at %" PRId64 ": %" PRId32 " sent, %" PRId32
             " acknowledged",
             index, end, topic->sent, topic->acknowledged);
    oracle_complain(crowd->oracle, end < topic->acknowledged ? "L3" : "L5",
                    sim_world_now_ns(crowd->client.node->world), text);
}

static void on_ends(struct model_call *call, enum err err, const void *answer)
{
    struct model_crowd *crowd = ended(call);
    const struct list_offsets_response *response = answer;

    for (int32_t i = 0; err == OK && i < response->topics.count; i++) {
        const struct list_offsets_response_list_offsets_topic_response *got =
            &response->topics.items[i];
        uint32_t index = index_of(got->name);
        if (index < CROWD_TOPICS_MAX && got->partitions.count == 1 &&
            got->partitions.items[0].error_code == KAFKA_NONE)
            judge_end(crowd, index, got->partitions.items[0].offset);
    }
}

static uint32_t choose_unread(struct model_crowd *crowd)
{
    crowd->asked_count = 0;
    for (uint32_t i = 0; i < crowd->created_count && crowd->asked_count < CROWD_BATCH_MAX; i++)
        if (crowd->topics[i].state == CROWD_THERE && !crowd->topics[i].read)
            crowd->asked[crowd->asked_count++] = i;
    return crowd->asked_count;
}

static void ask_ends(struct model_crowd *crowd)
{
    struct list_offsets_request_list_offsets_topic *topics =
        mem_alloc(crowd->asked_count * sizeof(*topics));
    struct list_offsets_request_list_offsets_partition partition;
    crowd_name *names = mem_alloc(crowd->asked_count * sizeof(crowd_name));
    struct list_offsets_request request;

    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &partition);
    partition.timestamp = LATEST;
    for (uint32_t i = 0; i < crowd->asked_count; i++) {
        codec_set_struct_defaults(&list_offsets_request_list_offsets_topic_struct, &topics[i]);
        name_of(crowd->asked[i], names[i]);
        topics[i].name = wire_string(names[i]);
        topics[i].partitions.items = &partition;
        topics[i].partitions.count = 1;
    }
    request.topics.items = topics;
    request.topics.count = (int32_t)crowd->asked_count;
    begin(crowd, API_LIST_OFFSETS, 7, &request, on_ends);
    mem_free(topics);
    mem_free(names);
}

/* ---- its life */

static void audit(struct model_crowd *crowd)
{
    if (!crowd->looked)
        look(crowd);
    else if (choose_unread(crowd) > 0)
        ask_ends(crowd);
    else
        crowd->auditing = false;
}

static bool may_delete(const struct model_crowd *crowd)
{
    return crowd->deleted_count < crowd->options.deleted_max;
}

static void delete_some(struct model_crowd *crowd)
{
    uint32_t left = crowd->options.deleted_max - crowd->deleted_count;
    uint32_t max = 1 + (uint32_t)prng_below(&crowd->client.prng, crowd->options.batch_max);

    if (choose(crowd, CROWD_THERE, true, max < left ? max : left) == 0)
        return;
    crowd->deleted_count += crowd->asked_count;
    delete_asked(crowd);
}

static void act(struct model_crowd *crowd)
{
    uint32_t batch_max = crowd->options.batch_max;

    if (crowd->auditing)
        audit(crowd);
    else if (choose(crowd, CROWD_COMING, false, batch_max) > 0)
        create_asked(crowd);
    else if (choose(crowd, CROWD_GOING, true, batch_max) > 0)
        delete_asked(crowd);
    else if (crowd->created_count < crowd->options.topics_count &&
             (crowd->finishing || prng_chance(&crowd->client.prng, 1, 2)))
        create_next(crowd);
    else if (may_delete(crowd) && prng_chance(&crowd->client.prng, 1, 4))
        delete_some(crowd);
    else if (prng_chance(&crowd->client.prng, 1, 8))
        look(crowd);
    else if (!crowd->finishing && choose(crowd, CROWD_THERE, true, CROWD_RECORDS_MAX) > 0)
        produce(crowd);
}

static void on_tick(struct timer *timer)
{
    struct model_crowd *crowd = container_of(timer, struct model_crowd, tick);

    if (!crowd->busy && model_client_is_up(&crowd->client))
        act(crowd);
    loop_set_timer_ms(&crowd->client.loop, &crowd->tick,
                      model_client_draw_ms(&crowd->client, crowd->options.pause_max_ms));
}

void model_crowd_init(struct model_crowd *crowd, struct sim_node *node, struct history *history,
                      const struct model_client_options *client,
                      const struct model_crowd_options *options, struct oracle *oracle)
{
    check(options->topics_count <= CROWD_TOPICS_MAX && options->batch_max <= CROWD_BATCH_MAX);
    *crowd = (struct model_crowd){.options = *options, .oracle = oracle};
    model_client_init(&crowd->client, node, history, client);
    crowd->compression = compression_context_create();
    timer_init(&crowd->tick, on_tick);
    loop_set_timer_ms(&crowd->client.loop, &crowd->tick, 1);
}

void model_crowd_deinit(struct model_crowd *crowd)
{
    loop_cancel_timer(&crowd->client.loop, &crowd->tick);
    model_client_deinit(&crowd->client);
    compression_context_destroy(crowd->compression);
}

bool model_crowd_is_large(const struct model_crowd *crowd)
{
    return crowd->created_count >= crowd->options.topics_count / 2 && !crowd->busy;
}

bool model_crowd_is_done(const struct model_crowd *crowd)
{
    if (crowd->busy || crowd->created_count < crowd->options.topics_count)
        return false;
    for (uint32_t i = 0; i < crowd->created_count; i++)
        if (crowd->topics[i].state == CROWD_COMING || crowd->topics[i].state == CROWD_GOING)
            return false;
    return true;
}

void model_crowd_audit(struct model_crowd *crowd)
{
    crowd->auditing = true;
    crowd->looked = false;
    for (uint32_t i = 0; i < crowd->created_count; i++)
        crowd->topics[i].read = false;
}

bool model_crowd_audit_is_done(const struct model_crowd *crowd)
{
    return !crowd->auditing;
}
