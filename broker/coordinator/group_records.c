/* Groups as records of __consumer_offsets, and back (Kafka's GroupCoordinatorRecordHelpers). */
#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_offsets.h"
#include "net/protocol/kafka_tables.h"
#include "net/protocol/msg_group_metadata_record.h"
#include "net/protocol/msg_legacy_offset_commit_record.h"
#include "net/protocol/msg_offset_commit_record.h"

#include <string.h>

enum {
    TYPE_OFFSET_COMMIT_OLD = 0, /* from before Kafka 0.9 */
    TYPE_OFFSET_COMMIT = 1,
    TYPE_GROUP_METADATA = 2,
    GROUP_METADATA_VERSION = 3,
    OFFSET_COMMIT_VERSION = 4, /* has the topic's id */
    OFFSET_COMMIT_EXPIRING_VERSION = 1,
    ARENA_BYTES = 64 << 20,
    MEMBER_BYTES =
        sizeof(struct group_member) + 128, /* but for its texts; no more than group.c counts */
};

static struct wire_string text(const char *value)
{
    return wire_string(value);
}

static struct wire_bytes bytes_of(struct group_bytes value)
{
    static const uint8_t none[1];

    return (struct wire_bytes){value.bytes == NULL ? none : value.bytes, value.size_bytes};
}

/* assignments: by member, NULL: those that they have.  leader NULL: there are none yet, and a start
 * goes on with the rebalance. */
static void write_group(const struct group *group, struct state_write *write, int32_t generation,
                        const char *protocol, const char *leader,
                        const struct group_bytes *assignments)
{
    struct group_metadata_key key;
    struct group_metadata_value value;
    struct group_metadata_value_member_metadata *members =
        mem_try_alloc(group->member_count * sizeof(*members));
    uint32_t count = 0;

    if (members == NULL) {
        state_write_fail(write, ERR_NOMEM);
        return;
    }
    codec_set_defaults(&group_metadata_key_desc, &key);
    codec_set_defaults(&group_metadata_value_desc, &value);
    key.group = (struct wire_string){group->id, (int32_t)group->id_bytes};
    value.protocol_type = text(group->protocol_type == NULL ? "" : group->protocol_type);
    value.generation = generation;
    value.protocol = text(group->member_count == 0 ? NULL : protocol);
    value.leader = text(group->member_count == 0 ? NULL : leader);
    value.current_state_timestamp = group->state_timestamp_ms;
    list_for_each(node, &group->members)
    {
        const struct group_member *member = container_of(node, struct group_member, node);
        const struct group_terms *terms = &member->terms;
        struct group_metadata_value_member_metadata *out = &members[count];
        codec_set_struct_defaults(&group_metadata_value_member_metadata_struct, out);
        out->member_id = text(member->id);
        out->group_instance_id = text(member->instance_id);
        out->client_id = text(terms->client_id == NULL ? "" : terms->client_id);
        out->client_host = text(terms->client_host == NULL ? "" : terms->client_host);
        out->rebalance_timeout = terms->rebalance_timeout_ms;
        out->session_timeout = terms->session_timeout_ms;
        out->subscription = bytes_of(group_terms_metadata(terms, protocol));
        out->assignment = bytes_of(leader == NULL        ? (struct group_bytes){0}
                                   : assignments == NULL ? member->assignment
                                                         : assignments[count]);
        count++;
    }
    value.members.items = members;
    value.members.count = (int32_t)count;
    state_write_add(write, TYPE_GROUP_METADATA, &key, GROUP_METADATA_VERSION, &value);
    mem_free(members);
}

void group_write_metadata(struct group *group, struct state_write *write,
                          const struct group_bytes *assignments)
{
    write_group(group, write, group->generation, group->protocol, group_leader_id(group),
                assignments);
}

void group_write_generation(struct group *group, struct state_write *write, int32_t generation)
{
    write_group(group, write, generation, group_vote(group), NULL, NULL);
}

void group_write_tombstone(struct group *group, struct state_write *write)
{
    struct group_metadata_key key;

    codec_set_defaults(&group_metadata_key_desc, &key);
    key.group = (struct wire_string){group->id, (int32_t)group->id_bytes};
    state_write_add(write, TYPE_GROUP_METADATA, &key, 0, NULL);
}

static void fill_offset_key(const struct group *group, const char *topic, int32_t partition,
                            struct offset_commit_key *key)
{
    codec_set_defaults(&offset_commit_key_desc, key);
    key->group = (struct wire_string){group->id, (int32_t)group->id_bytes};
    key->topic = text(topic);
    key->partition = partition;
}

