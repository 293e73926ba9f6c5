/* Questions to the leaders: each round groups what is open by leader, sends a ListOffsets to each,
 * and takes the answers as they come; client_offsets_group.c has those to a coordinator. */
#include "base/mem.h"
#include "net/client/client_offsets_private.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"
#include "net/protocol/msg_list_offsets.h"

#include <stdlib.h>
#include <string.h>

enum { REQUEST_BYTES_MAX = 64 << 20 };

/* ---- any operation */

static void on_task(struct task *task)
{
    struct client_offsets_op *op = container_of(task, struct client_offsets_op, task);

    if (op->is_busy)
        return;
    if (!op->is_ended) {
        op->kind->round(op);
        return;
    }
    if (op->detail != NULL)
        op->kind->free(op);
    mem_free(op->detail);
    op->detail = NULL;
    op->done(op, op->err);
}

static void on_timer(struct timer *timer)
{
    client_offsets_go_on(container_of(timer, struct client_offsets_op, timer));
}

void client_offsets_go_on(struct client_offsets_op *op)
{
    loop_defer(client_offsets_loop(op), &op->task);
}

void *client_offsets_begin(struct client_offsets_op *op, const struct client_offsets_kind *kind,
                           size_t detail_bytes)
{
    op->kind = kind;
    op->detail = mem_try_alloc(detail_bytes);
    op->task = (struct task){.run = on_task};
    timer_init(&op->timer, on_timer);
    op->deadline_ns = clock_deadline_ns(loop_now_ns(client_offsets_loop(op)), op->timeout_ms);
    op->attempt = 0;
    op->err = OK;
    op->is_busy = false;
    op->is_ended = false;
    if (op->detail == NULL)
        client_offsets_end(op, ERR_NOMEM);
    else
        client_offsets_go_on(op);
    return op->detail;
}

void client_offsets_end(struct client_offsets_op *op, enum err err)
{
    if (!op->is_ended)
        op->err = err;
    op->is_ended = true;
    loop_cancel_timer(client_offsets_loop(op), &op->timer);
    client_offsets_go_on(op);
}

void client_offsets_retry(struct client_offsets_op *op)
{
    struct loop *loop = client_offsets_loop(op);
    uint32_t pause_ms = client_cluster_backoff_ms(op->cluster, op->attempt++);

    if (op->is_ended)
        client_offsets_go_on(op);
    else if (clock_deadline_ns(loop_now_ns(loop), pause_ms) >= op->deadline_ns)
        client_offsets_end(op, op->kind->late(op));
    else
        loop_set_timer_ms(loop, &op->timer, pause_ms);
}

uint32_t client_offsets_left_ms(const struct client_offsets_op *op)
{
    uint64_t now_ns = loop_now_ns(client_offsets_loop(op));
    uint64_t left_ms = op->deadline_ns > now_ns ? (op->deadline_ns - now_ns) / 1000000 : 0;

    return left_ms == 0 ? 1 : left_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)left_ms;
}

void client_offsets_cancel(struct client_offsets_op *op)
{
    if (op->is_ended)
        return;
    client_offsets_end(op, ERR_CANCELED);
    if (op->is_busy)
        op->kind->cancel(op);
}

/* ---- questions */

struct question {
    int32_t node_id;
    uint32_t layer; /* how many of the same partition stand before it: a request has it once */
    uint32_t topic_index;
    int32_t partition;
    uint32_t index; /* in questions */
};

struct list_call {
    struct list node; /* detail.calls */
    struct client_call call;
    struct client_offsets_op *op;
    struct list_offsets_request request;
    struct arena arena;
    uint32_t count;
    uint32_t indexes[]; /* of questions, in the order of the request */
};

struct detail {
    struct client_offsets_op *op;
    struct client_offset_question *questions;
    bool *is_open;
    struct question *sorted;
    struct list calls; /* under way */
    struct client_listener listener;
    uint32_t count;
    bool is_committed;
    bool knows_no_leader; /* of one that is open: news are waited for */
};

static int by_partition(const void *a, const void *b)
{
    const struct question *one = a;
    const struct question *other = b;

    if (one->node_id != other->node_id)
        return one->node_id < other->node_id ? -1 : 1;
    if (one->layer != other->layer)
        return one->layer < other->layer ? -1 : 1;
    if (one->topic_index != other->topic_index)
        return one->topic_index < other->topic_index ? -1 : 1;
    if (one->partition != other->partition)
        return one->partition < other->partition ? -1 : 1;
    return one->index < other->index ? -1 : one->index > other->index;
}

