#include "tools/load/verify_source.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/client/client_offsets.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_describe_configs.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TOPIC_RESOURCE = 2, CLEANUP_POLICY_MAX = 64, AT_END = -1 };

static enum err fail(struct verify_source *source, enum err err, const char *format, ...)
    printf_like(3, 4);

static enum err fail(struct verify_source *source, enum err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(source->problem, sizeof(source->problem), format, args);
    va_end(args);
    return err;
}

/* ---- the topic */

struct topic_wait {
    struct client_wait wait;
    enum err err;
    bool is_done;
};

static void on_topic(struct client_wait *wait, enum err err)
{
    struct topic_wait *topic = container_of(wait, struct topic_wait, wait);

    topic->err = err;
    topic->is_done = true;
}

static enum err wait_topic(struct verify_source *source)
{
    struct topic_wait topic = {.wait = {.done = on_topic}};
    const char *why;

    client_cluster_wait_topic(source->cluster, &topic.wait, source->topic,
                              (uint32_t)source->timeout_ms);
    load_room_run_until(source->room, &topic.is_done, UINT64_MAX);
    if (topic.err == OK)
        return OK;
    source->error_code = topic.wait.kafka_error;
    why = client_cluster_problem(source->cluster);
    if (topic.err == ERR_NOT_FOUND)
        return fail(source, topic.err, "there is no topic %s", source->name);
    return fail(source, topic.err, "topic %s: %s%s%s", source->name,
                source->error_code != KAFKA_NONE ? kafka_error_name(source->error_code)
                                                 : err_text(topic.err),
                why[0] == '\0' ? "" : "; ", why);
}

/* ---- its ends */

struct offsets_wait {
    struct client_offsets_op op;
    enum err err;
    bool is_done;
};

static void on_offsets(struct client_offsets_op *op, enum err err)
{
    struct offsets_wait *offsets = container_of(op, struct offsets_wait, op);

    offsets->err = err;
    offsets->is_done = true;
}

/* offsets: where to put what is told of partition 0; the next ones lie a struct verify_ends behind.
 */
static enum err list_offsets(struct verify_source *source, struct client_offset_question *questions,
                             int64_t timestamp_ms, bool is_committed, int64_t *offsets)
{
    struct offsets_wait wait = {.op = {.done = on_offsets,
                                       .cluster = source->cluster,
                                       .timeout_ms = (uint32_t)source->timeout_ms}};

    for (int32_t p = 0; p < source->partitions_count; p++)
        questions[p] = (struct client_offset_question){
            .topic = source->topic, .partition = p, .timestamp_ms = timestamp_ms};
    client_offsets_list(&wait.op, questions, (uint32_t)source->partitions_count, is_committed);
    load_room_run_until(source->room, &wait.is_done, UINT64_MAX);
    if (wait.err != OK)
        return fail(source, wait.err, "ListOffsets of %s: %s", source->name, err_text(wait.err));
    for (int32_t p = 0; p < source->partitions_count; p++) {
        if (questions[p].error_code != KAFKA_NONE) {
            source->error_code = questions[p].error_code;
            return fail(source, ERR_INVALID, "ListOffsets of %s, partition %" PRId32 ": %s",
                        source->name, p, kafka_error_name(source->error_code));
        }
        offsets[(size_t)p * sizeof(struct verify_ends) / sizeof(int64_t)] = questions[p].offset;
    }
    return OK;
}

static enum err look_at_ends(struct verify_source *source)
{
    size_t count = (size_t)source->partitions_count;
    struct client_offset_question *questions = mem_try_alloc(count * sizeof(*questions));
    enum err err;

