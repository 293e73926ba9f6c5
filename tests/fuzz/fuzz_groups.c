/* fuzz_groups: any bytes as records of __consumer_offsets, and as ConsumerProtocol.
 *
 * The input is a list of pairs: a byte that says whether there is a value, uint16 sizes of key and
 * value, key, value.  The groups that come of them are written as records again, and those must
 * give the same groups. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_offsets.h"
#include "broker/coordinator/group_rebalance.h"
#include "broker/coordinator/group_records.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_tables.h"
#include "net/protocol/msg_consumer_protocol.h"
#include "net/protocol/msg_group_metadata_record.h"
#include "net/protocol/msg_legacy_offset_commit_record.h"
#include "net/protocol/msg_offset_commit_record.h"
#include "record/batch_reader.h"
#include "tests/fuzz/fuzz_seed.h"
#include "tests/support/random_message.h"

#include <string.h>

enum { PAIR_BYTES = 5, ARENA_BYTES_MAX = 16 << 20, BATCH_BYTES_MAX = 64 << 20 };

static uint64_t mono_ns(struct clock *clock)
{
    return 1000000;
}

static int64_t wall_ms(struct clock *clock)
{
    return 1700000000000;
}

/* ---- the shard, without anything that a load does not need */

static struct clock clock = {.mono_ns = mono_ns, .wall_ms = wall_ms};
static struct shard shard;
static struct partition partition = {.shard = &shard};
static const struct runtime_kind kind = {.name = "group", .family = RECORD_GROUP};
static struct runtime runtime;
static struct runtime_partition served = {.runtime = &runtime, .partition = &partition};

static void set_up(void)
{
    struct memory_limits limits = {0};

    if (shard.image != NULL)
        return;
    for (int i = 0; i < MEMORY_PURPOSE_COUNT; i++)
        limits.max_bytes[i] = (uint64_t)1 << 30;
    loop_init(&shard.loop, 0, NULL, &clock);
    shard.clock = &clock;
    memory_init(&shard.memory, &limits, &shard.loop, NULL);
    prng_init(&shard.prng, 1);
    shard.image = image_create();
    runtime_init(&runtime, &shard, &kind, NULL, memory_budget(&shard.memory, MEMORY_GROUPS));
}

/* ---- out again, as records */

/* The bytes are the builder's, until runtime_write_deinit. */
static void write_group(struct group *group, struct group_write *write, const uint8_t **bytes_out,
                        uint32_t *size_out)
{
    const struct group_offset *offset;
    size_t cursor = 0;

    write->group = group;
    runtime_write_init(&write->records, &served, NULL);
    group_records_metadata(write, NULL);
    while ((offset = group_next_offset(group, &cursor)) != NULL)
        group_records_offset(write, offset->topic, &offset->value.topic_id, offset->partition,
                             offset->value.offset, offset->value.leader_epoch,
                             (struct wire_string){(const char *)offset->value.metadata.bytes,
                                                  offset->value.metadata.size_bytes},
                             offset->value.commit_timestamp_ms, offset->value.expire_timestamp_ms);
    check(write->records.err == OK);
    check(batch_builder_finish(&write->records.builder, NULL, bytes_out, size_out) == OK);
}

static enum err apply_record(struct group_coordinator *groups, const uint8_t *key,
                             int32_t key_bytes, const uint8_t *value, int32_t value_bytes)
{
    static const struct batch_header plain;
    struct runtime_record record = {.batch = &plain,
                                    .key = key,
                                    .key_bytes = key_bytes,
                                    .value = value,
                                    .value_bytes = value_bytes};

    return group_records_apply(groups, &record);
}

static void apply_batch(struct group_coordinator *groups, const uint8_t *bytes, uint32_t size_bytes)
{
    struct batch_reader reader;
    struct record record;

    batch_reader_init(&reader, NULL, BATCH_BYTES_MAX);
    check(batch_reader_open(&reader, bytes, size_bytes) == OK);
    while (batch_reader_next(&reader, &record, NULL, NULL) == OK)
        check(apply_record(groups, record.key, record.key_bytes, record.value,
                           record.value_bytes) == OK);
    batch_reader_deinit(&reader);
}

static void check_same(struct group *group, struct group *again)
{
    struct group_write write;
    struct group_write write_again;
    const uint8_t *bytes;
    const uint8_t *bytes_again;
    uint32_t size_bytes;
    uint32_t size_again;

    write_group(group, &write, &bytes, &size_bytes);
    write_group(again, &write_again, &bytes_again, &size_again);
    check(size_bytes == size_again);
    check(memcmp(bytes, bytes_again, size_bytes) == 0);
    check(group->state == again->state);
    runtime_write_deinit(&write.records);
    runtime_write_deinit(&write_again.records);
}

