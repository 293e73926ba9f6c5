/* Groups as records: Kafka's bytes, and that a start over the log gives what was there (DUR-G6). */
#include "broker/coordinator/group_records.h"
#include "net/protocol/msg_group_metadata_record.h"
#include "net/protocol/msg_legacy_offset_commit_record.h"
#include "net/protocol/msg_offset_commit_record.h"
#include "record/batch_reader.h"
#include "tests/unit/broker/group_asks.h"

#include <stdlib.h>
#include <time.h>

static void setup(void)
{
    rig_up(NULL);
    rig_create_topic("t", 4);
}

TestSuite(group_records, .init = setup, .fini = rig_down, .timeout = 600);

/* The last record of the offsets partition. */
static struct record last_record(struct batch_reader *reader)
{
    const struct kept_batch *batch = &disk.logs[0].batches[disk.logs[0].batch_count - 1];
    struct record record;
    struct record last = {0};

    batch_reader_init(reader, NULL, 1 << 20);
    cr_assert(eq(int, batch_reader_open(reader, batch->bytes, batch->size_bytes), OK));
    while (batch_reader_next(reader, &record, NULL, NULL) == OK)
        last = record;
    return last;
}

Test(group_records, offset_is_kafkas_record)
{
    /* type 1, group "g", topic "t", partition 2 */
    static const uint8_t key[] = {0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 2};
    static const uint8_t value_start[] = {0,    4,                             /* version */
                                          0,    0,    0,    0,    0,  0, 0, 5, /* offset */
                                          0xff, 0xff, 0xff, 0xff,              /* leader epoch */
                                          5,    'n',  'o',  't',  'e'};        /* metadata */
    struct batch_reader reader;
    struct record record;

    cr_assert(eq(i16, commit(NULL, "g", "t", 2, 5), KAFKA_NONE));
    record = last_record(&reader);
    cr_assert(eq(i32, record.key_bytes, sizeof(key)));
    cr_assert(eq(int, memcmp(record.key, key, sizeof(key)), 0));
    /* then the time of the commit, and one tagged field: 0, the topic's id */
    cr_assert(eq(i32, record.value_bytes, sizeof(value_start) + 8 + 1 + 2 + 16));
    cr_assert(eq(int, memcmp(record.value, value_start, sizeof(value_start)), 0));
    cr_assert(eq(int, record.value[sizeof(value_start) + 8], 1));
    cr_assert(eq(int, record.value[sizeof(value_start) + 11], 0x77));
    batch_reader_deinit(&reader);
}

Test(group_records, offset_with_a_retention_of_its_own_has_version_1)
{
    struct batch_reader reader;
    struct record record;
    struct ask ask;

    start_commit(&ask, NULL, "g", "t", 2, 5, 1000);
    cr_assert(eq(i16, end_commit(&ask), KAFKA_NONE));
    record = last_record(&reader);
    cr_assert(eq(i32, record.value_bytes, 2 + 8 + 6 + 8 + 8));
    cr_assert(eq(int, record.value[1], 1));
    batch_reader_deinit(&reader);
}

Test(group_records, group_is_kafkas_record)
{
    static const uint8_t key[] = {0, 2, 0, 1, 'g'};
    static const uint8_t value_start[] = {0,   3, /* version */
                                          0,   8,   'c', 'o', 'n', 's', 'u',
                                          'm', 'e', 'r', 0,   0,   0,   1, /* generation */
                                          0,   5,   'r', 'a', 'n', 'g', 'e'};
    struct client_member a = a_client();
    struct batch_reader reader;
    struct record record;

    become_stable(&a, "g");
    record = last_record(&reader);
    cr_assert(eq(i32, record.key_bytes, sizeof(key)));
    cr_assert(eq(int, memcmp(record.key, key, sizeof(key)), 0));
    cr_assert(eq(int, memcmp(record.value, value_start, sizeof(value_start)), 0));
    batch_reader_deinit(&reader);
}

Test(group_records, older_versions_of_kafka_are_understood)
{
    struct offset_commit_key key;
    struct offset_commit_value value;

    codec_set_defaults(&offset_commit_key_desc, &key);
    key.group = wire_string("g");
    key.topic = wire_string("t");
    codec_set_defaults(&offset_commit_value_desc, &value);
    value.metadata = wire_string("old");
    value.commit_timestamp = rig.clock.wall_ms;
    for (int16_t version = 0; version <= 3; version++) {
        key.partition = version;
        value.offset = 100 + version;
        append_record(&disk.logs[0], 1, &key, version, &value, false);
    }
    rig_restart();
    for (int16_t version = 0; version <= 3; version++)
        cr_assert(eq(i64, fetch_offset("g", "t", version), 100 + version));
}