/* Those that are open and whose leader is known. */
static uint32_t sort_open(struct detail *detail)
{
    uint32_t count = 0;

    detail->knows_no_leader = false;
    for (uint32_t i = 0; i < detail->count; i++) {
        const struct client_offset_question *one = &detail->questions[i];
        int32_t leader_id = one->partition >= 0 && one->partition < one->topic->partitions_count
                                ? one->topic->partitions[one->partition].leader_id
                                : -1;
        if (!detail->is_open[i])
            continue;
        if (leader_id >= 0) {
            detail->sorted[count++] = (struct question){.node_id = leader_id,
                                                        .topic_index = one->topic->index,
                                                        .partition = one->partition,
                                                        .index = i};
            continue;
        }
        detail->knows_no_leader = true;
        if (one->topic->is_known && one->topic->error_code != KAFKA_NONE)
            detail->questions[i].error_code = one->topic->error_code;
        client_cluster_call_stale(detail->op->cluster, one->topic);
    }
    qsort(detail->sorted, count, sizeof(*detail->sorted), by_partition);
    for (uint32_t i = 1; i < count; i++) {
        const struct question *last = &detail->sorted[i - 1];
        if (detail->sorted[i].topic_index == last->topic_index &&
            detail->sorted[i].partition == last->partition)
            detail->sorted[i].layer = last->layer + 1;
    }
    qsort(detail->sorted, count, sizeof(*detail->sorted), by_partition);
    return count;
}

/* ---- answers */

static void end_round(struct detail *detail)
{
    struct client_offsets_op *op = detail->op;

    op->is_busy = false;
    for (uint32_t i = 0; i < detail->count; i++)
        if (detail->is_open[i]) {
            client_offsets_retry(op);
            return;
        }
    client_offsets_end(op, OK);
}

static void take_one(struct detail *detail, uint32_t index,
                     const struct list_offsets_response_list_offsets_partition_response *answer)
{
    struct client_offset_question *question = &detail->questions[index];

    question->error_code = answer->error_code;
    if (kafka_error_is_retriable(answer->error_code)) {
        client_cluster_call_stale(detail->op->cluster, question->topic);
        return;
    }
    detail->is_open[index] = false;
    if (answer->error_code != KAFKA_NONE)
        return;
    question->offset = answer->offset;
    question->found_timestamp_ms = answer->timestamp;
    question->leader_epoch = answer->leader_epoch;
}

/* The question that this answers: brokers answer in the order of the request; -1: none. */
static int64_t find_question(const struct list_call *call, const struct detail *detail,
                             uint32_t *hint, struct wire_string name, int32_t partition)
{
    for (uint32_t tried = 0; tried < call->count; tried++) {
        uint32_t at = (*hint + tried) % call->count;
        const struct client_offset_question *one = &detail->questions[call->indexes[at]];
        if (one->partition != partition || !wire_string_is(name, one->topic->name))
            continue;
        *hint = at + 1;
        return call->indexes[at];
    }
    return -1;
}

static void take_answer(struct list_call *call, const struct list_offsets_response *response)
{
    struct detail *detail = call->op->detail;
    uint32_t hint = 0;

    for (int32_t t = 0; t < response->topics.count; t++)
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            const struct list_offsets_response_list_offsets_partition_response *one =
                &response->topics.items[t].partitions.items[p];
            int64_t index = find_question(call, detail, &hint, response->topics.items[t].name,
                                          one->partition_index);
            if (index >= 0)
                take_one(detail, (uint32_t)index, one);
        }
}

static void free_call(struct list_call *call)
{
    list_remove(&call->node);
    arena_deinit(&call->arena);
    mem_free(call);
}

static void on_listed(struct client_call *of, enum err err, const void *response)
{
    struct list_call *call = container_of(of, struct list_call, call);
    struct detail *detail = call->op->detail;

    if (err == OK) {
        take_answer(call, response);
    } else if (err == ERR_UNSUPPORTED) {
        for (uint32_t i = 0; i < call->count; i++) {
            detail->is_open[call->indexes[i]] = false;
            detail->questions[call->indexes[i]].error_code = KAFKA_UNSUPPORTED_VERSION;
        }
    } else {
        for (uint32_t i = 0; i < call->count; i++)
            client_cluster_call_stale(call->op->cluster, detail->questions[call->indexes[i]].topic);
    }
    free_call(call);
    if (list_is_empty(&detail->calls))
        end_round(detail);
}

/* ---- asking */

static enum err fill(struct list_call *call, const struct detail *detail)
{
    struct list_offsets_request *request = &call->request;
    struct list_offsets_request_list_offsets_topic *topic = NULL;
    struct list_offsets_request_list_offsets_partition *part;
    const struct client_topic *last = NULL;

    codec_set_defaults(&list_offsets_request_desc, request);
    request->replica_id = KAFKA_REPLICA_ID_CONSUMER;
    request->isolation_level = detail->is_committed ? KAFKA_ISOLATION_LEVEL_READ_COMMITTED
                                                    : KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED;
    request->timeout_ms =
        (int32_t)(call->call.timeout_ms < INT32_MAX ? call->call.timeout_ms : INT32_MAX);
    request->topics.items =
        codec_new_array(&list_offsets_request_list_offsets_topic_struct, &call->arena, call->count);
    part = codec_new_array(&list_offsets_request_list_offsets_partition_struct, &call->arena,
                           call->count);
    if (request->topics.items == NULL || part == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < call->count; i++, part++) {
        const struct client_offset_question *one = &detail->questions[call->indexes[i]];
        if (one->topic != last) {
            topic = &request->topics.items[request->topics.count++];
            topic->name = wire_string(one->topic->name);
            topic->partitions.items = part;
            last = one->topic;
        }
        part->partition_index = one->partition;
        part->timestamp = one->timestamp_ms;
        part->current_leader_epoch = one->topic->partitions[one->partition].leader_epoch;
        topic->partitions.count++;
    }
    return OK;
}

