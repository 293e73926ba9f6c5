/* Fetch (key 1): KIP-74 size limits, KIP-227 sessions, KIP-320 epochs, KIP-516 topic ids.
 *
 * The walk: plan_fetch asks the session what to serve and copies it into parts → a round reads the
 * parts one after the other, each on its partition's shard (start_part → read_part → part_is_read)
 * → finish_round: enough bytes, an error or the deadline: answer; else watch every part for its
 * high watermark (start_watch) → the first news, the deadline or a cancel stirs: all watches end,
 * and the next round reads again. */
#include "base/check.h"
#include "broker/config.h"
#include "broker/fetch_session.h"
#include "broker/handlers.h"
#include "broker/kafka_error.h"
#include "broker/request.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_fetch.h"

/* One partition of this fetch. */
struct fetch_part {
    struct fetch *fetch;
    struct fetch_key key; /* of its interest in the session */
    struct wire_string topic_name;
    struct uuid topic_id;
    int32_t partition;
    int32_t max_bytes;
    int32_t current_leader_epoch;
    int32_t last_fetched_epoch;
    int64_t fetch_offset;
    bool was_answered;
    /* filled by a round */
    int16_t error_code;
    struct log_offsets offsets;
    struct fetch_response_epoch_end_offset diverging;
    struct wire_slice slice; /* whole batches; owner NULL: none */
    /* waiting */
    struct shard_call watch;
    struct shard_call unwatch;
    struct partition_waiter waiter; /* lives on the partition's shard */
    struct shard *watched_at;       /* NULL: no watch in flight */
};

struct fetch {
    struct request *request;
    const struct fetch_request *body;
    struct fetch_part *parts;
    uint32_t part_count;
    int32_t session_id; /* 0: none */
    bool incremental;
    bool read_committed;
    /* the round */
    uint32_t next;
    struct shard_call call;
    struct log_read read;
    uint32_t max_bytes;
    uint32_t total_bytes;
    bool must_answer; /* an error or a diverging epoch */
    bool inline_done;
    bool advancing;
    /* the wait */
    struct timer deadline;
    struct task next_round;
    uint32_t watch_count; /* calls in flight, watches and unwatches, and 1 until stirred */
    bool waiting;
    bool arming;
    bool stirred;
    bool expired;
};

static void advance(struct fetch *fetch);
static void finish_round(struct fetch *fetch);

/* ---- reading one part, on its partition's shard */

static void read_is_done(struct log_read *read, enum err err)
{
    struct fetch *fetch = container_of(read, struct fetch, read);

    if (err != OK && err != ERR_NOMEM)
        fetch->parts[fetch->next].error_code = kafka_error(err);
    shard_call_finish(&fetch->call);
}

/* KIP-595/320: the fetcher's last epoch ends earlier here than it thinks.  ERR_OFFSET_RANGE:
 * nothing is known of that epoch. */
static enum err check_divergence(struct fetch_part *part, struct partition *partition,
                                 bool *diverges_out)
{
    int32_t epoch;
    int64_t end_offset;

    *diverges_out = false;
    if (part->last_fetched_epoch < 0)
        return OK;
    end_offset = epoch_cache_end_offset(log_epochs(partition->log), part->last_fetched_epoch,
                                        part->offsets.log_end, &epoch);
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
static uint32_t budget_of(const struct fetch *fetch, const struct fetch_part *part)
{
    uint32_t left =
        fetch->max_bytes > fetch->total_bytes ? fetch->max_bytes - fetch->total_bytes : 0;

    return (uint32_t)part->max_bytes < left ? (uint32_t)part->max_bytes : left;
}

static void read_part(struct shard_call *call)
{
    struct fetch *fetch = container_of(call, struct fetch, call);
    struct fetch_part *part = &fetch->parts[fetch->next];
    struct partition *partition =
        topic_table_find(call->target->topics, &part->topic_id, part->partition);
    struct log_read *read = &fetch->read;
    bool diverges = false;
    enum err err;

    if (partition == NULL) {
        part->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        shard_call_finish(call);
        return;
    }
    part->offsets = log_offsets(partition->log);
    err = partition_check_epoch(partition, part->current_leader_epoch);
    if (err == OK && log_is_quarantined(partition->log))
        err = ERR_QUARANTINED;
    if (err == OK)
        err = check_divergence(part, partition, &diverges);
    if (err == OK && !diverges) {
        if (part->fetch_offset < part->offsets.log_start ||
            part->fetch_offset > part->offsets.log_end)
            err = ERR_OFFSET_RANGE;
        read->offset = part->fetch_offset;
        read->bound =
            fetch->read_committed ? part->offsets.last_stable : part->offsets.high_watermark;
        read->max_bytes = budget_of(fetch, part);
        read->at_least_one = fetch->total_bytes == 0; /* KIP-74: progress beats the limits */
        if (err == OK && read->offset < read->bound &&
            (read->max_bytes > 0 || read->at_least_one)) {
            read->done = read_is_done;
            err = log_read(partition->log, read);
            if (err == ERR_AGAIN)
                return;
        }
    }
    if (err == OK)
        counter_add(&partition->bytes_out, read->size_bytes);
    /* no memory for a read now: what there is goes out, the rest at the next fetch */
    if (err != OK && err != ERR_NOMEM)
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
        fetch->total_bytes += read->size_bytes;
        read->buf = NULL; /* the reference moves over */
    }
    log_read_release(read);
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

static void drop_slices(void *context)
{
    struct fetch *fetch = context;

    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        buf_unref(part->slice.owner);
        part->slice = (struct wire_slice){0};
    }
}

