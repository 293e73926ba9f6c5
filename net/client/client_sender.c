#include "net/client/client_sender.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/client/client_produce_call.h"
#include "net/client/client_sender_private.h"
#include "net/protocol/kafka_errors.h"

enum { POLL_MAX_MS = 32, CALL_BATCHES_MAX = 1024 };

static struct loop *loop_of(const struct client_sender *sender)
{
    return client_cluster_env(sender->cluster)->loop;
}

static struct client_numbering numbering_of(const struct client_sender *sender)
{
    return (struct client_numbering){.is_numbered = sender->is_numbered,
                                     .is_transactional = sender->is_transactional,
                                     .producer_id = sender->identity->producer_id,
                                     .producer_epoch = sender->identity->producer_epoch,
                                     .in_air_max = sender->options->in_flight_max};
}

/* ---- places */

void client_sender_pump_soon(struct client_sender *sender)
{
    if (!sender->is_stopped)
        loop_defer(loop_of(sender), &sender->pump);
}

void client_sender_make_ready(struct client_sender *sender, struct client_part *part)
{
    if (part->place != CLIENT_PART_IDLE || part->partition < 0)
        return;
    part->place = CLIENT_PART_READY;
    list_push_back(&sender->ready, &part->place_node);
    client_sender_pump_soon(sender);
}

/* Out of the place where it waits. */
static void leave(struct client_sender *sender, struct client_part *part)
{
    if (list_is_linked(&part->place_node))
        list_remove(&part->place_node);
    loop_cancel_timer(loop_of(sender), &part->backoff);
    part->place = CLIENT_PART_IDLE;
}

static void on_backoff(struct timer *timer)
{
    struct client_part *part = container_of(timer, struct client_part, backoff);

    part->place = CLIENT_PART_IDLE;
    client_sender_make_ready(part->owner, part);
}

void client_sender_back_off(struct client_sender *sender, struct client_part *part,
                            uint32_t delay_ms)
{
    if (part->place == CLIENT_PART_BACKOFF)
        return;
    leave(sender, part);
    part->place = CLIENT_PART_BACKOFF;
    loop_set_timer_ms(loop_of(sender), &part->backoff, delay_ms);
}

static void on_batches_ready(struct client_batches *batches, struct client_part *part)
{
    client_sender_make_ready(batches->owner, part);
}

void client_sender_joined(struct client_sender *sender, struct client_part *part)
{
    check(part->place == CLIENT_PART_JOINING && !list_is_linked(&part->place_node));
    part->place = CLIENT_PART_IDLE;
    client_sender_make_ready(sender, part);
}

void client_sender_wake_all(struct client_sender *sender)
{
    struct client_batches_cursor cursor = {0};
    struct client_part *part;

    while ((part = client_batches_next_part(sender->batches, &cursor)) != NULL)
        if (!list_is_empty(&part->waiting))
            client_sender_make_ready(sender, part);
    client_sender_pump_soon(sender);
}

static enum client_part_step next_step(struct client_sender *sender, struct client_part *part)
{
    struct client_numbering numbering = numbering_of(sender);
    enum client_part_step step = client_part_next(part, &numbering);

    if (step != CLIENT_PART_NEW_EPOCH)
        return step;
    if (sender->is_transactional)
        return CLIENT_PART_NOTHING; /* the end of the transaction brings one */
    client_identity_new_epoch(sender->identity);
    numbering = numbering_of(sender);
    return client_part_next(part, &numbering);
}

/* ---- nodes */

static struct client_sender_node *node_of(struct client_sender *sender, int32_t id)
{
    struct client_sender_node *node;

    list_for_each(link, &sender->nodes)
    {
        node = container_of(link, struct client_sender_node, node);
        if (node->id == id)
            return node;
    }
    node = mem_try_alloc(sizeof(*node));
    if (node == NULL)
        return NULL;
    node->id = id;
    node->sender = sender;
    list_init(&node->parts);
    timer_init(&node->poll, client_sender_on_poll);
    list_push_back(&sender->nodes, &node->node);
    return node;
}

