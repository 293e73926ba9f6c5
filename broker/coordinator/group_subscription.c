#include "broker/coordinator/group_subscription.h"

#include <string.h>

bool group_is_of_consumers(const struct group *group)
{
    return group->protocol_type != NULL && strcmp(group->protocol_type, "consumer") == 0;
}

/* A version, which does not matter: all begin with the topics. */
static enum err add_member(struct group_subscription *subscription, struct group_bytes metadata)
{
    struct wire_reader reader;
    int16_t version;
    int32_t count;
    enum err err;

    if (metadata.size_bytes == 0) /* null, too */
        return ERR_MALFORMED;
    wire_reader_init(&reader, metadata.bytes, (size_t)metadata.size_bytes);
    err = wire_read_int16(&reader, &version);
    if (err == OK)
        err = wire_read_int32(&reader, &count);
    for (int32_t i = 0; err == OK && i < count; i++) {
        struct wire_string topic;
        err = wire_read_string(&reader, false, &topic);
        if (err == OK && topic.text == NULL)
            err = ERR_MALFORMED;
        if (err == OK)
            err = hash_map_insert(&subscription->topics, topic.text, (size_t)topic.size_bytes,
                                  subscription);
        if (err == ERR_EXISTS)
            err = OK;
    }
    return err;
}

void group_subscription_init(struct group_subscription *subscription, const struct group *group,
                             uint64_t seed)
{
    hash_map_init(&subscription->topics, seed);
    subscription->is_of_consumers = group_is_of_consumers(group);
    subscription->is_known = subscription->is_of_consumers;
    list_for_each(node, &group->members)
    {
        const struct group_member *member = container_of(node, struct group_member, node);
        if (subscription->is_known)
            subscription->is_known =
                add_member(subscription, group_terms_metadata(&member->terms, group->protocol)) ==
                OK;
    }
}

void group_subscription_deinit(struct group_subscription *subscription)
{
    hash_map_deinit(&subscription->topics);
}

bool group_subscription_has(const struct group_subscription *subscription, const char *topic)
{
    if (!subscription->is_known)
        return subscription->is_of_consumers;
    return hash_map_find(&subscription->topics, topic, strlen(topic)) != NULL;
}