Test(group_records, type_of_before_kafka_0_9_is_understood)
{
    struct legacy_offset_commit_key key = {wire_string("g"), wire_string("t"), 3};
    struct legacy_offset_commit_value value = {77, wire_string("old"), rig.clock.wall_ms};

    append_record(&disk.logs[0], 0, &key, 0, &value, false);
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 3), 77));
    cr_assert(eq(i32, group_find_offset(the_group("g"), "t", 3)->value.leader_epoch, -1));
}

Test(group_records, offset_of_a_transaction_is_staged)
{
    struct offset_commit_key key;
    struct offset_commit_value value;

    codec_set_defaults(&offset_commit_key_desc, &key);
    key.group = wire_string("g");
    key.topic = wire_string("t");
    codec_set_defaults(&offset_commit_value_desc, &value);
    append_record(&disk.logs[0], 1, &key, 3, &value, true);
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    cr_assert(eq(u32, the_group("g")->staged_count, 1));
}

static enum err apply_record(const uint8_t *key, int32_t key_bytes, const uint8_t *value,
                             int32_t value_bytes)
{
    static const struct batch_header plain;
    struct runtime_record record = {.batch = &plain,
                                    .key = key,
                                    .key_bytes = key_bytes,
                                    .value = value,
                                    .value_bytes = value_bytes};

    return group_records_apply(rig.shard.groups, &record);
}

Test(group_records, version_of_the_future_is_not_guessed)
{
    static const uint8_t key[] = {0, 2, 0, 1, 'g'};
    static const uint8_t value[] = {0, 99, 1, 2, 3};

    cr_assert(eq(int, apply_record(key, sizeof(key), value, sizeof(value)), ERR_NEWER_FORMAT));
    cr_assert(eq(int, apply_record(key, 3, value, sizeof(value)), ERR_TRUNCATED));
    cr_assert(eq(int, apply_record(NULL, -1, value, sizeof(value)), ERR_CORRUPT));
}

Test(group_records, offset_of_a_topic_that_cannot_be_is_refused)
{
    static const uint8_t key[] = {0, 1, 0, 1, 'g', 0, 3, 't', 0, 'u', 0, 0, 0, 0};
    static const uint8_t empty[] = {0, 1, 0, 1, 'g', 0, 0, 0, 0, 0, 0};
    static const uint8_t value[2 + 8 + 4 + 2 + 8] = {0, 3};

    cr_assert(eq(int, apply_record(key, sizeof(key), value, sizeof(value)), ERR_CORRUPT));
    cr_assert(eq(int, apply_record(empty, sizeof(empty), value, sizeof(value)), ERR_CORRUPT));
}

/* ---- live state and the state of a start are the same (DUR-G6) */

enum { GROUPS = 3, CLIENTS = 4, STEPS = 400 };

struct walk {
    struct prng prng;
    struct client_member clients[GROUPS][CLIENTS];
    int32_t generations[GROUPS]; /* largest that the records may know */
};

static const char *const names[GROUPS] = {"g0", "g1", "g2"};

static void forget_client(struct client_member *client, const char *instance)
{
    *client = a_client();
    client->instance = instance;
    client->protocols = "range,sticky";
}

/* Take what was answered meanwhile. */
static void collect(struct walk *walk)
{
    for (int g = 0; g < GROUPS; g++)
        for (int c = 0; c < CLIENTS; c++) {
            struct client_member *client = &walk->clients[g][c];
            if (client->join.request != NULL && client->join.answered) {
                int16_t error_code = end_join(client);
                client->join.request = NULL;
                if (error_code != KAFKA_NONE && error_code != KAFKA_MEMBER_ID_REQUIRED &&
                    error_code != KAFKA_REBALANCE_IN_PROGRESS)
                    client->id[0] = '\0';
            }
            if (client->sync.request != NULL && client->sync.answered) {
                end_sync(client, NULL);
                client->sync.request = NULL;
            }
        }
}

static void step(struct walk *walk)
{
    uint64_t g = prng_below(&walk->prng, GROUPS);
    struct client_member *clients = walk->clients[g];
    struct client_member *client = &clients[prng_below(&walk->prng, CLIENTS)];
    struct client_member *all[CLIENTS];

    for (int i = 0; i < CLIENTS; i++)
        all[i] = &clients[i];
    switch (prng_below(&walk->prng, 12)) {
    case 0:
    case 1:
    case 2:
        if (client->join.request == NULL && client->sync.request == NULL)
            start_join(client, names[g], 9);
        break;
    case 3:
    case 4:
        if (client->join.request == NULL && client->sync.request == NULL && client->id[0] != '\0')
            start_sync(client, names[g], all, CLIENTS);
        break;
    case 5:
        if (client->join.request == NULL && client->id[0] != '\0')
            beat(client, names[g]);
        break;
    case 6:
        if (prng_chance(&walk->prng, 1, 3))
            leave(client, names[g]);
        break;
    case 7:
        if (client->instance != NULL && client->join.request == NULL)
            client->id[0] = '\0'; /* it starts anew under a new id */
        break;
    case 8:
    case 9:
        if (client->join.request == NULL && !rig.holds)
            commit(prng_chance(&walk->prng, 1, 3) ? NULL : client, names[g], "t",
                   (int32_t)prng_below(&walk->prng, 4), (int64_t)prng_below(&walk->prng, 1000));
        break;
    case 10:
        if (prng_chance(&walk->prng, 1, 4) && !rig.holds)
            delete_group(names[g]);
        break;
    default:
        rig_pass_ms(prng_below(&walk->prng, 4000));
        break;
    }
    if (prng_chance(&walk->prng, 1, 10)) {
        rig.holds = !rig.holds;
        rig_settle();
    }
    collect(walk);
}