void client_sender_on_poll(struct timer *timer)
{
    client_sender_pump_soon(container_of(timer, struct client_sender_node, poll)->sender);
}

/* The leader, as far as metadata tells; -1: none. */
static int32_t leader_of(const struct client_part *part)
{
    return part->partition < part->topic->partitions_count
               ? part->topic->partitions[part->partition].leader_id
               : -1;
}

/* Where part goes next. */
static void place(struct client_sender *sender, struct client_part *part)
{
    struct client_sender_node *node;
    int32_t leader_id = leader_of(part);

    part->place = CLIENT_PART_IDLE;
    if (next_step(sender, part) != CLIENT_PART_SEND)
        return;
    if (part->topic->partitions_count > 0 && part->partition >= part->topic->partitions_count) {
        client_sender_drop_part(sender, part, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, ERR_NOT_FOUND);
        return;
    }
    if (sender->is_transactional && !sender->events->may_send(sender->context, part)) {
        part->place = CLIENT_PART_JOINING; /* it is in the transaction's list now */
        return;
    }
    node = leader_id < 0 ? NULL : node_of(sender, leader_id);
    part->place = node == NULL ? CLIENT_PART_LEADERLESS : CLIENT_PART_NODE;
    list_push_back(node == NULL ? &sender->leaderless : &node->parts, &part->place_node);
}

/* ---- requests */

static struct client_produce_call *take_call(struct client_sender *sender)
{
    struct list *node = list_pop_front(&sender->spare);

    return node != NULL ? container_of(node, struct client_produce_call, node)
                        : client_produce_call_create();
}

/* The first batch of part into call.  False: call is full. */
static bool collect(struct client_sender *sender, struct client_produce_call *call,
                    struct client_part *part)
{
    struct client_numbering numbering = numbering_of(sender);
    struct client_batch *batch = list_first(&part->waiting, struct client_batch, node);
    enum err err = client_batches_seal(sender->batches, part, batch);

    if (err == OK)
        err = client_produce_call_reserve(call);
    if (err == ERR_NOMEM) {
        client_sender_back_off(sender, part, client_cluster_backoff_ms(sender->cluster, 0));
        return true;
    }
    if (err != OK) {
        client_sender_fail(sender, batch, KAFKA_NONE, err, false);
        client_sender_make_ready(sender, part);
        return true;
    }
    if (call->count > 0 &&
        (call->size_bytes + batch->size_bytes > sender->options->request_max_bytes ||
         call->count == CALL_BATCHES_MAX))
        return false;
    client_produce_call_add(call, client_part_send(part, &numbering));
    return true;
}

/* Round the partitions of node: one batch of each. */
static void gather(struct client_sender *sender, struct client_sender_node *node,
                   struct client_produce_call *call)
{
    struct list parts;
    struct list *link;

    list_init(&parts);
    list_splice_back(&parts, &node->parts);
    while ((link = list_pop_front(&parts)) != NULL) {
        struct client_part *part = container_of(link, struct client_part, place_node);

        part->place = CLIENT_PART_IDLE;
        if (leader_of(part) != node->id || part->partition >= part->topic->partitions_count) {
            client_sender_make_ready(sender, part);
            continue;
        }
        if (next_step(sender, part) != CLIENT_PART_SEND)
            continue;
        if (sender->is_transactional && !sender->events->may_send(sender->context, part)) {
            part->place = CLIENT_PART_JOINING; /* it stood here since an earlier transaction */
            continue;
        }
        if (!collect(sender, call, part)) {
            part->place = CLIENT_PART_NODE;
            list_push_front(&parts, &part->place_node);
            break;
        }
        if (part->place == CLIENT_PART_IDLE && next_step(sender, part) == CLIENT_PART_SEND) {
            part->place = CLIENT_PART_NODE;
            list_push_back(&node->parts, &part->place_node);
        }
    }
    list_splice_back(&parts, &node->parts);
    list_splice_back(&node->parts, &parts);
}

