/* runtime_rig: a coordinator that only remembers what was applied, over a partition of a topic "t"
 * on the logs of group_rig.h. */
#ifndef LEVEE_TESTS_RUNTIME_RIG_H
#define LEVEE_TESTS_RUNTIME_RIG_H

#include "broker/coordinator/runtime.h"
#include "broker/coordinator/runtime_write.h"
#include "net/protocol/msg_offset_commit_record.h"
#include "tests/unit/broker/group_rig.h"

enum { TYPE_OFFSET_COMMIT = 1, OFFSET_COMMIT_VERSION = 4, APPLIED_MAX = 20000 };

struct applied {
    int32_t number; /* its key's partition; MARKER_NUMBER */
    int64_t offset;
    bool is_live;
    int64_t producer_id; /* of its batch */
    bool is_transactional;
    struct control_marker marker;
};

enum { MARKER_NUMBER = -7 };

struct fake {
    struct runtime runtime;
    struct applied applied[APPLIED_MAX];
    uint32_t applied_count;
    uint32_t loaded_count;
    uint32_t resigned_count;
    uint32_t forgotten_count;
    uint32_t forgotten_at; /* how many had ended then */
    enum err fail_with;    /* of apply */
};

static struct fake *fake;
static struct partition *partition;

static enum err apply(void *coordinator, const struct runtime_record *record)
{
    struct fake *into = coordinator;
    const struct record_desc *desc;
    struct offset_commit_key key;
    struct wire_reader reader;
    struct applied *out;

    if (into->fail_with != OK)
        return into->fail_with;
    cr_assert(lt(u32, into->applied_count, APPLIED_MAX));
    out = &into->applied[into->applied_count++];
    *out = (struct applied){.number = MARKER_NUMBER,
                            .offset = record->offset,
                            .is_live = record->write != NULL,
                            .producer_id = record->batch->producer_id,
                            .is_transactional = batch_is_transactional(record->batch)};
    if (record->marker != NULL) {
        cr_assert(eq(i32, record->key_bytes, -1));
        cr_assert(eq(i32, record->value_bytes, -1));
        out->marker = *record->marker;
        return OK;
    }
    wire_reader_init(&reader, record->key, (size_t)record->key_bytes);
    cr_assert(eq(int, record_read_key_type(&reader, RECORD_GROUP, &desc), OK));
    cr_assert(eq(int, codec_decode(desc->key, 0, &reader, &rig.arena, &key), OK));
    out->number = key.partition;
    return OK;
}

static void on_loaded(void *coordinator, int32_t index)
{
    ((struct fake *)coordinator)->loaded_count++;
}

static uint32_t ended_count; /* of all writes */

static void on_resigned(void *coordinator, int32_t index)
{
    ((struct fake *)coordinator)->resigned_count++;
    cr_assert_null(runtime_find(&((struct fake *)coordinator)->runtime, index));
}

static void on_forget(void *coordinator, int32_t index)
{
    struct fake *into = coordinator;

    into->forgotten_count++;
    into->forgotten_at = ended_count;
    into->applied_count = 0;
}

static const struct runtime_kind kind = {.name = "fake",
                                         .family = RECORD_GROUP,
                                         .apply = apply,
                                         .loaded = on_loaded,
                                         .resigned = on_resigned,
                                         .forget = on_forget};

/* The same, applied when it is appended. */
static const struct runtime_kind kind_at_append = {.name = "fake",
                                                   .family = RECORD_GROUP,
                                                   .applies_at_append = true,
                                                   .apply = apply,
                                                   .loaded = on_loaded,
                                                   .resigned = on_resigned,
                                                   .forget = on_forget};

static inline struct fake *make_of(const struct runtime_kind *of)
{
    struct fake *made = mem_alloc(sizeof(*made));

    runtime_init(&made->runtime, &rig.shard, of, made,
                 memory_budget(&rig.shard.memory, MEMORY_GROUPS));
    return made;
}

static inline struct fake *make(void)
{
    return make_of(&kind);
}

static inline void end(struct fake *made)
{
    runtime_deinit(&made->runtime);
    mem_free(made);
}

static inline void set_up_of(const struct runtime_kind *of)
{
    static struct uuid id;

    rig_up(NULL);
    id = rig_create_topic("t", 1);
    partition = topic_table_find(rig.shard.topics, &id, 0);
    rig.holds = true;
    rig.error_lines = 0;
    ended_count = 0;
    fake = make_of(of);
    cr_assert(eq(int, runtime_load(&fake->runtime, partition), OK));
    cr_assert(eq(u32, fake->loaded_count, 1));
}

static inline void tear_down(void)
{
    end(fake);
    rig_down();
}

/* ---- writes */

struct test_write {
    struct runtime_write write;
    uint32_t applied_before; /* its done */
    uint32_t appended_at; /* so many were applied then, and its place among them; 0: it was not */
    uint32_t appended_place;
    uint32_t place; /* among those that ended; 0: it has not */
    enum err err;
};

static inline void on_done(struct runtime_write *write, enum err err)
{
    struct test_write *ended = container_of(write, struct test_write, write);

    cr_assert(eq(u32, ended->place, 0));
    ended->place = ++ended_count;
    ended->err = err;
    ended->applied_before = fake->applied_count;
    runtime_write_deinit(write);
}

static inline void add(struct test_write *into, int32_t number, const char *metadata)
{
    struct offset_commit_key key;
    struct offset_commit_value value;

    codec_set_defaults(&offset_commit_key_desc, &key);
    codec_set_defaults(&offset_commit_value_desc, &value);
    key.group = wire_string("g");
    key.topic = wire_string("t");
    key.partition = number;
    value.metadata = wire_string(metadata);
    runtime_write_add(&into->write, TYPE_OFFSET_COMMIT, &key, OFFSET_COMMIT_VERSION, &value);
}

static inline void begin(struct test_write *write)
{
    *write = (struct test_write){0};
    runtime_write_init(&write->write, runtime_served(&fake->runtime, 0), on_done);
}

/* Records numbered from first on. */
static inline void start(struct test_write *write, int32_t first, int32_t count, bool is_sliced)
{
    begin(write);
    for (int32_t i = 0; i < count; i++)
        add(write, first + i, "");
    write->write.is_sliced = is_sliced;
    runtime_write_start(&write->write);
}

static inline void run_one_task(void)
{
    struct list *node = list_pop_front(&rig.shard.loop.deferred);

    cr_assert_not_null(node);
    container_of(node, struct task, node)->run(container_of(node, struct task, node));
}

static inline void check_in_order(const struct fake *of, uint32_t count)
{
    cr_assert(eq(u32, of->applied_count, count));
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(eq(i32, of->applied[i].number, (int32_t)i));
        cr_assert(eq(i64, of->applied[i].offset, i));
    }
}

#endif