static void check_group(struct group *group)
{
    uint32_t members = 0;

    list_for_each(node, &group->members)
    {
        const struct group_member *member = container_of(node, struct group_member, node);
        check(member->group == group && member->id != NULL && member->terms.protocol_count == 1);
        check(group_find(group, wire_string(member->id)) != NULL);
        members++;
    }
    check(members == group->member_count);
    check(group->generation >= 0);
    if (members == 0)
        check(group->state == GROUP_EMPTY);
    else /* without a leader: a generation that was being formed */
        check(group->state == (group->leader != NULL ? GROUP_STABLE : GROUP_PREPARING));
    check(members == 0 || group_vote(group) != NULL);
    check(coordinator_find(group->coordinator,
                           (struct wire_string){group->id, (int32_t)group->id_bytes}) == group);
}

static void check_groups(struct group_coordinator *groups)
{
    struct group_coordinator *again;
    struct group *group;
    size_t cursor = 0;

    check(group_coordinator_create(&shard, &again) == OK);
    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL) {
        struct wire_string id = {group->id, (int32_t)group->id_bytes};
        struct group_write write;
        const uint8_t *bytes;
        uint32_t size_bytes;
        check_group(group);
        write_group(group, &write, &bytes, &size_bytes);
        apply_batch(again, bytes, size_bytes);
        check_same(group, coordinator_find(again, id));
        runtime_write_deinit(&write.records);
        group_start_sessions(group);
    }
    group_coordinator_destroy(again);
}

/* ---- ConsumerProtocol, which the same topic carries inside of group metadata */

static void read_protocol(const struct message_desc *desc, const uint8_t *bytes, size_t size_bytes)
{
    struct wire_reader reader;
    struct wire_writer writer;
    struct wire_bytes out;
    struct arena arena;
    void *message;
    void *again;

    arena_init(&arena, ARENA_BYTES_MAX);
    message = arena_alloc(&arena, desc->body->size_bytes);
    again = arena_alloc(&arena, desc->body->size_bytes);
    wire_reader_init(&reader, bytes, size_bytes);
    if (record_decode_consumer_protocol(desc, &reader, &arena, message) == OK) {
        int16_t version = (int16_t)(bytes[0] << 8 | bytes[1]);
        if (version > desc->max_version)
            version = desc->max_version;
        wire_writer_init(&writer, &arena);
        check(record_encode_consumer_protocol(desc, version, message, &writer) == OK);
        check(wire_writer_flatten(&writer, &out) == OK);
        wire_reader_init(&reader, out.bytes, (size_t)out.size_bytes);
        check(record_decode_consumer_protocol(desc, &reader, &arena, again) == OK);
        check(wire_reader_left(&reader) == 0);
        check(codec_equal(desc, version, message, again));
    }
    arena_deinit(&arena);
}

/* ---- in */

static bool apply_pair(struct group_coordinator *groups, const uint8_t *bytes, size_t *left_bytes,
                       size_t *used_out)
{
    size_t key_bytes = (size_t)(bytes[1] << 8 | bytes[2]);
    size_t value_bytes = (size_t)(bytes[3] << 8 | bytes[4]);
    bool has_value = bytes[0] & 1;
    uint8_t *key;
    uint8_t *value;
    enum err err;

    *left_bytes -= PAIR_BYTES;
    key_bytes = key_bytes < *left_bytes ? key_bytes : *left_bytes;
    *left_bytes -= key_bytes;
    value_bytes = !has_value ? 0 : value_bytes < *left_bytes ? value_bytes : *left_bytes;
    *left_bytes -= value_bytes;
    key = mem_alloc(key_bytes); /* of exactly that size */
    value = mem_alloc(value_bytes);
    memcpy(key, bytes + PAIR_BYTES, key_bytes);
    memcpy(value, bytes + PAIR_BYTES + key_bytes, value_bytes);
    err =
        apply_record(groups, key, (int32_t)key_bytes, value, has_value ? (int32_t)value_bytes : -1);
    check(err == OK || err == ERR_TRUNCATED || err == ERR_MALFORMED || err == ERR_CORRUPT ||
          err == ERR_NEWER_FORMAT || err == ERR_NOMEM);
    read_protocol(&consumer_protocol_subscription_desc, value, value_bytes);
    read_protocol(&consumer_protocol_assignment_desc, value, value_bytes);
    mem_free(key);
    mem_free(value);
    *used_out = PAIR_BYTES + key_bytes + value_bytes;
    return err == OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct group_coordinator *groups;
    bool go_on = true;

    set_up();
    check(group_coordinator_create(&shard, &groups) == OK);
    while (go_on && size_bytes >= PAIR_BYTES) {
        size_t used;
        go_on = apply_pair(groups, data, &size_bytes, &used);
        data += used;
    }
    check_groups(groups);
    group_coordinator_destroy(groups);
    check(shard.loop.timers.count == 0);
    return 0;
}

