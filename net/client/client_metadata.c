#include "net/client/client_metadata.h"

#include "base/mem.h"
#include "net/protocol/kafka_errors.h"

#include <string.h>

enum {
    REQUEST_BYTES_MAX = 256 << 20,
    TOPICS_FIRST = 16,
    MISSING_ANSWERS = 3,    /* until a topic that nobody makes does not exist: another broker may
                             * hear of it later than who made it */
    EPOCHS_MIN_VERSION = 9, /* older brokers may tell old epochs (KAFKA-7395) */
    PARTITIONS_MAX = 1 << 20,
};

struct client_metadata_topic {
    struct client_topic topic;
    uint32_t missing_count; /* answers in a row that did not know it */
    char name[];
};

static struct client_metadata_topic *known(const struct client_topic *topic)
{
    return container_of(topic, struct client_metadata_topic, topic);
}

/* ---- when to ask */

static uint64_t next_ask_ns(const struct client_metadata *metadata)
{
    const struct client_options *options = metadata->options;
    uint64_t backoff_ms;

    if (metadata->is_urgent || metadata->answered_ns == 0)
        return 0;
    if (!metadata->is_stale)
        return clock_deadline_ns(metadata->answered_ns, options->metadata_max_age_ms);
    backoff_ms = dial_backoff_ms(metadata->env->prng, options->retry_first_ms,
                                 options->retry_max_ms, metadata->attempts);
    return clock_deadline_ns(metadata->answered_ns, backoff_ms);
}

static void schedule(struct client_metadata *metadata)
{
    if (metadata->is_ending || metadata->is_asking)
        return;
    timer_set(&metadata->env->loop->timers, &metadata->timer, next_ask_ns(metadata));
}

static void want(struct client_metadata *metadata, bool is_urgent)
{
    bool is_news = !metadata->is_stale || (is_urgent && !metadata->is_urgent);

    metadata->is_stale = true;
    metadata->is_urgent |= is_urgent;
    if (is_news || !timer_is_set(&metadata->timer))
        schedule(metadata);
}

void client_metadata_call_stale(struct client_metadata *metadata)
{
    want(metadata, false);
}

/* ---- waits */

enum verdict { GOES_ON, ENDS };

static bool has_all_leaders(const struct client_topic *topic)
{
    for (int32_t i = 0; i < topic->partitions_count; i++)
        if (topic->partitions[i].leader_id < 0)
            return false;
    return topic->partitions_count > 0;
}

static bool is_complete(const struct client_topic *topic)
{
    return topic->is_known && topic->error_code == KAFKA_NONE && has_all_leaders(topic);
}

static int16_t worst_error_of(const struct client_topic *topic)
{
    if (topic->error_code != KAFKA_NONE)
        return topic->error_code;
    for (int32_t i = 0; i < topic->partitions_count; i++)
        if (topic->partitions[i].leader_id < 0)
            return topic->partitions[i].error_code != KAFKA_NONE
                       ? topic->partitions[i].error_code
                       : (int16_t)KAFKA_LEADER_NOT_AVAILABLE;
    return KAFKA_NONE;
}

/* Nothing but another configuration would help; OK: time may. */
static enum err final_error_of(const struct client_metadata *metadata,
                               const struct client_topic *topic)
{
    switch (topic->error_code) {
    case KAFKA_TOPIC_AUTHORIZATION_FAILED:
        return ERR_PERMISSION;
    case KAFKA_INVALID_TOPIC_EXCEPTION:
        return ERR_INVALID;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
        return !metadata->options->allow_auto_create &&
                       known(topic)->missing_count >= MISSING_ANSWERS
                   ? ERR_NOT_FOUND
                   : OK;
    default:
        return OK;
    }
}

static enum verdict look_at_topic(struct client_metadata *metadata, struct client_wait *wait,
                                  enum err *err_out)
{
    const struct client_topic *topic = wait->subject;

    *err_out = OK;
    if (is_complete(topic))
        return ENDS;
    if (metadata->answers_count == wait->since || !topic->is_known)
        return GOES_ON;
    wait->kafka_error = worst_error_of(topic);
    *err_out = final_error_of(metadata, topic);
    return *err_out == OK ? GOES_ON : ENDS;
}

