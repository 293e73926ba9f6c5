#include "broker/produce_names.h"

#include "base/hash_map.h"
#include "net/protocol/msg_produce.h"

typedef struct produce_request_topic_produce_data asked_topic;
typedef struct produce_request_partition_produce_data asked_partition;

static enum err check_partitions(const struct request *request, const asked_topic *asked)
{
    struct hash_map seen;
    enum err err = OK;

    if (asked->partition_data.count <= 1)
        return OK;
    hash_map_init(&seen, prng_u64(&request->home->prng));
    for (int32_t i = 0; i < asked->partition_data.count && err == OK; i++) {
        asked_partition *partition = &asked->partition_data.items[i];
        err = hash_map_insert(&seen, &partition->index, sizeof(partition->index), partition);
    }
    hash_map_deinit(&seen);
    return err;
}

static enum err check_topics(const struct request *request)
{
    const struct produce_request *body = request->body;
    bool by_id = request->api_version >= 13;
    struct hash_map seen;
    enum err err = OK;

    if (body->topic_data.count <= 1)
        return OK;
    hash_map_init(&seen, prng_u64(&request->home->prng));
    for (int32_t i = 0; i < body->topic_data.count && err == OK; i++) {
        asked_topic *asked = &body->topic_data.items[i];
        const void *key = by_id ? (const void *)&asked->topic_id : asked->name.text;
        size_t key_bytes = by_id ? sizeof(asked->topic_id) : (size_t)asked->name.size_bytes;
        err = hash_map_insert(&seen, key, key_bytes, asked);
    }
    hash_map_deinit(&seen);
    return err;
}

enum err produce_names_check(const struct request *request)
{
    const struct produce_request *body = request->body;
    enum err err = check_topics(request);

    for (int32_t i = 0; i < body->topic_data.count && err == OK; i++)
        err = check_partitions(request, &body->topic_data.items[i]);
    return err;
}