static void start_round(struct fetch *fetch)
{
    drop_slices(fetch);
    fetch->next = 0;
    fetch->total_bytes = 0;
    fetch->must_answer = false;
    advance(fetch);
}

/* ---- the answer */

static bool has_news(const struct fetch_part *part, const struct fetch_interest *interest)
{
    return interest == NULL || interest->answer_due || part->error_code != KAFKA_NONE ||
           part->slice.size_bytes > 0 || part->diverging.epoch >= 0 ||
           part->offsets.high_watermark != interest->answered_high_watermark ||
           part->offsets.log_start != interest->answered_log_start;
}

static void fill_part(struct fetch *fetch, const struct fetch_part *part,
                      struct fetch_response_partition_data *out)
{
    out->partition_index = part->partition;
    out->error_code = part->error_code;
    out->high_watermark = part->error_code == KAFKA_NONE ? part->offsets.high_watermark : -1;
    out->last_stable_offset = part->error_code == KAFKA_NONE ? part->offsets.last_stable : -1;
    out->log_start_offset = part->error_code == KAFKA_NONE ? part->offsets.log_start : -1;
    out->diverging_epoch = part->diverging;
    /* null says "not asked for", an empty list says "nothing was aborted" */
    out->aborted_transactions.count =
        fetch->read_committed || part->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ||
                part->error_code == KAFKA_UNKNOWN_TOPIC_ID
            ? 0
            : -1;
    out->records = (struct wire_records){.slices = &part->slice,
                                         .slice_count = part->slice.size_bytes > 0,
                                         .size_bytes = part->slice.size_bytes};
}

static bool same_topic(const struct fetch_part *a, const struct fetch_part *b)
{
    return uuid_equal(&a->key.topic, &b->key.topic);
}

static void answer(struct fetch *fetch)
{
    struct request *request = fetch->request;
    struct fetch_response *response = request->response;
    struct fetch_session *session = NULL;
    struct fetch_response_fetchable_topic_response *topics;
    struct fetch_response_fetchable_topic_response *topic = NULL;
    const struct fetch_part *last = NULL;

    if (fetch->session_id != 0) {
        session = fetch_sessions_find(request->home->fetch_sessions, fetch->session_id);
        if (session == NULL) { /* gave way to others while this fetch waited */
            response->error_code = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
            request_answer(request);
            return;
        }
    }
    response->session_id = fetch->session_id;
    topics = request_new_array(request, &fetch_response_fetchable_topic_response_struct,
                               (int32_t)fetch->part_count);
    response->responses.items = topics;
    for (uint32_t i = 0; i < fetch->next; i++) {
        const struct fetch_part *part = &fetch->parts[i];
        struct fetch_interest *interest =
            session == NULL ? NULL : fetch_session_find(session, &part->key);
        if (fetch->incremental && !has_news(part, interest))
            continue;
        if (last == NULL || !same_topic(last, part)) {
            topic = &topics[response->responses.count++];
            topic->topic = part->topic_name;
            if (request->api_version >= 13)
                topic->topic_id = part->key.topic;
            topic->partitions.items = request_new_array(
                request, &fetch_response_partition_data_struct, (int32_t)(fetch->next - i));
        }
        fill_part(fetch, part, &topic->partitions.items[topic->partitions.count++]);
        last = part;
        if (interest != NULL) {
            interest->answer_due = part->error_code != KAFKA_NONE;
            interest->answered_high_watermark = part->offsets.high_watermark;
            interest->answered_log_start = part->offsets.log_start;
            if (part->slice.size_bytes > 0)
                fetch_session_rotate(session, interest);
        }
    }
    request_answer(request);
}

/* ---- waiting for more */

static void stir(struct fetch *fetch);

static void on_next_round(struct task *task)
{
    start_round(container_of(task, struct fetch, next_round));
}

static void watch_call_ended(struct fetch *fetch)
{
    check(fetch->waiting && fetch->watch_count > 0);
    if (--fetch->watch_count > 0)
        return;
    fetch->waiting = false;
    loop_defer(&fetch->request->home->loop, &fetch->next_round);
}