/* ---- seeds */

/* Names of which few exist, so that records meet. */
static struct wire_string a_name(struct prng *prng)
{
    static const char *const names[] = {"g", "t", "gg"};

    return wire_string(names[prng_below(prng, array_count(names))]);
}

static void make_related(int16_t type, struct prng *prng, void *body)
{
    if (type == 0) {
        ((struct legacy_offset_commit_key *)body)->group = a_name(prng);
        ((struct legacy_offset_commit_key *)body)->topic = a_name(prng);
    } else if (type == 1) {
        ((struct offset_commit_key *)body)->group = a_name(prng);
        ((struct offset_commit_key *)body)->topic = a_name(prng);
        ((struct offset_commit_key *)body)->partition = (int32_t)prng_below(prng, 2);
    } else if (type == 2) {
        ((struct group_metadata_key *)body)->group = a_name(prng);
    }
}

static struct wire_bytes make_key(const struct record_desc *desc, struct prng *prng,
                                  struct arena *arena)
{
    void *body = arena_alloc(arena, desc->key->body->size_bytes);
    struct wire_writer writer;
    struct wire_bytes bytes;

    random_message(desc->key, 0, prng, arena, body);
    make_related(desc->type, prng, body);
    wire_writer_init(&writer, arena);
    check(record_encode_key(desc, body, &writer) == OK);
    check(wire_writer_flatten(&writer, &bytes) == OK);
    return bytes;
}

static struct wire_bytes make_value(const struct record_desc *desc, struct prng *prng,
                                    struct arena *arena)
{
    const struct message_desc *value = desc->value;
    uint64_t versions = (uint64_t)(value->max_version - value->min_version + 1);
    int16_t version = (int16_t)(value->min_version + (int16_t)prng_below(prng, versions));
    void *body = arena_alloc(arena, value->body->size_bytes);
    struct wire_writer writer;
    struct wire_bytes bytes;

    random_message(value, version, prng, arena, body);
    wire_writer_init(&writer, arena);
    check(record_encode_value(desc, version, body, &writer) == OK);
    check(wire_writer_flatten(&writer, &bytes) == OK);
    return bytes;
}

static struct wire_bytes make_protocol(struct prng *prng, struct arena *arena)
{
    const struct message_desc *desc = prng_chance(prng, 1, 2) ? &consumer_protocol_subscription_desc
                                                              : &consumer_protocol_assignment_desc;
    int16_t version = (int16_t)prng_below(prng, (uint64_t)desc->max_version + 1);
    void *body = arena_alloc(arena, desc->body->size_bytes);
    struct wire_writer writer;
    struct wire_bytes bytes;

    random_message(desc, version, prng, arena, body);
    wire_writer_init(&writer, arena);
    check(record_encode_consumer_protocol(desc, version, body, &writer) == OK);
    check(wire_writer_flatten(&writer, &bytes) == OK);
    return bytes;
}

static size_t put_pair(struct prng *prng, struct arena *arena, uint8_t *out, size_t max_bytes)
{
    const struct record_desc *desc =
        record_find(RECORD_GROUP, (int16_t)prng_below(prng, prng_chance(prng, 1, 8) ? 17 : 3));
    struct wire_bytes key;
    struct wire_bytes value = {0};
    bool has_value = prng_chance(prng, 7, 8);

    if (desc == NULL)
        return 0;
    key = make_key(desc, prng, arena);
    if (has_value)
        value =
            prng_chance(prng, 1, 8) ? make_protocol(prng, arena) : make_value(desc, prng, arena);
    if ((size_t)key.size_bytes + (size_t)value.size_bytes + PAIR_BYTES > max_bytes)
        return 0;
    out[0] = has_value;
    out[1] = (uint8_t)(key.size_bytes >> 8);
    out[2] = (uint8_t)key.size_bytes;
    out[3] = (uint8_t)(value.size_bytes >> 8);
    out[4] = (uint8_t)value.size_bytes;
    memcpy(out + PAIR_BYTES, key.bytes, (size_t)key.size_bytes);
    if (value.size_bytes > 0)
        memcpy(out + PAIR_BYTES + key.size_bytes, value.bytes, (size_t)value.size_bytes);
    return PAIR_BYTES + (size_t)key.size_bytes + (size_t)value.size_bytes;
}

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    uint64_t count = 1 + prng_below(prng, 5);
    struct arena arena;
    size_t pos = 0;

    arena_init(&arena, ARENA_BYTES_MAX);
    for (uint64_t i = 0; i < count; i++)
        pos += put_pair(prng, &arena, out + pos, max_bytes - pos);
    arena_deinit(&arena);
    return pos;
}

FUZZ_SEEDS(make_seed)