/* A group in words, as far as records tell it; offsets only while it rebalances. */
static char *tell(const struct group *group, bool with_members)
{
    char *text = arena_printf(&rig.arena, "%s", "");
    size_t cursor = 0;
    const struct group_offset *offset;

    if (group == NULL)
        return text;
    if (with_members) {
        text = arena_printf(
            &rig.arena, "%s %d %s %s %s %" PRId64, group_state_name(group->state),
            group->generation, group->protocol_type == NULL ? "-" : group->protocol_type,
            group->protocol == NULL ? "-" : group->protocol,
            group->leader == NULL ? "-" : group->leader->id, group->state_timestamp_ms);
        list_for_each(node, &group->members)
        {
            const struct group_member *member = container_of(node, struct group_member, node);
            struct group_bytes metadata = group_terms_metadata(&member->terms, group->protocol);
            text =
                arena_printf(&rig.arena, "%s\n%s %s %s %s %d %d %.*s %.*s", text, member->id,
                             member->instance_id == NULL ? "-" : member->instance_id,
                             member->terms.client_id, member->terms.client_host,
                             member->terms.session_timeout_ms, member->terms.rebalance_timeout_ms,
                             metadata.size_bytes, (const char *)metadata.bytes,
                             member->assignment.size_bytes, (const char *)member->assignment.bytes);
        }
    }
    for (int32_t p = 0; p < 4; p++)
        if ((offset = group_find_offset(group, "t", p)) != NULL)
            text = arena_printf(
                &rig.arena, "%s\n%d=%" PRId64 " %d %.*s %" PRId64 " %" PRId64, text, p,
                offset->value.offset, offset->value.leader_epoch, offset->value.metadata.size_bytes,
                (const char *)offset->value.metadata.bytes, offset->value.commit_timestamp_ms,
                offset->value.expire_timestamp_ms);
    (void)cursor;
    return text;
}

/* The records applied beside the living groups must give the same. */
static void compare(struct walk *walk, uint64_t seed, int at)
{
    struct group_coordinator *living = rig.shard.groups;
    struct group_coordinator *rebuilt;
    struct partition *partition = runtime_find(&living->runtime, 0)->partition;

    cr_assert(eq(int, group_coordinator_create(&rig.shard, &rebuilt), OK));
    cr_assert(eq(int, runtime_load(&rebuilt->runtime, partition), OK));
    for (int g = 0; g < GROUPS; g++) {
        const struct group *live = coordinator_find(living, wire_string(names[g]));
        const struct group *again = coordinator_find(rebuilt, wire_string(names[g]));
        bool settled = live == NULL || live->state == GROUP_STABLE ||
                       (live->state == GROUP_EMPTY && live->pending_count == 0);
        const char *a = tell(live, settled);
        const char *b = tell(again, settled);
        cr_assert(eq(str, (char *)a, (char *)b), "group %s, seed %" PRIu64 ", step %d", names[g],
                  seed, at);
        if (live != NULL && again != NULL)
            cr_assert(le(i32, again->generation, live->generation), "seed %" PRIu64,
                      seed); /* DUR-G1 */
    }
    group_coordinator_destroy(rebuilt);
}

static void random_walk(uint64_t seed)
{
    struct walk *walk = mem_alloc(sizeof(*walk));

    prng_init(&walk->prng, seed);
    for (int g = 0; g < GROUPS; g++)
        for (int c = 0; c < CLIENTS; c++)
            forget_client(&walk->clients[g][c], c == 0 ? "i0" : c == 1 ? "i1" : NULL);
    for (int i = 0; i < STEPS; i++) {
        step(walk);
        if (i % 10 == 0) {
            rig.holds = false;
            rig_settle();
            collect(walk);
            compare(walk, seed, i);
        }
    }
    rig.holds = false;
    rig_settle();
    group_coordinator_stop(rig.shard.groups);
    rig_settle();
    collect(walk);
    mem_free(walk);
}

Test(group_records, state_and_records_agree_after_random_walks)
{
    uint64_t first = getenv("LEVEE_SEED") == NULL ? 1 : strtoull(getenv("LEVEE_SEED"), NULL, 10);
    uint64_t last = getenv("LEVEE_SEED") == NULL ? 40 : first;

    for (uint64_t seed = first; seed <= last; seed++) {
        random_walk(seed);
        rig_down();
        setup();
    }
}
