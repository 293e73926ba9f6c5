/* Fetch (key 1): KIP-74 size limits, KIP-227 sessions, KIP-320 epochs, KIP-516 topic ids.
 *
 * The walk: plan_fetch asks the session what to serve and copies it into parts → a round reads the
 * parts one after the other, each on its partition's shard (start_part → read_part → part_is_read)
 * → finish_round: enough bytes, an error or the deadline: answer; else watch every part for its
 * high watermark (fetch_wait.c), which counts what comes → enough has come, the deadline
 * or a cancel stirs: all watches end, and the next round reads again.
 *
 * Memory: what a fetch holds is the reads' (MEMORY_COLD_READS of the partition's shard), or lent
 * within a bound (storage/log/log_loan.h).  A fetch takes at most a quarter of what is left, so
 * that many slow ones make smaller answers and not errors; a parked one holds nothing; one that
 * gets nothing waits in line, and only while it holds nothing, so that no two wait for each other.
 */
#include "base/check.h"
#include "base/sometimes.h"
#include "broker/config.h"
#include "broker/fetch_session.h"
#include "broker/handlers.h"
#include "broker/handlers/fetch_private.h"
#include "broker/kafka_error.h"
#include "broker/request.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_fetch.h"

enum {
    MEMORY_SHARE = 4,      /* a fetch may hold one part in so many of what is left */
    MEMORY_WAIT_MS = 5000, /* then it is answered with nothing, and may ask again */
    BUF_COST_BYTES = 128,  /* of a buf beside its bytes, at most */
    TURN_PARTS = 512,      /* read in one turn of the loop */
};

static void advance(struct fetch *fetch);
static void finish_round(struct fetch *fetch);

/* ---- reading one part, on its partition's shard */

static void read_part(struct shard_call *call);

static void end_memory_wait(struct fetch *fetch)
{
    struct shard *at = fetch->call.target;

    budget_cancel_wait(memory_budget(&at->memory, MEMORY_COLD_READS), &fetch->memory_waiter);
    loop_cancel_timer(&at->loop, &fetch->memory_timer);
}

static void on_memory(struct budget_waiter *waiter)
{
    struct fetch *fetch = container_of(waiter, struct fetch, memory_waiter);

    SOMETIMES("fetch: one waited for memory and got it", true);
    end_memory_wait(fetch);
    read_part(&fetch->call);
}

static void give_up_memory(struct fetch *fetch)
{
    end_memory_wait(fetch);
    fetch->must_answer = true;
    shard_call_finish(&fetch->call);
}

/* It has waited once, and not again for each part. */
static void on_memory_timer(struct timer *timer)
{
    struct fetch *fetch = container_of(timer, struct fetch, memory_timer);

    __atomic_store_n(&fetch->gave_up, true, __ATOMIC_RELAXED);
    give_up_memory(fetch);
}

/* What there is goes out.  A fetch that holds nothing waits in line (budget.h: B2). */
static void lack_memory(struct fetch *fetch)
{
    struct shard *at = fetch->call.target;

    fetch->need_bytes = fetch->read.need_bytes;
    if (fetch->total_bytes > 0 || __atomic_load_n(&fetch->gave_up, __ATOMIC_RELAXED)) {
        fetch->must_answer = true;
        shard_call_finish(&fetch->call);
        return;
    }
    fetch->memory_waiter.room = on_memory;
    fetch->memory_timer.fire = on_memory_timer;
    loop_set_timer_ms(&at->loop, &fetch->memory_timer, MEMORY_WAIT_MS);
    budget_wait(memory_budget(&at->memory, MEMORY_COLD_READS), &fetch->memory_waiter,
                fetch->need_bytes + BUF_COST_BYTES);
}

/* What a part was given, on its shard; partition NULL: it is gone meanwhile. */
static void count_read(struct fetch *fetch, struct partition *partition, enum err err)
{
    struct fetch_part *part = &fetch->parts[fetch->next];
    uint32_t size_bytes = fetch->read.size_bytes;

    if (partition == NULL) {
        topic_metrics_count(&fetch->call.target->topic_metrics, TOPIC_METRIC_FETCHES_FAILED,
                            err != OK);
    } else if (err != OK) {
        partition_count(partition, TOPIC_METRIC_FETCHES_FAILED, 1);
    } else if (size_bytes > part->billed_bytes) {
        partition_count(partition, TOPIC_METRIC_BYTES_OUT, size_bytes - part->billed_bytes);
        part->billed_bytes = size_bytes;
    }
}

static struct partition *partition_of(const struct fetch *fetch)
{
    const struct fetch_part *part = &fetch->parts[fetch->next];

    return topic_table_find(fetch->call.target->topics, &part->topic_id, part->partition);
}