void group_write_offset(struct group *group, struct state_write *write, const char *topic,
                        const struct uuid *topic_id, int32_t partition, int64_t offset,
                        int32_t leader_epoch, struct wire_string metadata, int64_t commit_ms,
                        int64_t expire_ms)
{
    struct offset_commit_key key;
    struct offset_commit_value value;

    fill_offset_key(group, topic, partition, &key);
    codec_set_defaults(&offset_commit_value_desc, &value);
    value.offset = offset;
    value.leader_epoch = leader_epoch;
    value.metadata = metadata.text == NULL ? text("") : metadata;
    value.commit_timestamp = commit_ms;
    value.expire_timestamp = expire_ms;
    value.topic_id = *topic_id;
    state_write_add(write, TYPE_OFFSET_COMMIT, &key,
                    expire_ms >= 0 ? OFFSET_COMMIT_EXPIRING_VERSION : OFFSET_COMMIT_VERSION,
                    &value);
}

void group_write_offset_tombstone(struct group *group, struct state_write *write, const char *topic,
                                  int32_t partition)
{
    struct offset_commit_key key;

    fill_offset_key(group, topic, partition, &key);
    state_write_add(write, TYPE_OFFSET_COMMIT, &key, 0, NULL);
}

/* ---- applying */

static enum err decode_value(const struct record_desc *desc, const uint8_t *value,
                             int32_t value_bytes, struct arena *arena, void *out)
{
    struct wire_reader reader;
    int16_t version;
    enum err err;

    wire_reader_init(&reader, value, (size_t)value_bytes);
    err = record_read_value_version(&reader, desc, &version);
    return err == OK ? codec_decode(desc->value, version, &reader, arena, out) : err;
}

static enum err take_text(struct wire_string value, char **out)
{
    *out = value.text == NULL ? NULL : mem_try_strndup(value.text, (size_t)value.size_bytes);
    return *out == NULL && value.text != NULL ? ERR_NOMEM : OK;
}

/* With the protocol that the group has chosen, which is all that a record tells. */
static enum err terms_of(struct group *group,
                         const struct group_metadata_value_member_metadata *from,
                         struct group_terms *out)
{
    const char *protocol = group->protocol == NULL ? "" : group->protocol;

    *out = (struct group_terms){.session_timeout_ms = from->session_timeout,
                                .rebalance_timeout_ms = from->rebalance_timeout < 0
                                                            ? from->session_timeout
                                                            : from->rebalance_timeout};
    if (group_terms_begin_protocols(out, &group->protocol_names, 1) &&
        group_terms_add_protocol(out, protocol, strlen(protocol), from->subscription.bytes,
                                 from->subscription.size_bytes) &&
        take_text(from->client_id, &out->client_id) == OK &&
        take_text(from->client_host, &out->client_host) == OK)
        return OK;
    group_terms_deinit(out);
    return ERR_NOMEM;
}

static enum err apply_member(struct group *group,
                             const struct group_metadata_value_member_metadata *from)
{
    struct group_member *member = NULL;
    struct group_terms terms;

    if (terms_of(group, from, &terms) == OK)
        member = group_add_member(group, from->member_id, from->group_instance_id, &terms);
    group_terms_deinit(&terms);
    if (member == NULL ||
        !group_bytes_copy(from->assignment.bytes, from->assignment.size_bytes, &member->assignment))
        return ERR_NOMEM;
    member->synced = true;
    group_count_member(member);
    return OK;
}

static uint64_t text_bytes(struct wire_string value)
{
    return value.size_bytes > 0 ? (uint64_t)value.size_bytes + 1 : 0;
}

/* Is there room for them in the groups' budget?  When they came they were admitted, but by a limit
 * that may have been another one. */
static bool members_fit(const struct group *group, const struct group_metadata_value *value)
{
    uint64_t bytes = 0;

    for (int32_t i = 0; i < value->members.count; i++) {
        const struct group_metadata_value_member_metadata *from = &value->members.items[i];
        bytes += MEMBER_BYTES + text_bytes(from->member_id) + text_bytes(from->group_instance_id) +
                 text_bytes(from->client_id) + text_bytes(from->client_host) +
                 (uint64_t)from->subscription.size_bytes + (uint64_t)from->assignment.size_bytes;
    }
    return bytes <= budget_room_bytes(group->budget);
}

/* It is empty from now on: members that are asked for their heartbeats join again, and what the
 * group has committed stays as long as if they had left just now (G7). */
static enum err apply_without_members(struct group *group, const struct group_metadata_value *value)
{
    char *type;
    enum err err = take_text(value->protocol_type, &type);

    if (err != OK)
        return err;
    group_set_text(&group->protocol_type, type);
    group_set_text(&group->protocol, NULL);
    group->leader = NULL;
    group->has_lost_members = true;
    group->state_timestamp_ms = clock_wall_ms(group->coordinator->shard->clock);
    return OK;
}

/* Where memory ends the group is as far as it came: its partition is not served then. */
static enum err apply_members(struct group *group, const struct group_metadata_value *value)
{
    char *type;
    char *protocol;
    enum err err = take_text(value->protocol_type, &type);

    if (err != OK)
        return err;
    group_set_text(&group->protocol_type, type);
    err = take_text(value->protocol.text == NULL && value->members.count > 0 ? text("")
                                                                             : value->protocol,
                    &protocol);
    if (err != OK)
        return err;
    group_set_text(&group->protocol, protocol);
    for (int32_t i = 0; err == OK && i < value->members.count; i++)
        err = apply_member(group, &value->members.items[i]);
    return err;
}

