/* What a group's coordinator knows of offsets: OffsetFetch and OffsetCommit.  Each round finds the
 * coordinator, if it is not known, and asks it once. */
#include "base/mem.h"
#include "net/client/client_offsets_private.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"
#include "net/protocol/msg_offset_commit.h"
#include "net/protocol/msg_offset_fetch.h"

enum {
    REQUEST_BYTES_MAX = 64 << 20,
    VERSION_BY_NAME = 9, /* both name topics up to here, by id above */
};

struct detail {
    struct client_offsets_op *op;
    struct client_wait wait;
    struct client_call call;
    struct arena arena;
    const char *group_id;
    uint32_t count;
    int16_t error_code; /* the last one of the whole, that may pass */
    bool may_pass;      /* of a partition: another round */
    union {
        struct {
            struct client_offset_committed *partitions;
            struct offset_fetch_request request;
            struct offset_fetch_request_group group;
            bool require_stable;
        } fetch;
        struct {
            const struct client_group_identity *identity;
            const struct client_group_offset *offsets;
            int16_t *error_codes;
            int16_t first_error; /* when there are no error_codes */
            struct offset_commit_request request;
        } commit;
    };
};

static const struct client_offsets_kind fetch_kind;

static bool is_fetch(const struct detail *detail)
{
    return detail->op->kind == &fetch_kind;
}

static void set_error(struct detail *detail, uint32_t index, int16_t error_code)
{
    if (is_fetch(detail))
        detail->fetch.partitions[index].error_code = error_code;
    else if (detail->commit.error_codes != NULL)
        detail->commit.error_codes[index] = error_code;
    else if (detail->commit.first_error == KAFKA_NONE)
        detail->commit.first_error = error_code;
}

static void set_all(struct detail *detail, int16_t error_code)
{
    if (!is_fetch(detail))
        detail->commit.first_error = KAFKA_NONE;
    for (uint32_t i = 0; i < detail->count; i++)
        set_error(detail, i, error_code);
}

/* ---- ends of a round */

static bool is_of_coordinator(int16_t error_code)
{
    return error_code == KAFKA_NOT_COORDINATOR || error_code == KAFKA_COORDINATOR_NOT_AVAILABLE;
}

static void forget(struct detail *detail)
{
    client_cluster_forget_coordinator(detail->op->cluster, CLIENT_COORDINATOR_GROUP,
                                      detail->group_id);
}

static enum err end_of(const struct detail *detail)
{
    return !is_fetch(detail) && detail->commit.error_codes == NULL &&
                   detail->commit.first_error != KAFKA_NONE
               ? ERR_REFUSED
               : OK;
}

/* error_code: of the whole answer, or that of a partition that speaks of the coordinator. */
static void end_round(struct detail *detail, int16_t error_code)
{
    struct client_offsets_op *op = detail->op;

    op->is_busy = false;
    detail->error_code = error_code;
    if (is_of_coordinator(error_code))
        forget(detail);
    if (kafka_error_is_retriable(error_code) || (error_code == KAFKA_NONE && detail->may_pass)) {
        client_offsets_retry(op);
        return;
    }
    if (error_code != KAFKA_NONE)
        set_all(detail, error_code);
    client_offsets_end(op, end_of(detail));
}

static void fail_round(struct detail *detail, enum err err)
{
    detail->op->is_busy = false;
    if (err == ERR_UNSUPPORTED || err == ERR_CANCELED) {
        client_offsets_end(detail->op, err);
        return;
    }
    if (err != ERR_NOMEM)
        forget(detail);
    client_offsets_retry(detail->op);
}

static enum err group_late(struct client_offsets_op *op)
{
    struct detail *detail = op->detail;

    if (detail->may_pass && detail->error_code == KAFKA_NONE)
        return end_of(detail); /* partitions have what was said last */
    set_all(detail,
            detail->error_code == KAFKA_NONE ? KAFKA_REQUEST_TIMED_OUT : detail->error_code);
    return detail->error_code == KAFKA_NONE ? ERR_TIMEOUT : end_of(detail);
}

/* ---- OffsetFetch */