static void read_is_done(struct log_read *read, enum err err)
{
    struct fetch *fetch = container_of(read, struct fetch, read);

    if (err == ERR_NOMEM) {
        lack_memory(fetch);
        return;
    }
    count_read(fetch, partition_of(fetch), err);
    if (err != OK)
        fetch->parts[fetch->next].error_code = kafka_error(err);
    shard_call_finish(&fetch->call);
}

/* KIP-595/320: the fetcher's last epoch ends earlier here than it thinks.  ERR_OFFSET_RANGE:
 * nothing is known of that epoch. */
static enum err check_divergence(struct fetch_part *part, const struct partition *partition,
                                 bool *diverges_out)
{
    int32_t epoch;
    int64_t end_offset;

    *diverges_out = false;
    if (part->last_fetched_epoch < 0)
        return OK;
    end_offset = partition_read_epoch_end(partition, part->last_fetched_epoch, &epoch);
    if (epoch == EPOCH_UNDEFINED)
        return ERR_OFFSET_RANGE;
    if (epoch == part->last_fetched_epoch && end_offset >= part->fetch_offset)
        return OK;
    part->diverging.epoch = epoch;
    part->diverging.end_offset = end_offset;
    *diverges_out = true;
    return OK;
}

/* Bytes that this part may still add. */
static uint32_t budget_of(struct fetch *fetch, const struct fetch_part *part, struct shard *at)
{
    uint64_t total = fetch->total_bytes;
    uint64_t left = fetch->max_bytes > total ? fetch->max_bytes - total : 0;
    uint64_t room =
        budget_room_bytes(memory_budget(&at->memory, MEMORY_COLD_READS)) + fetch->copied_bytes;
    uint64_t share = room / MEMORY_SHARE > total ? room / MEMORY_SHARE - total : 0;

    if ((uint32_t)part->max_bytes < left)
        left = (uint32_t)part->max_bytes;
    if (left <= share)
        return (uint32_t)left;
    fetch->must_answer = fetch->must_answer || total > 0; /* more would be smaller answers */
    return (uint32_t)share;
}

/* As much as the limits leave.  ERR_AGAIN: read_is_done follows. */
static enum err start_read(struct fetch *fetch, struct partition *partition)
{
    const struct fetch_part *part = &fetch->parts[fetch->next];
    struct log_read *read = &fetch->read;

    read->offset = part->fetch_offset;
    if (read->offset < partition_read_bound(partition, fetch->isolation))
        read->max_bytes = budget_of(fetch, part, fetch->call.target);
    read->at_least_one = fetch->total_bytes == 0; /* KIP-74: progress beats the limits */
    read->may_borrow = true;
    read->need_bytes = fetch->need_bytes;
    read->done = read_is_done;
    fetch->need_bytes = 0;
    return partition_read(partition, fetch->isolation, read);
}

static void read_part(struct shard_call *call)
{
    struct fetch *fetch = container_of(call, struct fetch, call);
    struct fetch_part *part = &fetch->parts[fetch->next];
    struct partition *partition = partition_of(fetch);
    bool diverges = false;
    enum err err;

    if (partition == NULL) {
        count_read(fetch, NULL, ERR_NOT_FOUND);
        part->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        shard_call_finish(call);
        return;
    }
    partition_count(partition, TOPIC_METRIC_FETCHES, 1);
    part->offsets = partition_offsets(partition);
    err = partition_read_check(partition, part->current_leader_epoch);
    if (err == OK)
        err = check_divergence(part, partition, &diverges);
    if (err == OK && !diverges)
        err = start_read(fetch, partition);
    if (err == ERR_AGAIN)
        return;
    if (err == ERR_NOMEM) {
        lack_memory(fetch);
        return;
    }
    count_read(fetch, partition, err);
    if (err != OK)
        part->error_code = kafka_error(err);
    shard_call_finish(call);
}

/* ---- the round, at home */

static void part_is_read(struct shard_call *call)
{
    struct fetch *fetch = container_of(call, struct fetch, call);
    struct fetch_part *part = &fetch->parts[fetch->next];
    struct log_read *read = &fetch->read;

    if (part->error_code != KAFKA_NONE || part->diverging.epoch >= 0)
        fetch->must_answer = true;
    if (part->error_code == KAFKA_NONE && read->size_bytes > 0) {
        part->slice = (struct wire_slice){
            .bytes = read->bytes, .size_bytes = read->size_bytes, .owner = read->buf};
        part->loan = read->loan;
        fetch->total_bytes += read->size_bytes;
        fetch->copied_bytes += read->loan == NULL ? read->size_bytes : 0;
        part->counted_offset = read->end_offset;
        part->counted_bytes = read->size_bytes;
        read->buf = NULL; /* the reference moves over */
    }
    if (part->error_code == KAFKA_NONE && read->end_offset < read->bound) {
        if (fetch->total_bytes == 0)
            part->counted_offset = read->bound; /* a hole: nothing is there */
        else if (part->counted_bytes < (uint32_t)part->max_bytes)
            part->counted_bytes = (uint32_t)part->max_bytes;
    }
    fetch->available_bytes += part->counted_bytes;
    partition_read_release(read);
    fetch->next++;
    if (fetch->advancing)
        fetch->inline_done = true;
    else
        advance(fetch);
}