static enum err apply_group(struct group_coordinator *groups, struct wire_string id,
                            const struct group_metadata_value *value)
{
    struct group *group =
        value == NULL ? coordinator_find(groups, id) : coordinator_get(groups, id);
    enum err err;

    if (group == NULL)
        return value == NULL ? OK : ERR_NOMEM;
    while (!list_is_empty(&group->members))
        group_remove_member(list_first(&group->members, struct group_member, node));
    group->state = GROUP_EMPTY;
    group->has_lost_members = false;
    if (value == NULL) {
        group_reset(group);
        coordinator_drop_if_idle(group);
        return OK;
    }
    if (value->generation > group->generation ||
        (group->generation == INT32_MAX && value->generation > 0))
        group->generation = value->generation; /* U1 */
    if (value->members.count > 0 && !members_fit(group, value))
        return apply_without_members(group, value);
    group->state_timestamp_ms = value->current_state_timestamp;
    err = apply_members(group, value);
    if (err != OK)
        return err;
    group->leader = group_find(group, value->leader);
    if (group->member_count > 0) /* without a leader: it never had its assignment */
        group->state = group->leader == NULL ? GROUP_PREPARING : GROUP_STABLE;
    return OK;
}

static enum err apply_offset(struct group_coordinator *groups, const struct offset_commit_key *key,
                             const struct offset_commit_value *value)
{
    struct group *group =
        value == NULL ? coordinator_find(groups, key->group) : coordinator_get(groups, key->group);
    char topic[256];

    if (group == NULL)
        return value == NULL ? OK : ERR_NOMEM;
    if (key->topic.size_bytes <= 0 || key->topic.size_bytes >= (int32_t)sizeof(topic) ||
        memchr(key->topic.text, '\0', (size_t)key->topic.size_bytes) != NULL)
        return ERR_CORRUPT; /* no topic is called so */
    memcpy(topic, key->topic.text, (size_t)key->topic.size_bytes);
    topic[key->topic.size_bytes] = '\0';
    if (value == NULL) {
        group_remove_offset(group, topic, key->partition);
        coordinator_drop_if_idle(group);
    } else {
        return group_set_offset(group, topic, &value->topic_id, key->partition, value->offset,
                                value->leader_epoch, value->metadata, value->commit_timestamp,
                                value->expire_timestamp);
    }
    return OK;
}

static enum err apply_old_offset(struct group_coordinator *groups,
                                 const struct legacy_offset_commit_key *old_key,
                                 const struct legacy_offset_commit_value *old_value)
{
    struct offset_commit_key key = {old_key->group, old_key->topic, old_key->partition};
    struct offset_commit_value value;

    codec_set_defaults(&offset_commit_value_desc, &value);
    if (old_value != NULL) {
        value.offset = old_value->offset;
        value.metadata = old_value->metadata;
        value.commit_timestamp = old_value->commit_timestamp;
    }
    return apply_offset(groups, &key, old_value == NULL ? NULL : &value);
}

static enum err apply(struct group_coordinator *groups, const struct record_desc *desc,
                      struct wire_reader *key_reader, const uint8_t *value, int32_t value_bytes,
                      struct arena *arena)
{
    void *key_body = arena_alloc(arena, desc->key->body->size_bytes);
    void *value_body = arena_alloc(arena, desc->value->body->size_bytes);
    enum err err = key_body == NULL || value_body == NULL
                       ? ERR_NOMEM
                       : codec_decode(desc->key, 0, key_reader, arena, key_body);

    if (err == OK && value_bytes >= 0)
        err = decode_value(desc, value, value_bytes, arena, value_body);
    if (err != OK)
        return err;
    if (value_bytes < 0)
        value_body = NULL;
    switch (desc->type) {
    case TYPE_OFFSET_COMMIT_OLD:
        return apply_old_offset(groups, key_body, value_body);
    case TYPE_OFFSET_COMMIT:
        return apply_offset(groups, key_body, value_body);
    case TYPE_GROUP_METADATA:
        return apply_group(groups, ((const struct group_metadata_key *)key_body)->group,
                           value_body);
    default:
        return OK; /* groups of the newer protocols, which are not served here */
    }
}

enum err group_apply_record(struct group_coordinator *groups, const uint8_t *key, int32_t key_bytes,
                            const uint8_t *value, int32_t value_bytes)
{
    const struct record_desc *desc;
    struct wire_reader reader;
    struct arena arena;
    enum err err;

    if (key_bytes < 0)
        return ERR_CORRUPT;
    wire_reader_init(&reader, key, (size_t)key_bytes);
    err = record_read_key_type(&reader, RECORD_GROUP, &desc);
    if (err == ERR_NOT_FOUND)
        return OK; /* Kafka skips what it does not know, too */
    if (err != OK)
        return err;
    arena_init(&arena, ARENA_BYTES);
    err = apply(groups, desc, &reader, value, value_bytes, &arena);
    arena_deinit(&arena);
    return err;
}
