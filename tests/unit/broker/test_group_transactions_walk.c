/* Plain commits, transactions, markers, deletions in random order, some of them held up: what the
 * groups tell is what the log says by a model of a few lines, and what a start makes of it (DUR-G5,
 * DUR-G6). */
#include "base/prng.h"
#include "net/protocol/msg_offset_commit_record.h"
#include "tests/unit/broker/txn_asks.h"

enum { GROUPS = 2, PARTITIONS = 3, PRODUCERS = 3, WRITES = 12, STEPS = 300 };

static const char *const names[GROUPS] = {"g", "h"};

static void setup(void)
{
    static const char *const sets[] = {"offsets.retention.minutes=60", NULL};

    rig_up(sets);
    rig_create_topic("t", PARTITIONS);
    memset(&registry, 0, sizeof(registry));
}

TestSuite(group_transactions_walk, .init = setup, .fini = rig_down, .timeout = 600);

/* ---- the model: a table of cells, filled from the log's durable batches */

struct cell {
    int64_t offset;        /* -1: none */
    int64_t record_offset; /* where it stands */
};

struct model {
    struct cell committed[GROUPS][PARTITIONS];
    struct cell staged[PRODUCERS][GROUPS][PARTITIONS];
};

static void model_offset(struct model *model, const struct batch_header *header, int64_t at,
                         const struct record *record)
{
    const struct record_desc *desc;
    struct offset_commit_key key;
    struct offset_commit_value value;
    struct wire_reader reader;
    struct cell cell = {-1, at};
    int16_t version;
    int g;

    wire_reader_init(&reader, record->key, (size_t)record->key_bytes);
    cr_assert(eq(int, record_read_key_type(&reader, RECORD_GROUP, &desc), OK));
    if (desc->type != 1)
        return;
    cr_assert(eq(int, codec_decode(desc->key, 0, &reader, &rig.arena, &key), OK));
    g = wire_string_is(key.group, "h");
    if (record->value_bytes < 0) {
        model->committed[g][key.partition] = cell;
        for (int p = 0; p < PRODUCERS; p++)
            model->staged[p][g][key.partition] = cell;
        return;
    }
    wire_reader_init(&reader, record->value, (size_t)record->value_bytes);
    cr_assert(eq(int, record_read_value_version(&reader, desc, &version), OK));
    cr_assert(eq(int, codec_decode(desc->value, version, &reader, &rig.arena, &value), OK));
    cell.offset = value.offset;
    if (batch_is_transactional(header))
        model->staged[header->producer_id - P][g][key.partition] = cell;
    else
        model->committed[g][key.partition] = cell;
}

static void model_marker(struct model *model, const struct batch_header *header, bool commits)
{
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; i < PARTITIONS; i++) {
            struct cell *staged = &model->staged[header->producer_id - P][g][i];
            struct cell *there = &model->committed[g][i];
            if (commits && staged->offset >= 0 &&
                (there->offset < 0 || staged->record_offset > there->record_offset))
                *there = *staged;
            *staged = (struct cell){-1, -1};
        }
}

static void read_log(struct model *model)
{
    const struct log *log = &disk.logs[0];
    struct batch_reader reader;
    struct control_marker marker;
    struct record record;
    int64_t at;

    memset(model, 0xff, sizeof(*model)); /* -1 everywhere */
    batch_reader_init(&reader, NULL, 1 << 20);
    for (uint32_t i = 0; i < log->batch_count; i++) {
        const struct kept_batch *batch = &log->batches[i];
        if (batch->header.base_offset >= log->offsets.durable)
            break;
        cr_assert(eq(int, batch_reader_open(&reader, batch->bytes, batch->size_bytes), OK));
        if (control_parse_marker(batch->bytes, &batch->header, &marker) == OK) {
            model_marker(model, &batch->header, marker.commit);
            continue;
        }
        while (batch_reader_next(&reader, &record, &at, NULL) == OK)
            model_offset(model, &batch->header, at, &record);
    }
    batch_reader_deinit(&reader);
}

/* ---- the groups */

static struct group_offset *entry_of(struct group_coordinator *groups, int g, int32_t partition)
{
    struct group *group = coordinator_find(groups, wire_string(names[g]));

    return group == NULL ? NULL
                         : group_find_entry(group, offset_topic_find(groups, "t"), partition);
}

static void compare_with(struct group_coordinator *groups, const struct model *model, uint64_t seed,
                         int step)
{
    uint32_t staged_count = 0;

    for (int g = 0; g < GROUPS; g++)
        for (int32_t i = 0; i < PARTITIONS; i++) {
            const struct group_offset *entry = entry_of(groups, g, i);
            int64_t told = entry != NULL && entry->is_recorded ? entry->value.offset : -1;
            cr_assert(eq(i64, told, model->committed[g][i].offset),
                      "seed %" PRIu64 ", step %d, %s-%d", seed, step, names[g], i);
            for (int p = 0; p < PRODUCERS; p++) {
                const struct pending_offset *staged =
                    entry == NULL ? NULL : group_pending_offset_find(entry, 0, P + p);
                cr_assert(eq(i64, staged == NULL ? -1 : staged->value.offset,
                             model->staged[p][g][i].offset),
                          "seed %" PRIu64 ", step %d, %s-%d of %d", seed, step, names[g], i, p);
                staged_count += staged != NULL;
            }
        }
    for (int g = 0; g < GROUPS; g++) {
        const struct group *group = coordinator_find(groups, wire_string(names[g]));
        staged_count -= group == NULL ? 0 : group->staged_count;
    }
    cr_assert(eq(u32, staged_count, 0));
}