static void start_part(struct fetch *fetch)
{
    struct fetch_part *part = &fetch->parts[fetch->next];
    struct shard *home = fetch->request->home;
    const struct image_topic *topic;
    bool by_id = fetch->request->api_version >= 13;

    part->error_code = KAFKA_NONE;
    part->counted_offset = part->fetch_offset;
    part->counted_bytes = 0;
    part->diverging = (struct fetch_response_epoch_end_offset){.epoch = -1, .end_offset = -1};
    part->offsets = (struct log_offsets){-1, -1, -1, -1, -1, -1};
    fetch->read = (struct log_read){0};
    topic =
        topic_ref_find(home->image, by_id, part->topic_name, &part->key.topic, &part->error_code);
    if (topic == NULL && part->was_answered) /* a topic of the session is gone */
        part->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (fetch->body->replica_id >= 0 || fetch->body->replica_state.replica_id >= 0)
        part->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER; /* nobody is a follower here */
    if (topic != NULL && !topic_ref_has(topic, part->partition))
        part->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (topic != NULL &&
        !request_may(fetch->request, KAFKA_ACL_OPERATION_READ, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                     topic->name, strlen(topic->name)))
        part->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (part->error_code != KAFKA_NONE) {
        topic_metrics_count(&home->topic_metrics, TOPIC_METRIC_FETCHES, 1);
        topic_metrics_count(&home->topic_metrics, TOPIC_METRIC_FETCHES_FAILED, 1);
        part_is_read(&fetch->call);
        return;
    }
    part->topic_id = topic->id;
    shard_call_start(&fetch->call, home,
                     shard_of_partition(home->shards, &topic->id, part->partition), read_part,
                     part_is_read);
}

static void advance(struct fetch *fetch)
{
    fetch->advancing = true;
    while (fetch->next < fetch->part_count) { /* parts over the limit still tell their offsets */
        if (++fetch->turn_parts > TURN_PARTS) {
            fetch->advancing = false;
            loop_defer(&fetch->request->home->loop, &fetch->next_turn);
            return;
        }
        fetch->inline_done = false;
        start_part(fetch);
        if (!fetch->inline_done) {
            fetch->advancing = false;
            return; /* part_is_read goes on */
        }
    }
    fetch->advancing = false;
    finish_round(fetch);
}

static void on_next_turn(struct task *task)
{
    struct fetch *fetch = container_of(task, struct fetch, next_turn);

    fetch->turn_parts = 0;
    advance(fetch);
}

void fetch_drop_slices(struct fetch *fetch)
{
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        buf_unref(part->slice.owner);
        part->slice = (struct wire_slice){0};
        part->loan = NULL;
    }
}

void fetch_start_round(struct fetch *fetch)
{
    fetch_drop_slices(fetch);
    fetch->next = 0;
    fetch->turn_parts = 0;
    fetch->total_bytes = 0;
    fetch->copied_bytes = 0;
    fetch->available_bytes = 0;
    fetch->must_answer = false;
    advance(fetch);
}

static void on_deadline(struct timer *timer)
{
    fetch_wait_expire(container_of(timer, struct fetch, deadline));
}

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct fetch *fetch = request->cancel_context;

    __atomic_store_n(&fetch->gave_up, true, __ATOMIC_RELAXED);
    if (fetch->call.target == request->home && list_is_linked(&fetch->memory_waiter.node))
        give_up_memory(fetch); /* elsewhere it ends with its timer */
    fetch_wait_expire(fetch);
}

static void finish_round(struct fetch *fetch)
{
    if (fetch->must_answer || fetch->expired || fetch->part_count == 0 ||
        fetch->available_bytes >= fetch->min_bytes) {
        loop_cancel_timer(&fetch->request->home->loop, &fetch->deadline);
        fetch_answer(fetch);
    } else {
        fetch_wait(fetch);
    }
}

/* ---- the start */