/* sorted[0..count): of one leader, each partition once. */
static enum err ask(struct client_offsets_op *op, const struct question *sorted, uint32_t count)
{
    struct detail *detail = op->detail;
    struct client_broker *broker =
        client_cluster_node(op->cluster, sorted->node_id, CLIENT_LANE_DATA);
    struct list_call *call;
    enum err err;

    if (broker == NULL) {
        client_cluster_call_stale(op->cluster, detail->questions[sorted->index].topic);
        return OK;
    }
    call = mem_try_alloc(sizeof(*call) + count * sizeof(call->indexes[0]));
    if (call == NULL)
        return ERR_NOMEM;
    call->op = op;
    call->count = count;
    for (uint32_t i = 0; i < count; i++)
        call->indexes[i] = sorted[i].index;
    arena_init(&call->arena, REQUEST_BYTES_MAX);
    call->call.key = API_LIST_OFFSETS;
    call->call.max_version = INT16_MAX;
    call->call.timeout_ms = client_cluster_options(op->cluster)->request_timeout_ms;
    if (call->call.timeout_ms > client_offsets_left_ms(op))
        call->call.timeout_ms = client_offsets_left_ms(op);
    call->call.request = &call->request;
    call->call.done = on_listed;
    call->call.fails_with_connection = true;
    list_push_back(&detail->calls, &call->node);
    err = fill(call, detail);
    if (err == OK)
        err = client_broker_call(broker, &call->call);
    if (err != OK)
        free_call(call);
    return err == ERR_FULL ? OK : err;
}

static void list_round(struct client_offsets_op *op)
{
    struct detail *detail = op->detail;
    uint32_t count = sort_open(detail);
    enum err err = OK;

    op->is_busy = true;
    for (uint32_t i = 0, first = 0; i < count && err == OK; i++) {
        const struct question *sorted = detail->sorted;
        if (i + 1 < count && sorted[i].node_id == sorted[i + 1].node_id &&
            sorted[i].layer == sorted[i + 1].layer)
            continue;
        err = ask(op, &sorted[first], i + 1 - first);
        first = i + 1;
    }
    if (err != OK)
        client_offsets_end(op, err);
    if (list_is_empty(&detail->calls))
        end_round(detail);
}

static void list_cancel(struct client_offsets_op *op)
{
    struct detail *detail = op->detail;

    list_for_each(node, &detail->calls)
        client_broker_cancel(&container_of(node, struct list_call, node)->call);
}

static enum err list_late(struct client_offsets_op *op)
{
    struct detail *detail = op->detail;
    enum err err = OK;

    for (uint32_t i = 0; i < detail->count; i++)
        if (detail->is_open[i] && detail->questions[i].error_code == KAFKA_NONE) {
            detail->questions[i].error_code = KAFKA_REQUEST_TIMED_OUT;
            err = ERR_TIMEOUT;
        }
    return err;
}

static void list_free(struct client_offsets_op *op)
{
    struct detail *detail = op->detail;

    client_cluster_unlisten(&detail->listener);
    mem_free(detail->is_open);
    mem_free(detail->sorted);
}

static void on_news(struct client_listener *listener)
{
    struct detail *detail = container_of(listener, struct detail, listener);

    if (!detail->knows_no_leader || !timer_is_set(&detail->op->timer))
        return;
    loop_cancel_timer(client_offsets_loop(detail->op), &detail->op->timer);
    client_offsets_go_on(detail->op);
}

static const struct client_offsets_kind list_kind = {
    .round = list_round, .cancel = list_cancel, .late = list_late, .free = list_free};

void client_offsets_list(struct client_offsets_op *op, struct client_offset_question *questions,
                         uint32_t count, bool is_committed)
{
    struct detail *detail = client_offsets_begin(op, &list_kind, sizeof(*detail));

    if (detail == NULL)
        return;
    detail->op = op;
    detail->questions = questions;
    detail->count = count;
    detail->is_committed = is_committed;
    list_init(&detail->calls);
    detail->listener.changed = on_news;
    client_cluster_listen(op->cluster, &detail->listener);
    detail->is_open = mem_try_alloc(count * sizeof(*detail->is_open));
    detail->sorted = mem_try_alloc(count * sizeof(*detail->sorted));
    if (detail->is_open == NULL || detail->sorted == NULL) {
        client_offsets_end(op, ERR_NOMEM);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        detail->is_open[i] = true;
        questions[i].error_code = KAFKA_NONE;
        questions[i].offset = -1;
        questions[i].found_timestamp_ms = -1;
        questions[i].leader_epoch = -1;
    }
}