/* The call could not be started: as if it had not been tried. */
static void take_back(struct client_sender *sender, struct client_produce_call *call)
{
    for (uint32_t i = call->count; i-- > 0;) {
        struct client_part *part = call->batches[i]->part;

        client_part_return(part, call->batches[i]);
        client_sender_back_off(sender, part, client_cluster_backoff_ms(sender->cluster, 0));
    }
    client_produce_call_reset(call);
    list_push_front(&sender->spare, &call->node);
}

/* One request.  False: not now. */
static bool send_one(struct client_sender *sender, struct client_sender_node *node,
                     struct client_broker *broker)
{
    struct client_produce_call *call = take_call(sender);

    if (call == NULL)
        return false;
    gather(sender, node, call);
    if (call->count == 0) {
        list_push_front(&sender->spare, &call->node);
        return true; /* they went elsewhere */
    }
    client_produce_call_fill(call, sender->options, sender->is_transaction_v1);
    call->to = node;
    call->call.done = client_sender_on_produced;
    if (client_broker_call(broker, &call->call) != OK) {
        take_back(sender, call);
        return false;
    }
    list_push_back(&sender->in_flight, &call->node);
    node->in_flight_count++;
    return true;
}

static void poll_later(struct client_sender *sender, struct client_sender_node *node)
{
    uint32_t delay_ms = node->polls_count < 5 ? 1U << node->polls_count : POLL_MAX_MS;

    node->polls_count++;
    loop_set_timer_ms(loop_of(sender), &node->poll, delay_ms);
}

/* Partitions that another leads by now. */
static void send_elsewhere(struct client_sender *sender, struct client_sender_node *node)
{
    list_for_each_safe(link, &node->parts)
    {
        struct client_part *part = container_of(link, struct client_part, place_node);

        if (leader_of(part) == node->id)
            continue;
        leave(sender, part);
        client_sender_make_ready(sender, part);
    }
}

/* CSN-1.  Where the connection is not up, batches stay where more can join them, and where another
 * leader can have them; a request that is queued for it could not go elsewhere. */
static void fill(struct client_sender *sender, struct client_sender_node *node)
{
    uint64_t now_ns = loop_now_ns(loop_of(sender));
    const struct client_part *part;
    struct client_broker *broker;

    if (list_is_empty(&node->parts) || node->in_flight_count >= sender->options->in_flight_max)
        return;
    if (node->throttled_until_ns > now_ns) { /* KIP-219 */
        timer_set(&loop_of(sender)->timers, &node->poll, node->throttled_until_ns);
        return;
    }
    part = list_first(&node->parts, struct client_part, place_node);
    broker = client_cluster_node(sender->cluster, node->id, CLIENT_LANE_DATA);
    if (broker == NULL || !client_broker_is_up(broker)) {
        if (broker != NULL)
            client_broker_dial(broker);
        if (broker == NULL || node->polls_count % 8 == 7)
            client_cluster_call_stale(sender->cluster, part->topic);
        poll_later(sender, node);
        send_elsewhere(sender, node);
        return;
    }
    node->polls_count = 0;
    while (!list_is_empty(&node->parts) && node->in_flight_count < sender->options->in_flight_max)
        if (!send_one(sender, node, broker)) {
            poll_later(sender, node);
            return;
        }
}

/* ---- turns */

/* Partitions that metadata does not tell of, or without a leader: it is asked for again. */
static void on_refresh(struct timer *timer)
{
    struct client_sender *sender = container_of(timer, struct client_sender, refresh);

    list_for_each(node, &sender->leaderless) client_cluster_call_stale(
        sender->cluster, container_of(node, struct client_part, place_node)->topic);
    list_for_each(node, &sender->batches->unassigned_topics) client_cluster_call_stale(
        sender->cluster, container_of(node, struct client_batches_topic, node)->topic);
    client_sender_pump_soon(sender);
}

