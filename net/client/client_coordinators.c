#include "net/client/client_coordinators.h"

#include "base/mem.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_find_coordinator.h"

#include <string.h>

enum { KEYS_MIN_VERSION = 4, KEY_TYPE_MIN_VERSION = 1, ID_BYTES_MAX = 1 + WIRE_STRING_BYTES_MAX };

struct client_coordinator {
    struct client_coordinators *owner;
    struct list waiting; /* of client_wait.node */
    struct timer retry;
    struct client_call call;
    struct find_coordinator_request request;
    struct wire_string key;
    uint32_t attempts;
    int32_t node_id; /* -1: not known */
    bool is_asking;
    uint32_t id_bytes;
    char id[]; /* the kind, then the key */
};

static struct client_coordinator *find(const struct client_coordinators *coordinators,
                                       enum client_coordinator_kind kind, const char *key)
{
    char id[ID_BYTES_MAX];
    size_t key_bytes = strlen(key);

    if (key_bytes + 1 > sizeof(id))
        return NULL;
    id[0] = (char)kind;
    memcpy(id + 1, key, key_bytes);
    return hash_map_find(&coordinators->by_key, id, key_bytes + 1);
}

static struct client_coordinator *create(struct client_coordinators *coordinators,
                                         enum client_coordinator_kind kind, const char *key);

static void destroy(struct client_coordinator *entry)
{
    loop_cancel_timer(entry->owner->env->loop, &entry->retry);
    hash_map_remove(&entry->owner->by_key, entry->id, entry->id_bytes);
    mem_free(entry);
}

/* COO-3 */
static void destroy_if_idle(struct client_coordinator *entry)
{
    if (entry->node_id < 0 && !entry->is_asking && list_is_empty(&entry->waiting))
        destroy(entry);
}

static bool is_known(const struct client_coordinator *entry)
{
    return entry->node_id >= 0 && client_nodes_knows(entry->owner->nodes, entry->node_id);
}

/* ---- asking */

static void ask(struct client_coordinator *entry);

static void ask_later(struct client_coordinator *entry)
{
    const struct client_coordinators *owner = entry->owner;
    uint64_t delay_ms = dial_backoff_ms(owner->env->prng, owner->options->retry_first_ms,
                                        owner->options->retry_max_ms, entry->attempts++);

    loop_set_timer_ms(owner->env->loop, &entry->retry, delay_ms);
}

static void on_retry(struct timer *timer)
{
    struct client_coordinator *entry = container_of(timer, struct client_coordinator, retry);

    if (list_is_empty(&entry->waiting))
        destroy_if_idle(entry);
    else
        ask(entry);
}

static enum err err_of(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_NONE:
        return OK;
    case KAFKA_GROUP_AUTHORIZATION_FAILED:
    case KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return ERR_PERMISSION;
    default:
        return kafka_error_is_retriable(error_code) ? ERR_AGAIN : ERR_INVALID;
    }
}

static void set_kafka_errors(struct client_coordinator *entry, int16_t error_code)
{
    list_for_each(node, &entry->waiting)
    {
        container_of(node, struct client_wait, node)->kafka_error = error_code;
    }
}

/* One of the answer's, in the form that both kinds of versions have. */
static enum err take(struct client_coordinator *entry, int16_t error_code, int32_t node_id,
                     struct wire_string host, int32_t port)
{
    enum err err = err_of(error_code);
    bool changed;

    set_kafka_errors(entry, error_code);
    if (err == OK)
        err = client_nodes_learn(entry->owner->nodes, node_id, host.text, (size_t)host.size_bytes,
                                 port, &changed);
    if (err == ERR_INVALID && error_code == KAFKA_NONE)
        err = ERR_AGAIN; /* no address: it is not there yet */
    if (err == OK)
        entry->node_id = node_id;
    return err;
}

static void on_answer(struct client_call *call, enum err err, const void *response)
{
    struct client_coordinator *entry = container_of(call, struct client_coordinator, call);
    const struct find_coordinator_response *answer = response;
    struct client_coordinators *owner = entry->owner;

    entry->is_asking = false;
    if (owner->is_ending) {
        destroy(entry);
        return;
    }
    if (err == ERR_UNSUPPORTED) {
        client_waits_end_all(owner->ends, &entry->waiting, err);
    } else if (err != OK) {
        (void)client_nodes_blame(owner->nodes, call->broker);
        err = ERR_AGAIN;
    } else if (call->version < KEYS_MIN_VERSION) {
        err = take(entry, answer->error_code, answer->node_id, answer->host, answer->port);
    } else if (answer->coordinators.count == 1) {
        const struct find_coordinator_response_coordinator *one = answer->coordinators.items;
        err = take(entry, one->error_code, one->node_id, one->host, one->port);
    } else {
        err = ERR_AGAIN;
    }
    if (err != ERR_AGAIN && err != ERR_NOMEM) {
        entry->attempts = 0;
        client_waits_end_all(owner->ends, &entry->waiting, err);
    } else if (!list_is_empty(&entry->waiting)) {
        ask_later(entry);
    }
    destroy_if_idle(entry);
}