/* Do all the partitions that the request names exist? */
static bool all_known(const struct request *request, const struct fetch_request *body)
{
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct fetch_request_fetch_topic *asked = &body->topics.items[t];
        int16_t error_code;
        const struct image_topic *topic =
            topic_ref_find(request->home->image, request->api_version >= 13, asked->topic,
                           &asked->topic_id, &error_code);
        if (topic == NULL)
            return false;
        for (int32_t p = 0; p < asked->partitions.count; p++)
            if (!topic_ref_has(topic, asked->partitions.items[p].partition))
                return false;
    }
    return true;
}

static int16_t plan_fetch(struct fetch *fetch)
{
    struct request *request = fetch->request;
    struct fetch_ask ask = {.request = fetch->body,
                            .version = request->api_version,
                            .all_known = all_known(request, fetch->body),
                            .owner = &request->client->fetch_sessions,
                            .arena = &request->arena,
                            .now_ns = loop_now_ns(&request->home->loop)};
    struct fetch_plan plan;
    int16_t error_code;
    enum err err = fetch_sessions_plan(request->home->fetch_sessions, &ask, &plan, &error_code);

    if (err != OK)
        return kafka_error(err);
    if (error_code != KAFKA_NONE)
        return error_code;
    fetch->session = plan.session;
    if (fetch->session != NULL)
        fetch_session_hold(fetch->session);
    fetch->incremental = plan.incremental;
    list_for_each(node, plan.order) fetch->part_count++;
    fetch->parts = arena_alloc_array(&request->arena, fetch->part_count, sizeof(*fetch->parts));
    fetch->part_count = 0;
    if (fetch->parts == NULL)
        return kafka_error(ERR_NOMEM);
    list_for_each(node, plan.order)
    {
        const struct fetch_interest *interest = container_of(node, struct fetch_interest, node);
        struct fetch_part *part = &fetch->parts[fetch->part_count++];
        part->fetch = fetch;
        part->key = interest->key;
        /* the session may go while this fetch waits: take what is needed along */
        part->topic_name = wire_string("");
        if (interest->topic_name_bytes > 0)
            part->topic_name =
                (struct wire_string){arena_strndup(&request->arena, interest->topic_name,
                                                   (size_t)interest->topic_name_bytes),
                                     interest->topic_name_bytes};
        if (part->topic_name.text == NULL)
            return kafka_error(ERR_NOMEM);
        part->partition = interest->key.partition;
        part->max_bytes = interest->max_bytes < 0 ? 0 : interest->max_bytes;
        part->current_leader_epoch = interest->current_leader_epoch;
        part->last_fetched_epoch = interest->last_fetched_epoch;
        part->fetch_offset = interest->fetch_offset;
        part->was_answered = !interest->answer_due;
    }
    return KAFKA_NONE;
}

static void release(void *context)
{
    struct fetch *fetch = context;

    fetch_drop_slices(fetch);
    if (fetch->session != NULL)
        fetch_session_release(fetch->session);
}

/* The client's limit, under the broker's fetch.max.bytes. */
static uint32_t max_bytes_of(const struct request *request, const struct fetch_request *body)
{
    int64_t limit = config_i64(request->home->config, request->home->image, "fetch.max.bytes");

    if (body->max_bytes < limit)
        limit = body->max_bytes;
    return limit < 0 ? 0 : (uint32_t)limit;
}

void handle_fetch(struct request *request)
{
    struct fetch *fetch = request_try_alloc(request, 1, sizeof(*fetch));
    struct fetch_response *response = request->response;

    if (fetch == NULL) {
        request_refuse_memory(request);
        return;
    }
    fetch->request = request;
    fetch->body = request->body;
    fetch->max_bytes = max_bytes_of(request, fetch->body);
    fetch->min_bytes = fetch->body->min_bytes < 0 ? 0 : (uint32_t)fetch->body->min_bytes;
    if (fetch->min_bytes > fetch->max_bytes)
        fetch->min_bytes = fetch->max_bytes; /* as in Kafka: more is never given */
    fetch->isolation = fetch->body->isolation_level == KAFKA_ISOLATION_LEVEL_READ_COMMITTED
                           ? PARTITION_COMMITTED
                           : PARTITION_UNCOMMITTED;
    fetch->next_round.run = fetch_wait_on_next_round;
    fetch->next_turn.run = on_next_turn;
    fetch->deadline.fire = on_deadline;
    request_on_release(request, release, fetch);
    response->error_code = plan_fetch(fetch);
    if (response->error_code != KAFKA_NONE) {
        request_answer(request);
        return;
    }
    if (fetch->body->max_wait_ms > 0)
        loop_set_timer_ms(&request->home->loop, &fetch->deadline,
                          (uint64_t)fetch->body->max_wait_ms);
    else
        fetch->expired = true;
    request_on_cancel(request, on_cancel, fetch);
    fetch_start_round(fetch);
}