static bool is_controller_known(const struct client_metadata *metadata)
{
    return metadata->controller_id >= 0 &&
           client_nodes_knows(metadata->nodes, metadata->controller_id);
}

static enum verdict look_at(struct client_metadata *metadata, struct client_wait *wait,
                            enum err *err_out)
{
    if (wait->subject != NULL)
        return look_at_topic(metadata, wait, err_out);
    *err_out = OK;
    return is_controller_known(metadata) ? ENDS : GOES_ON;
}

static void look_at_all(struct client_metadata *metadata)
{
    list_for_each_safe(node, &metadata->waiting)
    {
        struct client_wait *wait = container_of(node, struct client_wait, node);
        enum err err;

        if (look_at(metadata, wait, &err) == ENDS)
            client_waits_end(metadata->ends, wait, err);
    }
}

static void begin_wait(struct client_metadata *metadata, struct client_wait *wait,
                       const struct client_topic *topic, uint32_t timeout_ms)
{
    enum err err;

    if (metadata->is_ending) {
        client_waits_refuse(metadata->ends, wait, ERR_CANCELED);
        return;
    }
    client_waits_begin(metadata->ends, wait, &metadata->waiting, topic, timeout_ms);
    wait->since = metadata->answers_count;
    if (look_at(metadata, wait, &err) == ENDS)
        client_waits_end(metadata->ends, wait, err);
    else
        want(metadata, false);
}

void client_metadata_wait_topic(struct client_metadata *metadata, struct client_wait *wait,
                                struct client_topic *topic, uint32_t timeout_ms)
{
    begin_wait(metadata, wait, topic, timeout_ms);
}

void client_metadata_wait_controller(struct client_metadata *metadata, struct client_wait *wait,
                                     uint32_t timeout_ms)
{
    begin_wait(metadata, wait, NULL, timeout_ms);
}

/* ---- taking an answer in */

static enum err take_id(struct client_metadata *metadata, struct client_topic *topic,
                        const struct uuid *id, bool *changed)
{
    enum err err;

    if (uuid_is_zero(id) || uuid_equal(id, &topic->id))
        return OK;
    if (!uuid_is_zero(&topic->id)) { /* it was made anew: epochs begin anew, too */
        hash_map_remove(&metadata->by_id, &topic->id, sizeof(topic->id));
        topic->partitions_count = 0;
    }
    topic->id = *id;
    *changed = true;
    err = hash_map_insert(&metadata->by_id, &topic->id, sizeof(topic->id), topic);
    if (err != OK)
        topic->id = (struct uuid){{0}};
    return err;
}

static enum err resize(struct client_topic *topic, int32_t count, bool *changed)
{
    struct client_partition *partitions = topic->partitions;

    if (count == topic->partitions_count)
        return OK;
    if (count > topic->partitions_count) {
        partitions = mem_try_realloc(partitions, (size_t)count * sizeof(*partitions));
        if (partitions == NULL)
            return ERR_NOMEM;
    }
    for (int32_t i = topic->partitions_count; i < count; i++)
        partitions[i] = (struct client_partition){.leader_id = -1, .leader_epoch = -1};
    topic->partitions = partitions;
    topic->partitions_count = count;
    *changed = true;
    return OK;
}

static void take_partition(struct client_partition *partition,
                           const struct metadata_response_partition *from, bool has_epochs,
                           bool *changed)
{
    int32_t epoch = has_epochs ? from->leader_epoch : -1;

    if (epoch >= 0 && epoch < partition->leader_epoch)
        return; /* MTD-3 */
    if (partition->leader_id != from->leader_id || partition->leader_epoch != epoch ||
        partition->error_code != from->error_code)
        *changed = true;
    partition->leader_id = from->leader_id;
    partition->leader_epoch = epoch;
    partition->error_code = from->error_code;
}