static void refresh_if_needed(struct client_sender *sender)
{
    if (list_is_empty(&sender->leaderless) && list_is_empty(&sender->batches->unassigned_topics)) {
        sender->refresh_count = 0;
        loop_cancel_timer(loop_of(sender), &sender->refresh);
    } else if (!timer_is_set(&sender->refresh)) {
        loop_set_timer_ms(loop_of(sender), &sender->refresh,
                          client_cluster_backoff_ms(sender->cluster, sender->refresh_count++));
    }
}

/* Metadata says that waiting is of no use. */
static bool is_hopeless(const struct client_topic *topic)
{
    return topic->is_known && (topic->error_code == KAFKA_TOPIC_AUTHORIZATION_FAILED ||
                               topic->error_code == KAFKA_INVALID_TOPIC_EXCEPTION);
}

static void assign(struct client_sender *sender)
{
    list_for_each_safe(node, &sender->batches->unassigned_topics)
    {
        struct client_batches_topic *topic = container_of(node, struct client_batches_topic, node);

        if (topic->topic->partitions_count > 0)
            (void)client_batches_assign(sender->batches, topic); /* or with the next turn */
        else if (is_hopeless(topic->topic))
            client_sender_drop_part(sender, &topic->unassigned, topic->topic->error_code,
                                    ERR_PERMISSION);
        if (list_is_linked(&topic->node) && list_is_empty(&topic->unassigned.waiting))
            list_remove(&topic->node);
    }
}

static void lead(struct client_sender *sender)
{
    list_for_each_safe(node, &sender->leaderless)
    {
        struct client_part *part = container_of(node, struct client_part, place_node);

        if (is_hopeless(part->topic)) {
            leave(sender, part);
            client_sender_drop_part(sender, part, part->topic->error_code, ERR_PERMISSION);
        } else if (leader_of(part) >= 0 || (part->topic->partitions_count > 0 &&
                                            part->partition >= part->topic->partitions_count)) {
            leave(sender, part);
            client_sender_make_ready(sender, part);
        }
    }
}

static void on_pump(struct task *task)
{
    struct client_sender *sender = container_of(task, struct client_sender, pump);
    struct list ready;
    struct list *link;

    if (sender->is_numbered && !sender->is_transactional && sender->identity->producer_id < 0)
        client_identity_ask(sender->identity);
    assign(sender);
    lead(sender);
    list_init(&ready);
    list_splice_back(&ready, &sender->ready);
    while ((link = list_pop_front(&ready)) != NULL)
        place(sender, container_of(link, struct client_part, place_node));
    list_for_each(node, &sender->nodes)
        fill(sender, container_of(node, struct client_sender_node, node));
    refresh_if_needed(sender);
    client_sender_note(sender); /* what was assigned lingers, too */
}

static void on_news(struct client_listener *listener)
{
    client_sender_pump_soon(container_of(listener, struct client_sender, listener));
}

/* ---- time */

void client_sender_note(struct client_sender *sender)
{
    struct loop *loop = loop_of(sender);

    if (sender->is_stopped)
        return;
    if (!timer_is_set(&sender->linger) && !list_is_empty(&sender->batches->lingering))
        timer_set(&loop->timers, &sender->linger, client_batches_linger_ns(sender->batches));
    if (!timer_is_set(&sender->expiry) && !list_is_empty(&sender->batches->ages)) {
        const struct client_batch *oldest =
            list_first(&sender->batches->ages, struct client_batch, age_node);

        timer_set(&loop->timers, &sender->expiry,
                  clock_deadline_ns(oldest->created_ns, sender->options->delivery_timeout_ms));
    }
    if (!list_is_empty(&sender->batches->unassigned_topics) && !timer_is_set(&sender->refresh))
        client_sender_pump_soon(sender);
}