static void on_version(struct client_call *call)
{
    struct client_coordinator *entry = container_of(call, struct client_coordinator, call);
    struct find_coordinator_request *request = &entry->request;

    codec_set_defaults(&find_coordinator_request_desc, request);
    if (call->version >= KEY_TYPE_MIN_VERSION)
        request->key_type = (int8_t)entry->id[0];
    if (call->version < KEYS_MIN_VERSION) {
        request->key = entry->key;
    } else {
        request->coordinator_keys.items = &entry->key;
        request->coordinator_keys.count = 1;
    }
}

static void ask(struct client_coordinator *entry)
{
    enum err err;

    loop_cancel_timer(entry->owner->env->loop, &entry->retry);
    entry->call = (struct client_call){
        .key = API_FIND_COORDINATOR,
        .max_version = INT16_MAX,
        .fails_with_connection = true,
        .request = &entry->request,
        .prepare = on_version,
        .done = on_answer,
    };
    err = client_broker_call(client_nodes_any(entry->owner->nodes), &entry->call);
    if (err == OK)
        entry->is_asking = true;
    else
        ask_later(entry);
}

/* ---- the verbs */

static struct client_coordinator *create(struct client_coordinators *coordinators,
                                         enum client_coordinator_kind kind, const char *key)
{
    size_t key_bytes = strlen(key);
    struct client_coordinator *entry = mem_try_alloc(sizeof(*entry) + key_bytes + 1);

    if (entry == NULL)
        return NULL;
    entry->owner = coordinators;
    entry->node_id = -1;
    entry->id[0] = (char)kind;
    memcpy(entry->id + 1, key, key_bytes);
    entry->id_bytes = (uint32_t)(key_bytes + 1);
    entry->key = (struct wire_string){entry->id + 1, (int32_t)key_bytes};
    list_init(&entry->waiting);
    timer_init(&entry->retry, on_retry);
    if (hash_map_insert(&coordinators->by_key, entry->id, entry->id_bytes, entry) != OK) {
        mem_free(entry);
        return NULL;
    }
    return entry;
}

void client_coordinators_find(struct client_coordinators *coordinators, struct client_wait *wait,
                              enum client_coordinator_kind kind, const char *key,
                              uint32_t timeout_ms)
{
    struct client_coordinator *entry = find(coordinators, kind, key);

    if (coordinators->is_ending) {
        client_waits_refuse(coordinators->ends, wait, ERR_CANCELED);
        return;
    }
    if (strlen(key) > WIRE_STRING_BYTES_MAX) {
        client_waits_refuse(coordinators->ends, wait, ERR_INVALID);
        return;
    }
    if (entry == NULL)
        entry = create(coordinators, kind, key);
    if (entry == NULL) {
        client_waits_refuse(coordinators->ends, wait, ERR_NOMEM);
        return;
    }
    client_waits_begin(coordinators->ends, wait, &entry->waiting, entry, timeout_ms);
    if (is_known(entry))
        client_waits_end(coordinators->ends, wait, OK);
    else if (!entry->is_asking && !timer_is_set(&entry->retry))
        ask(entry);
}

struct client_broker *client_coordinators_get(struct client_coordinators *coordinators,
                                              enum client_coordinator_kind kind, const char *key)
{
    const struct client_coordinator *entry = find(coordinators, kind, key);

    return entry == NULL || entry->node_id < 0
               ? NULL
               : client_nodes_broker(coordinators->nodes, entry->node_id, CLIENT_LANE_COORDINATOR);
}

void client_coordinators_forget(struct client_coordinators *coordinators,
                                enum client_coordinator_kind kind, const char *key)
{
    struct client_coordinator *entry = find(coordinators, kind, key);

    if (entry == NULL)
        return;
    entry->node_id = -1;
    destroy_if_idle(entry);
}

/* ---- life */

void client_coordinators_init(struct client_coordinators *coordinators)
{
    hash_map_init(&coordinators->by_key, prng_u64(coordinators->env->prng));
}

void client_coordinators_end(struct client_coordinators *coordinators)
{
    struct client_coordinator *entry;
    size_t cursor = 0;

    coordinators->is_ending = true;
    while ((entry = hash_map_next(&coordinators->by_key, &cursor)) != NULL) {
        loop_cancel_timer(coordinators->env->loop, &entry->retry);
        client_waits_end_all(coordinators->ends, &entry->waiting, ERR_CANCELED);
        if (!entry->is_asking)
            destroy(entry);
    }
}

void client_coordinators_deinit(struct client_coordinators *coordinators)
{
    hash_map_deinit(&coordinators->by_key);
}