static enum err take_topic(struct client_metadata *metadata, struct client_metadata_topic *entry,
                           const struct metadata_response_topic *from, bool has_epochs,
                           bool *changed)
{
    struct client_topic *topic = &entry->topic;
    int32_t count = 0;
    enum err err;

    if (!topic->is_known || topic->error_code != from->error_code)
        *changed = true;
    topic->is_known = true;
    topic->error_code = from->error_code;
    entry->missing_count =
        from->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ? entry->missing_count + 1 : 0;
    if (from->error_code != KAFKA_NONE)
        return OK;
    for (int32_t i = 0; i < from->partitions.count; i++) {
        int32_t index = from->partitions.items[i].partition_index;

        if (index < 0 || index >= PARTITIONS_MAX)
            return ERR_MALFORMED;
        count = index + 1 > count ? index + 1 : count;
    }
    err = take_id(metadata, topic, &from->topic_id, changed);
    if (err == OK)
        err = resize(topic, count, changed);
    for (int32_t i = 0; i < from->partitions.count && err == OK; i++)
        take_partition(&topic->partitions[from->partitions.items[i].partition_index],
                       &from->partitions.items[i], has_epochs, changed);
    return err;
}

static enum err take(struct client_metadata *metadata, const struct metadata_response *response,
                     bool has_epochs, bool *changed)
{
    enum err err = OK;

    if (response->error_code != KAFKA_NONE || response->brokers.count <= 0)
        return ERR_AGAIN;
    err = client_nodes_take(metadata->nodes, response, changed);
    if (metadata->controller_id != response->controller_id)
        *changed = true;
    metadata->controller_id = response->controller_id;
    for (int32_t i = 0; i < response->topics.count && err == OK; i++) {
        const struct metadata_response_topic *from = &response->topics.items[i];
        struct client_metadata_topic *entry =
            from->name.text == NULL
                ? NULL
                : hash_map_find(&metadata->by_name, from->name.text, (size_t)from->name.size_bytes);

        if (entry != NULL)
            err = take_topic(metadata, entry, from, has_epochs, changed);
    }
    return err;
}

/* MTD-2 */
static bool is_wanting(const struct client_metadata *metadata)
{
    for (uint32_t i = 0; i < metadata->topics_count; i++) {
        const struct client_topic *topic = &metadata->topics[i]->topic;

        if (!topic->is_known ||
            (topic->error_code != KAFKA_NONE && kafka_error_is_retriable(topic->error_code)))
            return true;
        if (topic->error_code == KAFKA_NONE && !has_all_leaders(topic))
            return true;
    }
    return !list_is_empty(&metadata->waiting);
}

static void tell_listeners(struct client_metadata *metadata)
{
    struct list batch;
    struct list *node;

    list_init(&batch);
    list_splice_back(&batch, &metadata->listeners);
    while ((node = list_pop_front(&batch)) != NULL) {
        struct client_listener *listener = container_of(node, struct client_listener, node);

        list_push_back(&metadata->listeners, node); /* it may take itself off */
        listener->changed(listener);
    }
}

/* ---- asking */

static void on_answer(struct client_call *call, enum err err, const void *response)
{
    struct client_metadata *metadata = container_of(call, struct client_metadata, call);
    struct client_broker *broker = call->broker;
    bool changed = false;

    metadata->is_asking = false;
    if (metadata->is_ending)
        return;
    if (err == OK)
        err = take(metadata, response, call->version >= EPOCHS_MIN_VERSION, &changed);
    metadata->answered_ns = loop_now_ns(metadata->env->loop);
    if (err != OK) {
        if (client_nodes_blame(metadata->nodes, broker))
            metadata->is_urgent = true; /* the next one may do better */
        metadata->attempts++;
        want(metadata, false);
        schedule(metadata);
        return;
    }
    metadata->answers_count++;
    look_at_all(metadata);
    metadata->is_stale |= is_wanting(metadata);
    metadata->attempts = changed || !metadata->is_stale ? 0 : metadata->attempts + 1;
    schedule(metadata);
    if (changed) {
        metadata->version++;
        tell_listeners(metadata);
    }
}

static bool set_topics(struct client_metadata *metadata)
{
    struct metadata_request *request = &metadata->request;

    arena_reset(&metadata->arena);
    codec_set_defaults(&metadata_request_desc, request);
    request->allow_auto_topic_creation = metadata->options->allow_auto_create;
    request->topics.items =
        codec_new_array(&metadata_request_topic_struct, &metadata->arena, metadata->topics_count);
    if (request->topics.items == NULL)
        return false;
    request->topics.count = (int32_t)metadata->topics_count;
    for (uint32_t i = 0; i < metadata->topics_count; i++)
        request->topics.items[i].name = wire_string(metadata->topics[i]->name);
    return true;
}