static uint32_t run_of(const struct detail *detail, uint32_t from)
{
    uint32_t end = from + 1;

    while (end < detail->count &&
           detail->fetch.partitions[end].topic == detail->fetch.partitions[from].topic)
        end++;
    return end - from;
}

static enum err fill_fetch(struct detail *detail)
{
    struct offset_fetch_request_topics *topic =
        codec_new_array(&offset_fetch_request_topics_struct, &detail->arena, detail->count);
    int32_t *indexes = arena_alloc_array(&detail->arena, detail->count, sizeof(*indexes));

    codec_set_defaults(&offset_fetch_request_desc, &detail->fetch.request);
    codec_set_struct_defaults(&offset_fetch_request_group_struct, &detail->fetch.group);
    if (topic == NULL || indexes == NULL)
        return ERR_NOMEM;
    detail->fetch.group.group_id = wire_string(detail->group_id);
    detail->fetch.group.topics.items = topic;
    for (uint32_t i = 0, run; i < detail->count; i += run, topic++) {
        run = run_of(detail, i);
        topic->name = wire_string(detail->fetch.partitions[i].topic->name);
        topic->partition_indexes.items = &indexes[i];
        topic->partition_indexes.count = (int32_t)run;
        detail->fetch.group.topics.count++;
        for (uint32_t k = i; k < i + run; k++)
            indexes[k] = detail->fetch.partitions[k].partition;
    }
    return OK;
}

/* Up to version 7 one group, in the fields of the request itself. */
static void prepare_fetch(struct client_call *call)
{
    struct detail *detail = container_of(call, struct detail, call);
    struct offset_fetch_request *request = &detail->fetch.request;
    int32_t count = detail->fetch.group.topics.count;

    request->require_stable = detail->fetch.require_stable && call->version >= 7;
    if (call->version >= 8) {
        request->groups.items = &detail->fetch.group;
        request->groups.count = 1;
        return;
    }
    request->group_id = detail->fetch.group.group_id;
    request->topics.items =
        codec_new_array(&offset_fetch_request_topic_struct, &detail->arena, (size_t)count);
    for (int32_t t = 0; request->topics.items != NULL && t < count; t++) {
        const struct offset_fetch_request_topics *from = &detail->fetch.group.topics.items[t];
        request->topics.items[t].name = from->name;
        request->topics.items[t].partition_indexes.items = from->partition_indexes.items;
        request->topics.items[t].partition_indexes.count = from->partition_indexes.count;
        request->topics.count = t + 1;
    }
}

static int64_t find_asked(const struct detail *detail, struct wire_string name, int32_t partition,
                          uint32_t *hint)
{
    for (uint32_t tried = 0; tried < detail->count; tried++) {
        uint32_t at = (*hint + tried) % detail->count;
        const struct client_topic *topic = is_fetch(detail) ? detail->fetch.partitions[at].topic
                                                            : detail->commit.offsets[at].topic;
        int32_t index = is_fetch(detail) ? detail->fetch.partitions[at].partition
                                         : detail->commit.offsets[at].partition;
        if (index != partition || !wire_string_is(name, topic->name))
            continue;
        *hint = at + 1;
        return at;
    }
    return -1;
}

static void take_fetched(struct detail *detail, uint32_t *hint, struct wire_string name,
                         int32_t partition, int64_t offset, int32_t leader_epoch,
                         int16_t error_code)
{
    int64_t at = find_asked(detail, name, partition, hint);

    if (at < 0)
        return;
    set_error(detail, (uint32_t)at, error_code);
    detail->may_pass = detail->may_pass || kafka_error_is_retriable(error_code);
    if (error_code == KAFKA_NONE) {
        detail->fetch.partitions[at].offset = offset;
        detail->fetch.partitions[at].leader_epoch = leader_epoch;
    }
}

static int16_t take_group(struct detail *detail, const struct offset_fetch_response_group *group)
{
    uint32_t hint = 0;

    for (int32_t t = 0; t < group->topics.count; t++)
        for (int32_t p = 0; p < group->topics.items[t].partitions.count; p++) {
            const struct offset_fetch_response_partitions *one =
                &group->topics.items[t].partitions.items[p];
            take_fetched(detail, &hint, group->topics.items[t].name, one->partition_index,
                         one->committed_offset, one->committed_leader_epoch, one->error_code);
        }
    return group->error_code;
}