static void on_linger(struct timer *timer)
{
    struct client_sender *sender = container_of(timer, struct client_sender, linger);

    client_batches_linger_end(sender->batches, loop_now_ns(loop_of(sender)), false);
    client_sender_note(sender);
}

void client_sender_flush(struct client_sender *sender)
{
    client_batches_linger_end(sender->batches, 0, true);
}

/* delivery.timeout.ms (Sender.failExpiredBatches). */
static void on_expiry(struct timer *timer)
{
    struct client_sender *sender = container_of(timer, struct client_sender, expiry);
    uint64_t now_ns = loop_now_ns(loop_of(sender));

    while (!list_is_empty(&sender->batches->ages)) {
        struct client_batch *oldest =
            list_first(&sender->batches->ages, struct client_batch, age_node);
        struct client_part *part = oldest->part;
        int16_t topic_error = part->topic->partitions_count == 0 ? part->topic->error_code : 0;

        if (clock_deadline_ns(oldest->created_ns, sender->options->delivery_timeout_ms) > now_ns)
            break;
        if (oldest->is_in_air)
            client_sender_tell(sender, oldest, KAFKA_NONE, ERR_TIMEOUT);
        else
            client_sender_fail(sender, oldest, topic_error, ERR_TIMEOUT, false);
        client_sender_make_ready(sender, part);
    }
    client_sender_note(sender);
}

/* ---- life */

void client_sender_init(struct client_sender *sender, struct client_cluster *cluster,
                        const struct client_producer_options *options,
                        struct client_batches *batches, struct client_identity *identity,
                        const struct client_sender_events *events, void *context)
{
    *sender = (struct client_sender){.cluster = cluster,
                                     .options = options,
                                     .batches = batches,
                                     .identity = identity,
                                     .events = events,
                                     .context = context,
                                     .is_numbered = options->is_idempotent,
                                     .is_transactional = options->transactional_id != NULL};
    list_init(&sender->ready);
    list_init(&sender->leaderless);
    list_init(&sender->nodes);
    list_init(&sender->in_flight);
    list_init(&sender->spare);
    list_init(&sender->finished);
    sender->pump.run = on_pump;
    timer_init(&sender->linger, on_linger);
    timer_init(&sender->expiry, on_expiry);
    timer_init(&sender->refresh, on_refresh);
    batches->ready = on_batches_ready;
    batches->part_timer = on_backoff;
    batches->owner = sender;
    sender->listener.changed = on_news;
    client_cluster_listen(cluster, &sender->listener);
}

void client_sender_stop(struct client_sender *sender)
{
    struct loop *loop = loop_of(sender);
    struct client_batches_cursor cursor = {0};
    struct client_part *part;

    sender->is_stopped = true;
    client_cluster_unlisten(&sender->listener);
    loop_undefer(&sender->pump);
    loop_cancel_timer(loop, &sender->linger);
    loop_cancel_timer(loop, &sender->expiry);
    loop_cancel_timer(loop, &sender->refresh);
    list_for_each(node, &sender->nodes)
        loop_cancel_timer(loop, &container_of(node, struct client_sender_node, node)->poll);
    client_sender_drop_waiting(sender, KAFKA_NONE, ERR_CANCELED);
    while ((part = client_batches_next_part(sender->batches, &cursor)) != NULL)
        leave(sender, part);
    list_for_each(node, &sender->in_flight)
        client_broker_cancel(&container_of(node, struct client_produce_call, node)->call);
}

bool client_sender_is_idle(const struct client_sender *sender)
{
    return list_is_empty(&sender->in_flight);
}

void client_sender_deinit(struct client_sender *sender)
{
    struct list *link;

    check(client_sender_is_idle(sender));
    while ((link = list_pop_front(&sender->spare)) != NULL)
        client_produce_call_destroy(container_of(link, struct client_produce_call, node));
    while ((link = list_pop_front(&sender->nodes)) != NULL)
        mem_free(container_of(link, struct client_sender_node, node));
}
