#include "net/client/client_subscription.h"

enum { VERSION = 3, USER_DATA_BYTES = 4, VERSION_WITH_GENERATION = 2 };

static enum err encode(const struct message_desc *desc, const void *message, struct arena *arena,
                       struct wire_bytes *out)
{
    struct wire_writer writer;
    enum err err;

    wire_writer_init(&writer, arena);
    wire_write_int16(&writer, VERSION);
    err = codec_encode(desc, VERSION, message, &writer);
    return err == OK ? wire_writer_flatten(&writer, out) : err;
}

/* *version_out: as the bytes say; newer ones than ours are read as ours. */
static enum err decode(const struct message_desc *desc, struct wire_bytes bytes,
                       struct arena *arena, int16_t *version_out, void *out)
{
    struct wire_reader reader;
    enum err err;

    wire_reader_init(&reader, bytes.bytes, (size_t)bytes.size_bytes);
    err = wire_read_int16(&reader, version_out);
    if (err == OK && *version_out < 0)
        err = ERR_MALFORMED;
    if (err != OK)
        return err;
    return codec_decode(desc, *version_out < VERSION ? *version_out : VERSION, &reader, arena, out);
}

/* ---- subscriptions */

static enum err put_owned(struct consumer_protocol_subscription *subscription,
                          const struct client_member_partition *owned, uint32_t owned_count,
                          struct arena *arena)
{
    struct consumer_protocol_subscription_topic_partition *topic = NULL;
    int32_t *partitions = arena_alloc_array(arena, owned_count, sizeof(*partitions));

    subscription->owned_partitions.items =
        codec_new_array(&consumer_protocol_subscription_topic_partition_struct, arena, owned_count);
    if (partitions == NULL || subscription->owned_partitions.items == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < owned_count; i++) {
        if (i == 0 || owned[i].topic != owned[i - 1].topic) {
            topic = &subscription->owned_partitions.items[subscription->owned_partitions.count++];
            topic->topic = wire_string(owned[i].topic->name);
            topic->partitions.items = &partitions[i];
        }
        partitions[i] = owned[i].partition;
        topic->partitions.count++;
    }
    return OK;
}

enum err client_subscription_encode(struct client_topic *const *topics, uint32_t topics_count,
                                    const struct client_member_partition *owned,
                                    uint32_t owned_count, int32_t generation, bool is_cooperative,
                                    struct arena *arena, struct wire_bytes *out)
{
    struct consumer_protocol_subscription subscription;
    uint8_t user_data[USER_DATA_BYTES];
    enum err err;

    codec_set_defaults(&consumer_protocol_subscription_desc, &subscription);
    subscription.topics.items =
        arena_alloc_array(arena, topics_count, sizeof(*subscription.topics.items));
    if (subscription.topics.items == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < topics_count; i++)
        subscription.topics.items[subscription.topics.count++] = wire_string(topics[i]->name);
    subscription.generation_id = generation;
    if (is_cooperative) {
        for (int i = 0; i < USER_DATA_BYTES; i++)
            user_data[i] = (uint8_t)((uint32_t)generation >> (8 * (USER_DATA_BYTES - 1 - i)));
        subscription.user_data = (struct wire_bytes){user_data, USER_DATA_BYTES};
    }
    err = put_owned(&subscription, owned, owned_count, arena);
    return err == OK ? encode(&consumer_protocol_subscription_desc, &subscription, arena, out)
                     : err;
}

enum err client_subscription_decode(struct wire_bytes bytes, bool is_cooperative,
                                    struct arena *arena, struct consumer_protocol_subscription *out)
{
    struct wire_reader reader;
    int16_t version;
    int32_t generation;
    enum err err = decode(&consumer_protocol_subscription_desc, bytes, arena, &version, out);

    if (err != OK || !is_cooperative || version >= VERSION_WITH_GENERATION ||
        out->user_data.bytes == NULL)
        return err;
    wire_reader_init(&reader, out->user_data.bytes, (size_t)out->user_data.size_bytes);
    if (wire_read_int32(&reader, &generation) == OK)
        out->generation_id = generation;
    return OK;
}

/* ---- assignments */

enum err client_subscription_encode_assignment(
    const struct consumer_protocol_assignment *assignment, struct arena *arena,
    struct wire_bytes *out)
{
    return encode(&consumer_protocol_assignment_desc, assignment, arena, out);
}

enum err client_subscription_decode_assignment(struct wire_bytes bytes, struct arena *arena,
                                               struct consumer_protocol_assignment *out)
{
    int16_t version;

    if (bytes.size_bytes > 0)
        return decode(&consumer_protocol_assignment_desc, bytes, arena, &version, out);
    codec_set_defaults(&consumer_protocol_assignment_desc, out);
    return OK;
}