static int16_t take_old(struct detail *detail, const struct offset_fetch_response *response)
{
    uint32_t hint = 0;

    for (int32_t t = 0; t < response->topics.count; t++)
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            const struct offset_fetch_response_partition *one =
                &response->topics.items[t].partitions.items[p];
            take_fetched(detail, &hint, response->topics.items[t].name, one->partition_index,
                         one->committed_offset, one->committed_leader_epoch, one->error_code);
        }
    return response->error_code;
}

static void on_fetched(struct client_call *call, enum err err, const void *answer)
{
    struct detail *detail = container_of(call, struct detail, call);
    const struct offset_fetch_response *response = answer;

    if (err != OK)
        fail_round(detail, err);
    else if (call->version < 8)
        end_round(detail, take_old(detail, response));
    else if (response->groups.count != 1)
        end_round(detail, KAFKA_UNKNOWN_SERVER_ERROR);
    else
        end_round(detail, take_group(detail, &response->groups.items[0]));
}

/* ---- OffsetCommit */

static enum err fill_commit(struct detail *detail)
{
    const struct client_group_identity *identity = detail->commit.identity;
    struct offset_commit_request *request = &detail->commit.request;
    struct offset_commit_request_topic *topic = NULL;
    struct offset_commit_request_partition *part =
        codec_new_array(&offset_commit_request_partition_struct, &detail->arena, detail->count);

    codec_set_defaults(&offset_commit_request_desc, request);
    request->topics.items =
        codec_new_array(&offset_commit_request_topic_struct, &detail->arena, detail->count);
    if (part == NULL || request->topics.items == NULL)
        return ERR_NOMEM;
    request->group_id = wire_string(identity->group_id);
    request->generation_id_or_member_epoch = identity->generation_id;
    request->member_id = wire_string(identity->member_id);
    request->group_instance_id = wire_string(identity->group_instance_id);
    for (uint32_t i = 0; i < detail->count; i++, part++) {
        const struct client_group_offset *one = &detail->commit.offsets[i];
        if (i == 0 || one->topic != detail->commit.offsets[i - 1].topic) {
            topic = &request->topics.items[request->topics.count++];
            topic->name = wire_string(one->topic->name);
            topic->partitions.items = part;
        }
        part->partition_index = one->partition;
        part->committed_offset = one->offset;
        part->committed_leader_epoch = one->leader_epoch;
        part->committed_metadata = wire_string(one->metadata == NULL ? "" : one->metadata);
        topic->partitions.count++;
    }
    return OK;
}

static void on_committed(struct client_call *call, enum err err, const void *answer)
{
    struct detail *detail = container_of(call, struct detail, call);
    const struct offset_commit_response *response = answer;
    int16_t of_coordinator = KAFKA_NONE;
    uint32_t hint = 0;

    if (err != OK) {
        fail_round(detail, err);
        return;
    }
    for (int32_t t = 0; t < response->topics.count; t++)
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            const struct offset_commit_response_partition *one =
                &response->topics.items[t].partitions.items[p];
            int64_t at =
                find_asked(detail, response->topics.items[t].name, one->partition_index, &hint);
            if (at < 0)
                continue;
            set_error(detail, (uint32_t)at, one->error_code);
            detail->may_pass = detail->may_pass || kafka_error_is_retriable(one->error_code);
            if (is_of_coordinator(one->error_code))
                of_coordinator = one->error_code;
        }
    end_round(detail, of_coordinator);
}

/* ---- rounds */

static void on_found(struct client_wait *wait, enum err err)
{
    struct detail *detail = container_of(wait, struct detail, wait);
    struct client_offsets_op *op = detail->op;

    op->is_busy = false;
    if (err == OK) {
        client_offsets_go_on(op);
        return;
    }
    set_all(detail, wait->kafka_error == KAFKA_NONE ? KAFKA_REQUEST_TIMED_OUT : wait->kafka_error);
    client_offsets_end(op, err);
}

static enum err ask(struct detail *detail, struct client_broker *broker)
{
    struct client_offsets_op *op = detail->op;
    enum err err;