/* The living groups, and what a start would make of the log. */
static void compare(uint64_t seed, int step)
{
    struct partition *partition = runtime_find(&rig.shard.groups->runtime, 0)->partition;
    struct group_coordinator *rebuilt;
    struct model model;

    read_log(&model);
    compare_with(rig.shard.groups, &model, seed, step);
    cr_assert(eq(int, group_coordinator_create(&rig.shard, &rebuilt), OK));
    cr_assert(eq(int, runtime_load(&rebuilt->runtime, partition), OK));
    compare_with(rebuilt, &model, seed, step);
    group_coordinator_destroy(rebuilt);
}

/* ---- what happens */

struct walk {
    struct prng prng;
    struct ask asks[WRITES];
    bool is_asked[WRITES];
    struct test_end ends[WRITES];
    bool is_ending[WRITES];
    int64_t number; /* the next offset */
};

/* What has ended makes room. */
static void collect(struct walk *walk)
{
    for (int i = 0; i < WRITES; i++) {
        if (walk->is_asked[i] && walk->asks[i].answered) {
            ask_end(&walk->asks[i]);
            walk->is_asked[i] = false;
        }
        walk->is_ending[i] = walk->is_ending[i] && !walk->ends[i].is_done;
    }
}

static int free_ask(struct walk *walk)
{
    for (int i = 0; i < WRITES; i++)
        if (!walk->is_asked[i]) {
            walk->is_asked[i] = true;
            return i;
        }
    return -1;
}

static void step_end(struct walk *walk)
{
    for (int i = 0; i < WRITES; i++)
        if (!walk->is_ending[i]) {
            walk->is_ending[i] = true;
            start_end(&walk->ends[i], P + (int64_t)prng_below(&walk->prng, PRODUCERS),
                      prng_chance(&walk->prng, 2, 3));
            return;
        }
}

static void start_offset_delete(struct ask *ask, const char *group, int32_t partition)
{
    struct offset_delete_request *body;

    *ask = ask_new(API_OFFSET_DELETE, 0);
    body = ask->body;
    body->group_id = asked_text(ask, group);
    body->topics.items = rig_array(ask->request, &offset_delete_request_topic_struct, 1);
    body->topics.count = 1;
    body->topics.items[0].name = asked_text(ask, "t");
    body->topics.items[0].partitions.items =
        rig_array(ask->request, &offset_delete_request_partition_struct, 1);
    body->topics.items[0].partitions.items[0].partition_index = partition;
    body->topics.items[0].partitions.count = 1;
    ask_start(ask, handle_offset_delete);
}

static void step(struct walk *walk)
{
    const char *group = names[prng_below(&walk->prng, GROUPS)];
    int32_t partition = (int32_t)prng_below(&walk->prng, PARTITIONS);
    uint64_t kind = prng_below(&walk->prng, 20);
    int i;

    if (kind < 5) {
        step_end(walk);
    } else if (kind == 5) {
        rig_pass_ms(prng_below(&walk->prng, 40 * 60 * 1000)); /* expiry */
    } else if (kind == 6) {
        disk.is_full = !disk.is_full;
        if (!disk.is_full) {
            disk.is_full = true;
            disk_give_room();
        }
    } else if ((i = free_ask(walk)) >= 0) {
        struct ask *ask = &walk->asks[i];
        if (kind < 11)
            start_commit(ask, NULL, group, "t", partition, walk->number++, -1);
        else if (kind < 18)
            start_txn_commit(ask, TXN_VERSION, P + (int64_t)prng_below(&walk->prng, PRODUCERS),
                             NULL, group, partition, walk->number++);
        else if (kind == 18)
            start_offset_delete(ask, group, partition);
        else
            start_delete(ask, group);
    }
    if (prng_chance(&walk->prng, 1, 6)) {
        rig.holds = !rig.holds;
        rig_settle();
    }
    collect(walk);
}

static void settle(struct walk *walk)
{
    bool held = rig.holds;

    while (disk.is_full || !list_is_empty(&disk.rooms))
        disk_give_room();
    rig.holds = false;
    rig_settle();
    collect(walk);
    rig.holds = held;
}

static void random_walk(uint64_t seed)
{
    struct walk *walk = mem_alloc(sizeof(*walk));

    prng_init(&walk->prng, seed);
    for (int i = 0; i < STEPS; i++) {
        step(walk);
        if (i % 10 == 9) {
            settle(walk);
            compare(seed, i);
        }
        if (i % 97 == 96) {
            settle(walk);
            rig_restart();
            compare(seed, i);
        }
    }
    rig.holds = false;
    settle(walk);
    mem_free(walk);
}

Test(group_transactions_walk, groups_are_what_the_log_says_after_random_walks)
{
    const char *given = getenv("LEVEE_SEED");
    uint64_t first = given == NULL ? 1 : strtoull(given, NULL, 10);
    uint64_t last = given == NULL ? 40 : first;

    for (uint64_t seed = first; seed <= last; seed++) {
        random_walk(seed);
        group_coordinator_stop(rig.shard.groups);
        rig_settle();
        rig_down();
        setup();
    }
}
