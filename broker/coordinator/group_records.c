#include "broker/coordinator/group_records.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_commit.h"
#include "broker/coordinator/group_move.h"
#include "broker/coordinator/group_pending_offsets.h"
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
static void add_group(struct group_write *write, int32_t generation, const char *protocol,
                      const char *leader, const struct group_bytes *assignments)
{
    const struct group *group = write->group;
    struct group_metadata_key key;
    struct group_metadata_value value;
    struct group_metadata_value_member_metadata *members =
        mem_try_alloc(group->member_count * sizeof(*members));
    uint32_t count = 0;

    if (members == NULL) {
        runtime_write_fail(&write->records, ERR_NOMEM);
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
    runtime_write_add(&write->records, TYPE_GROUP_METADATA, &key, GROUP_METADATA_VERSION, &value);
    mem_free(members);
}

void group_records_metadata(struct group_write *write, const struct group_bytes *assignments)
{
    const struct group *group = write->group;

    add_group(write, group->generation, group->protocol, group_leader_id(group), assignments);
}

void group_records_generation(struct group_write *write, int32_t generation)
{
    add_group(write, generation, group_vote(write->group), NULL, NULL);
}

void group_records_tombstone(struct group_write *write)
{
    const struct group *group = write->group;
    struct group_metadata_key key;

    codec_set_defaults(&group_metadata_key_desc, &key);
    key.group = (struct wire_string){group->id, (int32_t)group->id_bytes};
    runtime_write_add(&write->records, TYPE_GROUP_METADATA, &key, 0, NULL);
}

static void fill_offset_key(const struct group *group, const char *topic, int32_t partition,
                            struct offset_commit_key *key)
{
    codec_set_defaults(&offset_commit_key_desc, key);
    key->group = (struct wire_string){group->id, (int32_t)group->id_bytes};
    key->topic = text(topic);
    key->partition = partition;
}

void group_records_offset(struct group_write *write, const char *topic, const struct uuid *topic_id,
                          int32_t partition, int64_t offset, int32_t leader_epoch,
                          struct wire_string metadata, int64_t commit_ms, int64_t expire_ms)
{
    struct offset_commit_key key;
    struct offset_commit_value value;

    fill_offset_key(write->group, topic, partition, &key);
    codec_set_defaults(&offset_commit_value_desc, &value);
    value.offset = offset;
    value.leader_epoch = leader_epoch;
    value.metadata = metadata.text == NULL ? text("") : metadata;
    value.commit_timestamp = commit_ms;
    value.expire_timestamp = expire_ms;
    value.topic_id = *topic_id;
    runtime_write_add(&write->records, TYPE_OFFSET_COMMIT, &key,
                      expire_ms >= 0 ? OFFSET_COMMIT_EXPIRING_VERSION : OFFSET_COMMIT_VERSION,
                      &value);
}

void group_records_offset_tombstone(struct group_write *write, const char *topic, int32_t partition)
{
    struct offset_commit_key key;

    fill_offset_key(write->group, topic, partition, &key);
    runtime_write_add(&write->records, TYPE_OFFSET_COMMIT, &key, 0, NULL);
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
 * group has committed stays as long as if they had left just now (DUR-G7). */
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

/* It is made when there is none; NULL: there is no memory. */
static struct group *get_group(struct group_coordinator *groups, struct wire_string id,
                               const struct runtime_record *record)
{
    struct group *group = coordinator_get(groups, id);

    if (group != NULL && record->write == NULL)
        group_move_note(group, record->partition_index);
    return group;
}

static enum err apply_group(struct group_coordinator *groups, const struct runtime_record *record,
                            struct wire_string id, const struct group_metadata_value *value)
{
    struct group *group =
        value == NULL ? coordinator_find(groups, id) : get_group(groups, id, record);
    enum err err;

    if (group == NULL)
        return value == NULL ? OK : ERR_NOMEM;
    if (!group_move_takes_state(group, record)) {
        group_move_settle(group);
        coordinator_drop_if_idle(group);
        return OK;
    }
    while (!list_is_empty(&group->members))
        group_remove_member(list_first(&group->members, struct group_member, node));
    group->state = GROUP_EMPTY;
    group->has_lost_members = false;
    if (value == NULL) {
        group_reset(group);
        group_move_settle(group);
        coordinator_drop_if_idle(group);
        return OK;
    }
    if (value->generation > group->generation ||
        (group->generation == INT32_MAX && value->generation > 0))
        group->generation = value->generation; /* GRP-1 */
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

/* Its metadata is the record's. */
static struct group_offset_value value_of(const struct runtime_record *record,
                                          const struct offset_commit_value *value)
{
    return (struct group_offset_value){
        .topic_id = value->topic_id,
        .offset = value->offset,
        .leader_epoch = value->leader_epoch,
        .metadata = {(uint8_t *)(uintptr_t)value->metadata.text, value->metadata.size_bytes},
        .commit_timestamp_ms = value->commit_timestamp,
        .expire_timestamp_ms = value->expire_timestamp,
        .record_offset = record->offset,
    };
}

/* What the commit has kept for it needs no memory now. */
static void apply_own_offset(const struct runtime_record *record, const char *topic,
                             int32_t partition, const struct offset_commit_value *value)
{
    struct group_commit_place *place = group_commit_place(record->write, record->index);
    struct group_offset_value own = value_of(record, value);

    check(strcmp(place->entry->topic, topic) == 0 && place->entry->partition == partition);
    own.topic_id = place->topic_id;
    own.metadata = place->metadata;
    place->metadata = (struct group_bytes){0};
    if (place->pending == NULL) {
        group_apply_offset(place->entry, &own);
        return;
    }
    group_pending_offset_apply(place->pending, &own);
    place->pending = NULL;
}

static enum err apply_read_offset(struct group *group, const struct runtime_record *record,
                                  const char *topic, int32_t partition,
                                  const struct offset_commit_value *value)
{
    struct group_offset_value read = value_of(record, value);

    read.is_foreign = group_move_is_foreign(group, record);
    if (batch_is_transactional(record->batch)) /* DUR-G5 */
        return group_pending_offsets_stage(group, topic, partition, record->partition_index,
                                           record->batch->producer_id, &read);
    return group_set_offset(group, topic, partition, &read);
}

static enum err apply_offset_to(struct group *group, const struct runtime_record *record,
                                const char *topic, int32_t partition,
                                const struct offset_commit_value *value)
{
    if (value != NULL && record->write != NULL) {
        apply_own_offset(record, topic, partition, value);
        return OK;
    }
    if (value != NULL)
        return apply_read_offset(group, record, topic, partition, value);
    if (record->write != NULL)
        group_left_offset(group, topic, partition);
    else
        group_remove_offset(group, topic, partition, group_move_is_foreign(group, record));
    group_move_settle(group);
    coordinator_drop_if_idle(group);
    return OK;
}

static enum err apply_offset(struct group_coordinator *groups, const struct runtime_record *record,
                             const struct offset_commit_key *key,
                             const struct offset_commit_value *value)
{
    struct group *group = value == NULL ? coordinator_find(groups, key->group)
                                        : get_group(groups, key->group, record);
    char topic[256];

    check(group != NULL || record->write == NULL); /* a write keeps its group */
    if (group == NULL)
        return value == NULL ? OK : ERR_NOMEM;
    if (key->topic.size_bytes <= 0 || key->topic.size_bytes >= (int32_t)sizeof(topic) ||
        memchr(key->topic.text, '\0', (size_t)key->topic.size_bytes) != NULL)
        return ERR_CORRUPT; /* no topic is called so */
    memcpy(topic, key->topic.text, (size_t)key->topic.size_bytes);
    topic[key->topic.size_bytes] = '\0';
    return apply_offset_to(group, record, topic, key->partition, value);
}

static enum err apply_old_offset(struct group_coordinator *groups,
                                 const struct runtime_record *record,
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
    return apply_offset(groups, record, &key, old_value == NULL ? NULL : &value);
}

/* Of one that is of a group's write what follows is the group's. */
static void apply_own_group(struct runtime_write *records)
{
    struct group_write *write = container_of(records, struct group_write, records);

    if (records->partition->partition->index == write->group->partition_index)
        write->group->is_foreign = false;
    if (write->recorded != NULL)
        write->recorded(write);
}

/* Does the write only say what is known? */
static bool restates(const struct runtime_record *record)
{
    struct group_write *write = container_of(record->write, struct group_write, records);

    if (write->restated == NULL)
        return false;
    write->restated(write, record->index, record->offset);
    return true;
}

/* Of the types that are known here; keys and values of offsets take nothing of the arena. */
union key_body {
    struct legacy_offset_commit_key old_offset;
    struct offset_commit_key offset;
    struct group_metadata_key group;
};

union value_body {
    struct legacy_offset_commit_value old_offset;
    struct offset_commit_value offset;
    struct group_metadata_value group;
};

static enum err apply(struct group_coordinator *groups, const struct record_desc *desc,
                      struct wire_reader *key_reader, const struct runtime_record *record,
                      struct arena *arena)
{
    union key_body key;
    union value_body body;
    union value_body *value = record->value_bytes < 0 ? NULL : &body;
    enum err err = codec_decode(desc->key, 0, key_reader, arena, &key);

    if (err == OK && value != NULL)
        err = decode_value(desc, record->value, record->value_bytes, arena, &body);
    if (err != OK)
        return err;
    switch (desc->type) {
    case TYPE_OFFSET_COMMIT_OLD:
        return apply_old_offset(groups, record, &key.old_offset,
                                value == NULL ? NULL : &value->old_offset);
    case TYPE_OFFSET_COMMIT:
        return apply_offset(groups, record, &key.offset, value == NULL ? NULL : &value->offset);
    default:
        return apply_group(groups, record, key.group.group, value == NULL ? NULL : &value->group);
    }
}

enum err group_records_apply(struct group_coordinator *groups, const struct runtime_record *record)
{
    const struct record_desc *desc;
    struct wire_reader reader;
    struct arena arena;
    enum err err;

    if (record->marker != NULL)
        return group_pending_offsets_end(groups, record->partition_index,
                                         record->batch->producer_id, record->marker->commit)
                   ? OK
                   : ERR_AGAIN;
    if (record->key_bytes < 0)
        return ERR_CORRUPT;
    wire_reader_init(&reader, record->key, (size_t)record->key_bytes);
    err = record_read_key_type(&reader, RECORD_GROUP, &desc);
    if (err == ERR_NOT_FOUND || (err == OK && desc->type > TYPE_GROUP_METADATA))
        return OK; /* Kafka skips what it does not know, too: groups of the newer protocols */
    if (err != OK)
        return err;
    if (record->write != NULL && desc->type == TYPE_GROUP_METADATA) {
        apply_own_group(record->write);
        return OK;
    }
    if (record->write != NULL && restates(record))
        return OK;
    arena_init(&arena, ARENA_BYTES);
    err = apply(groups, desc, &reader, record, &arena);
    arena_deinit(&arena);
    return err;
}