    arena_reset(&detail->arena);
    err = is_fetch(detail) ? fill_fetch(detail) : fill_commit(detail);
    if (err != OK)
        return err;
    detail->call = (struct client_call){
        .key = is_fetch(detail) ? API_OFFSET_FETCH : API_OFFSET_COMMIT,
        .max_version = VERSION_BY_NAME,
        .fails_with_connection = true,
        .timeout_ms = client_cluster_options(op->cluster)->request_timeout_ms,
    };
    if (detail->call.timeout_ms > client_offsets_left_ms(op))
        detail->call.timeout_ms = client_offsets_left_ms(op);
    if (is_fetch(detail)) {
        detail->call.request = &detail->fetch.request;
        detail->call.prepare = prepare_fetch;
        detail->call.done = on_fetched;
    } else {
        detail->call.request = &detail->commit.request;
        detail->call.done = on_committed;
    }
    return client_broker_call(broker, &detail->call);
}

static void group_round(struct client_offsets_op *op)
{
    struct detail *detail = op->detail;
    struct client_broker *broker =
        client_cluster_coordinator(op->cluster, CLIENT_COORDINATOR_GROUP, detail->group_id);
    enum err err;

    detail->may_pass = false;
    if (!is_fetch(detail))
        detail->commit.first_error = KAFKA_NONE;
    op->is_busy = true;
    if (broker == NULL) {
        detail->wait = (struct client_wait){.done = on_found};
        client_cluster_find_coordinator(op->cluster, &detail->wait, CLIENT_COORDINATOR_GROUP,
                                        detail->group_id, client_offsets_left_ms(op));
        return;
    }
    detail->wait.done = NULL; /* it is the call that is under way */
    err = ask(detail, broker);
    if (err == OK)
        return;
    op->is_busy = false;
    if (err == ERR_FULL)
        client_offsets_retry(op);
    else
        client_offsets_end(op, err);
}

static void group_cancel(struct client_offsets_op *op)
{
    struct detail *detail = op->detail;

    if (detail->wait.done != NULL)
        client_cluster_cancel(&detail->wait);
    else
        client_broker_cancel(&detail->call);
}

static void group_free(struct client_offsets_op *op)
{
    arena_deinit(&((struct detail *)op->detail)->arena);
}

static const struct client_offsets_kind fetch_kind = {
    .round = group_round, .cancel = group_cancel, .late = group_late, .free = group_free};
static const struct client_offsets_kind commit_kind = {
    .round = group_round, .cancel = group_cancel, .late = group_late, .free = group_free};

static struct detail *begin(struct client_offsets_op *op, const struct client_offsets_kind *kind,
                            const char *group_id, uint32_t count)
{
    struct detail *detail = client_offsets_begin(op, kind, sizeof(*detail));

    if (detail == NULL)
        return NULL;
    detail->op = op;
    detail->group_id = group_id;
    detail->count = count;
    arena_init(&detail->arena, REQUEST_BYTES_MAX);
    if (count == 0)
        client_offsets_end(op, OK);
    return detail;
}

void client_offsets_fetch(struct client_offsets_op *op, const char *group_id,
                          struct client_offset_committed *partitions, uint32_t count,
                          bool require_stable)
{
    struct detail *detail = begin(op, &fetch_kind, group_id, count);

    if (detail == NULL)
        return;
    detail->fetch.partitions = partitions;
    detail->fetch.require_stable = require_stable;
    for (uint32_t i = 0; i < count; i++) {
        partitions[i].error_code = KAFKA_NONE;
        partitions[i].offset = -1;
        partitions[i].leader_epoch = -1;
    }
}

void client_offsets_commit(struct client_offsets_op *op,
                           const struct client_group_identity *identity,
                           const struct client_group_offset *offsets, uint32_t count,
                           int16_t *error_codes)
{
    struct detail *detail = begin(op, &commit_kind, identity->group_id, count);

    if (detail == NULL)
        return;
    detail->commit.identity = identity;
    detail->commit.offsets = offsets;
    detail->commit.error_codes = error_codes;
    for (uint32_t i = 0; error_codes != NULL && i < count; i++)
        error_codes[i] = KAFKA_NONE;
}