static void on_watch_done(struct shard_call *call)
{
    struct fetch_part *part = container_of(call, struct fetch_part, watch);

    part->watched_at = NULL;
    stir(part->fetch);
    watch_call_ended(part->fetch);
}

static void on_wake(struct partition_waiter *waiter, enum err err)
{
    shard_call_finish(&container_of(waiter, struct fetch_part, waiter)->watch);
}

static void watch_part(struct shard_call *call)
{
    struct fetch_part *part = container_of(call, struct fetch_part, watch);
    struct partition *partition =
        topic_table_find(call->target->topics, &part->topic_id, part->partition);

    if (partition == NULL) {
        shard_call_finish(call);
        return;
    }
    part->waiter = (struct partition_waiter){.wake = on_wake};
    part->waiter.offset = part->offsets.high_watermark + 1;
    partition_wait_data(partition, &part->waiter);
}

static void unwatch_part(struct shard_call *call)
{
    struct fetch_part *part = container_of(call, struct fetch_part, unwatch);

    if (list_is_linked(&part->waiter.node)) {
        partition_cancel_wait(&part->waiter);
        shard_call_finish(&part->watch);
    }
    shard_call_finish(call);
}

static void on_unwatch_done(struct shard_call *call)
{
    watch_call_ended(container_of(call, struct fetch_part, unwatch)->fetch);
}

/* Something happened: end all watches; the round follows when the last one is back. */
static void stir(struct fetch *fetch)
{
    struct shard *home = fetch->request->home;

    if (fetch->stirred)
        return;
    fetch->stirred = true;
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        if (part->watched_at == NULL)
            continue;
        fetch->watch_count++;
        shard_call_start(&part->unwatch, home, part->watched_at, unwatch_part, on_unwatch_done);
    }
    if (!fetch->arming)
        watch_call_ended(fetch);
}

/* Answer with what there is. */
static void expire(struct fetch *fetch)
{
    fetch->expired = true;
    if (fetch->waiting)
        stir(fetch);
}

static void on_deadline(struct timer *timer)
{
    expire(container_of(timer, struct fetch, deadline));
}

static void on_cancel(struct request *request, enum request_cancel why)
{
    expire(request->cancel_context);
}

static void start_watch(struct fetch *fetch)
{
    struct shard *home = fetch->request->home;

    fetch->waiting = true;
    fetch->stirred = false;
    fetch->watch_count = 1;
    fetch->arming = true;
    for (uint32_t i = 0; i < fetch->part_count && !fetch->stirred; i++) {
        struct fetch_part *part = &fetch->parts[i];
        part->watched_at = shard_of_partition(home->shards, &part->topic_id, part->partition);
        fetch->watch_count++;
        shard_call_start(&part->watch, home, part->watched_at, watch_part, on_watch_done);
    }
    fetch->arming = false;
    if (fetch->stirred)
        watch_call_ended(fetch);
}

static void finish_round(struct fetch *fetch)
{
    if (fetch->must_answer || fetch->expired || fetch->part_count == 0 ||
        (int64_t)fetch->total_bytes >= fetch->body->min_bytes) {
        loop_cancel_timer(&fetch->request->home->loop, &fetch->deadline);
        answer(fetch);
    } else {
        start_watch(fetch);
    }
}

/* ---- the start */

static int16_t plan_fetch(struct fetch *fetch)
{
    struct request *request = fetch->request;
    struct fetch_plan plan;
    int16_t error_code;
    enum err err =
        fetch_sessions_plan(request->home->fetch_sessions, fetch->body, request->api_version,
                            &request->arena, loop_now_ns(&request->home->loop), &plan, &error_code);

    if (err != OK)
        return kafka_error(err);
    if (error_code != KAFKA_NONE)
        return error_code;
    fetch->session_id = plan.session == NULL ? 0 : plan.session->id;
    fetch->incremental = plan.incremental;
    list_for_each(node, plan.order) fetch->part_count++;
    fetch->parts = request_alloc(request, fetch->part_count, sizeof(*fetch->parts));
    fetch->part_count = 0;
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
        part->partition = interest->key.partition;
        part->max_bytes = interest->max_bytes < 0 ? 0 : interest->max_bytes;
        part->current_leader_epoch = interest->current_leader_epoch;
        part->last_fetched_epoch = interest->last_fetched_epoch;
        part->fetch_offset = interest->fetch_offset;
        part->was_answered = !interest->answer_due;
    }
    return KAFKA_NONE;
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
    struct fetch *fetch = request_alloc(request, 1, sizeof(*fetch));
    struct fetch_response *response = request->response;

    fetch->request = request;
    fetch->body = request->body;
    fetch->max_bytes = max_bytes_of(request, fetch->body);
    fetch->read_committed = fetch->body->isolation_level == KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
    fetch->next_round.run = on_next_round;
    fetch->deadline.fire = on_deadline;
    request_on_release(request, drop_slices, fetch);
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
    start_round(fetch);
}