    source->ends = mem_try_alloc(count * sizeof(*source->ends));
    source->until = mem_try_alloc(count * sizeof(*source->until));
    source->stops = mem_try_alloc(count * sizeof(*source->stops));
    if (questions == NULL || source->ends == NULL || source->until == NULL ||
        source->stops == NULL) {
        mem_free(questions);
        return fail(source, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    err =
        list_offsets(source, questions, CLIENT_OFFSET_EARLIEST, false, &source->ends[0].log_start);
    if (err == OK)
        err = list_offsets(source, questions, CLIENT_OFFSET_LATEST, true,
                           &source->ends[0].stable_offset);
    if (err == OK)
        err = list_offsets(source, questions, CLIENT_OFFSET_LATEST, false,
                           &source->ends[0].high_watermark);
    if (err == OK)
        err = list_offsets(source, questions, CLIENT_OFFSET_LATEST, true,
                           &source->ends[0].stable_after);
    mem_free(questions);
    return err;
}

/* ---- is it compacted? */

struct policy_call {
    struct client_call call;
    bool is_done;
    bool is_known;
    bool is_compacted;
};

static void on_policy(struct client_call *call, enum err err, const void *answer)
{
    struct policy_call *policy = container_of(call, struct policy_call, call);
    const struct describe_configs_response *response = answer;

    policy->is_done = true;
    if (err != OK || response->results.count != 1 ||
        response->results.items[0].error_code != KAFKA_NONE)
        return;
    for (int32_t i = 0; i < response->results.items[0].configs.count; i++) {
        struct wire_string value = response->results.items[0].configs.items[i].value;
        char text[CLEANUP_POLICY_MAX];

        if (!wire_string_is(response->results.items[0].configs.items[i].name, "cleanup.policy"))
            continue;
        snprintf(text, sizeof(text), "%.*s", (int)value.size_bytes, value.text);
        policy->is_known = true;
        policy->is_compacted = strstr(text, "compact") != NULL;
    }
}

/* What cannot be asked is taken to be compacted: then less is demanded. */
static void look_at_policy(struct verify_source *source)
{
    struct describe_configs_request request;
    struct describe_configs_request_describe_configs_resource resource;
    struct wire_string key = wire_string("cleanup.policy");
    struct policy_call policy = {.call = {.key = API_DESCRIBE_CONFIGS,
                                          .max_version = INT16_MAX,
                                          .timeout_ms = (uint32_t)source->timeout_ms,
                                          .request = &request,
                                          .done = on_policy}};

    codec_set_defaults(&describe_configs_request_desc, &request);
    codec_set_struct_defaults(&describe_configs_request_describe_configs_resource_struct,
                              &resource);
    resource.resource_type = TOPIC_RESOURCE;
    resource.resource_name = wire_string(source->name);
    resource.configuration_keys.items = &key;
    resource.configuration_keys.count = 1;
    request.resources.items = &resource;
    request.resources.count = 1;
    if (client_broker_call(client_cluster_any(source->cluster), &policy.call) == OK)
        load_room_run_until(source->room, &policy.is_done, UINT64_MAX);
    source->is_policy_known = policy.is_known;
    source->is_compacted = !policy.is_known || policy.is_compacted;
}

/* ---- life */

enum err verify_source_open(struct verify_source *source, struct load_room *room,
                            const char *brokers, const char *topic, uint64_t timeout_ms)
{
    struct client_options options = client_options_default();
    enum err err;

    *source = (struct verify_source){
        .room = room, .brokers = brokers, .name = topic, .timeout_ms = timeout_ms};
    if (loop_turn(&room->loop, 0) != OK) /* deadlines count from the last turn */
        return fail(source, ERR_IO, "%s", err_text(ERR_IO));
    options.bootstrap_servers = brokers;
    options.allow_auto_create = false;
    if (timeout_ms < options.request_timeout_ms)
        options.request_timeout_ms = (uint32_t)timeout_ms;
    err = client_cluster_create(&room->env, &options, &source->cluster, source->problem,
                                sizeof(source->problem));
    if (err != OK)
        return err;
    source->topic = client_cluster_topic(source->cluster, topic);
    if (source->topic == NULL)
        return fail(source, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    err = wait_topic(source);
    if (err != OK)
        return err;
    source->partitions_count = source->topic->partitions_count;
    look_at_policy(source);
    return look_at_ends(source);
}

void verify_source_close(struct verify_source *source)
{
    bool is_closed = false;

    verify_source_end(source);
    if (source->cluster != NULL) {
        client_cluster_destroy(source->cluster, load_room_note_closed, &is_closed);
        load_room_run_until(source->room, &is_closed, UINT64_MAX);
    }
    mem_free(source->ends);
    mem_free(source->until);
    mem_free(source->stops);
    *source = (struct verify_source){0};
}

/* ---- reading */

static void on_ready(void *context)
{
    ((struct verify_source *)context)->is_ready = true;
}

static void on_trouble(void *context, struct client_topic *topic, int32_t partition,
                       enum client_fetcher_trouble trouble, int64_t offset, int16_t error_code)
{
    struct verify_source *source = context;

    (void)topic;
    source->is_ready = true;
    if (source->until[partition] == AT_END)
        return; /* a fetch that was under way when the end was reached */
    source->stops_count += !source->stops[partition].is_set;
    source->stops[partition] = (struct verify_stop){
        .is_set = true, .error_code = error_code, .trouble = trouble, .offset = offset};
}

enum err verify_source_begin(struct verify_source *source, int32_t partition, bool is_committed)
{
    static const struct client_fetcher_events events = {.ready = on_ready, .trouble = on_trouble};
    struct client_fetcher_options options = client_fetcher_options_default();
    enum err err;

    verify_source_end(source);
    options.is_committed = is_committed;
    options.wants_control = true;
    options.wants_aborted = true;
    options.checks_crcs = false;
    err = client_fetcher_create(source->cluster, &options, &events, source, &source->fetcher);
    for (int32_t p = 0; err == OK && p < source->partitions_count; p++) {
        const struct verify_ends *ends = &source->ends[p];
        source->until[p] = is_committed ? ends->stable_offset : ends->high_watermark;
        if ((partition >= 0 && p != partition) || ends->log_start >= source->until[p])
            continue;
        err = client_fetcher_assign(source->fetcher, source->topic, p, ends->log_start, -1);
        source->reading_count++;
    }
    return err == OK ? OK : fail(source, err, "%s", err_text(err));
}

void verify_source_end(struct verify_source *source)
{
    bool is_closed = false;

    if (source->fetcher == NULL)
        return;
    client_fetcher_destroy(source->fetcher, load_room_note_closed, &is_closed);
    load_room_run_until(source->room, &is_closed, UINT64_MAX);
    source->fetcher = NULL;
    source->reading_count = 0;
    source->is_ready = false;
    source->stops_count = 0;
    for (int32_t p = 0; p < source->partitions_count; p++)
        source->stops[p].is_set = false;
}

static void end_partition(struct verify_source *source, int32_t partition)
{
    source->until[partition] = AT_END;
    source->reading_count--;
}

/* One of them: the lowest partition's. */
static enum err tell_trouble(struct verify_source *source)
{
    enum client_fetcher_trouble trouble;
    int64_t offset;
    int32_t p = 0;

    while (!source->stops[p].is_set)
        p++;
    source->stops[p].is_set = false;
    source->stops_count--;
    trouble = source->stops[p].trouble;
    offset = source->stops[p].offset;
    source->error_code = source->stops[p].error_code;
    source->stopped_partition = p;
    source->stopped_offset = offset;
    client_fetcher_unassign(source->fetcher, source->topic, p);
    switch (trouble) {
    case CLIENT_FETCHER_CORRUPT:
        end_partition(source, p);
        return fail(source, ERR_CORRUPT, "%s, partition %" PRId32 ", offset %" PRId64 ": %s",
                    source->name, p, offset,
                    source->error_code != KAFKA_NONE ? kafka_error_name(source->error_code)
                                                     : "no batch");
    case CLIENT_FETCHER_OUT_OF_RANGE:
        return fail(source, ERR_OFFSET_RANGE,
                    "%s, partition %" PRId32 ": offset %" PRId64
                    " went while it was read: its records were deleted (retention), or lost",
                    source->name, p, offset);
    case CLIENT_FETCHER_TRUNCATED:
        return fail(source, ERR_OFFSET_RANGE,
                    "%s, partition %" PRId32 ": the log was cut at offset %" PRId64
                    " while it was read",
                    source->name, p, offset);
    case CLIENT_FETCHER_REFUSED:
        break;
    }
    return fail(source, ERR_INVALID, "Fetch of %s, partition %" PRId32 ": %s", source->name, p,
                kafka_error_name(source->error_code));
}

/* Whether batch lies below the end of its partition, which is over with the last one.  The first
 * one behind the end may be the one that tells it: compaction takes what was before. */
static bool take_place(struct verify_source *source, const struct client_fetched *batch)
{
    int64_t until = source->until[batch->partition];

    if (until == AT_END)
        return false; /* it came with others */
    if (batch_last_offset(&batch->header) + 1 >= until) {
        client_fetcher_pause(source->fetcher, source->topic, batch->partition, true);
        end_partition(source, batch->partition);
    }
    return batch->header.base_offset < until;
}

enum err verify_source_next(struct verify_source *source, struct client_fetched *out)
{
    const char *why;
    enum err err;

    while (source->reading_count > 0) {
        if (source->stops_count > 0)
            return tell_trouble(source);
        err = client_fetcher_next_batch(source->fetcher, out);
        if (err == OK && !take_place(source, out))
            continue;
        if (err == OK)
            return OK;
        if (err != ERR_AGAIN)
            return fail(source, err, "Fetch of %s: %s", source->name, err_text(err));
        source->is_ready = false;
        if (load_room_run_until(source->room, &source->is_ready, source->timeout_ms))
            continue;
        why = client_cluster_problem(source->cluster);
        return fail(source, ERR_TIMEOUT, "%s: nothing came for %" PRIu64 " ms%s%s", source->name,
                    source->timeout_ms, why[0] == '\0' ? "" : "; ", why);
    }
    return ERR_NOT_FOUND;
}

enum err verify_source_next_record(struct verify_source *source, struct client_fetched *batch,
                                   struct client_fetched_record *out)
{
    enum err err;

    for (;;) {
        err = batch->bytes != NULL && batch->is_visible
                  ? client_fetcher_next_record(source->fetcher, out)
                  : ERR_NOT_FOUND;
        if (err == OK)
            return OK;
        if (err != ERR_NOT_FOUND)
            return fail(source, err == ERR_NOMEM ? err : ERR_RECORD,
                        "%s, partition %" PRId32 ": the batch at %" PRId64 " can't be read: %s",
                        source->name, batch->partition, batch->header.base_offset, err_text(err));
        batch->bytes = NULL;
        err = verify_source_next(source, batch);
        if (err != OK)
            return err;
    }
}