/* A broker that cannot be told to make none makes them as it is configured to. */
static void on_version(struct client_call *call)
{
    struct client_metadata *metadata = container_of(call, struct client_metadata, call);

    if (call->version < 4)
        metadata->request.allow_auto_topic_creation = true;
}

static void on_timer(struct timer *timer)
{
    struct client_metadata *metadata = container_of(timer, struct client_metadata, timer);
    struct client_broker *broker = client_nodes_any(metadata->nodes);
    enum err err = set_topics(metadata) ? OK : ERR_NOMEM;

    metadata->call = (struct client_call){
        .key = API_METADATA,
        .max_version = INT16_MAX,
        .fails_with_connection = true,
        .request = &metadata->request,
        .prepare = on_version,
        .done = on_answer,
    };
    if (err == OK)
        err = client_broker_call(broker, &metadata->call);
    if (err != OK) { /* no memory, or all its calls are taken */
        metadata->answered_ns = loop_now_ns(metadata->env->loop);
        metadata->is_urgent = false;
        metadata->is_stale = true;
        metadata->attempts++;
        schedule(metadata);
        return;
    }
    metadata->is_asking = true;
    metadata->is_stale = false;
    metadata->is_urgent = false;
}

/* ---- topics */

static bool grow(struct client_metadata *metadata)
{
    uint32_t max = metadata->topics_max == 0 ? TOPICS_FIRST : metadata->topics_max * 2;
    struct client_metadata_topic **topics;

    if (metadata->topics_count < metadata->topics_max)
        return true;
    topics = mem_try_realloc(metadata->topics, max * sizeof(struct client_metadata_topic *));
    if (topics == NULL)
        return false;
    metadata->topics = topics;
    metadata->topics_max = max;
    return true;
}

struct client_topic *client_metadata_topic(struct client_metadata *metadata, const char *name)
{
    size_t name_bytes = strlen(name);
    struct client_metadata_topic *entry = hash_map_find(&metadata->by_name, name, name_bytes);

    if (entry != NULL)
        return &entry->topic;
    if (!grow(metadata))
        return NULL;
    entry = mem_try_alloc(sizeof(*entry) + name_bytes + 1);
    if (entry == NULL)
        return NULL;
    memcpy(entry->name, name, name_bytes);
    entry->topic.name = entry->name;
    entry->topic.index = metadata->topics_count;
    if (hash_map_insert(&metadata->by_name, entry->name, name_bytes, entry) != OK) {
        mem_free(entry);
        return NULL;
    }
    metadata->topics[metadata->topics_count++] = entry;
    want(metadata, true);
    return &entry->topic;
}

struct client_topic *client_metadata_topic_by_id(const struct client_metadata *metadata,
                                                 const struct uuid *id)
{
    return hash_map_find(&metadata->by_id, id, sizeof(*id));
}

/* ---- life */

void client_metadata_init(struct client_metadata *metadata)
{
    hash_map_init(&metadata->by_name, prng_u64(metadata->env->prng));
    hash_map_init(&metadata->by_id, prng_u64(metadata->env->prng));
    list_init(&metadata->waiting);
    list_init(&metadata->listeners);
    timer_init(&metadata->timer, on_timer);
    arena_init(&metadata->arena, REQUEST_BYTES_MAX);
    metadata->controller_id = -1;
}

void client_metadata_end(struct client_metadata *metadata)
{
    metadata->is_ending = true;
    loop_cancel_timer(metadata->env->loop, &metadata->timer);
    client_waits_end_all(metadata->ends, &metadata->waiting, ERR_CANCELED);
}

void client_metadata_deinit(struct client_metadata *metadata)
{
    for (uint32_t i = 0; i < metadata->topics_count; i++) {
        mem_free(metadata->topics[i]->topic.partitions);
        mem_free(metadata->topics[i]);
    }
    mem_free(metadata->topics);
    hash_map_deinit(&metadata->by_name);
    hash_map_deinit(&metadata->by_id);
    arena_deinit(&metadata->arena);
}
