/* What is committed, and nothing else, comes to every image and every publisher, once and in order.
 */
#include "record/batch_builder.h"
#include "tests/unit/broker/controller_rig.h"

enum { WATCHERS = 3, SEEN_MAX = 64 };

/* What the publishers of one shard were told, in order: the watcher, and the topic. */
struct seen {
    uint32_t count;
    uint32_t watcher[SEEN_MAX];
    char topic[SEEN_MAX][16];
    uint32_t slices;      /* of watcher 0 */
    uint32_t memory_fail; /* of watcher 1: so often there is none */
    enum err open_err;
    uint32_t opened;
};

static struct seen seen[RIG_SHARDS];

static void see(struct shard *shard, uint32_t watcher, const struct delta *delta)
{
    struct seen *mine = &seen[shard->index];

    for (uint32_t i = 0; i < delta->topic_count; i++) {
        cr_assert(lt(u32, mine->count, SEEN_MAX));
        cr_assert(not(image_topic_by_id(shard->image, &delta->topics[i].id) == NULL));
        mine->watcher[mine->count] = watcher;
        snprintf(mine->topic[mine->count++], 16, "%s", delta->topics[i].name);
    }
}

static enum err open_watcher(struct shard *shard)
{
    seen[shard->index].opened++;
    return seen[shard->index].open_err;
}

/* Three turns for each change. */
static bool in_slices(struct shard *shard, const struct delta *delta, struct delta_cursor *cursor)
{
    if (!cursor->has_begun)
        see(shard, 0, delta);
    cursor->has_begun = true;
    seen[shard->index].slices++;
    return ++cursor->step == 3;
}

static bool without_memory(struct shard *shard, const struct delta *delta,
                           struct delta_cursor *cursor)
{
    cr_assert(eq(u8, cursor->step, 0)); /* not the one's before it */
    if (seen[shard->index].memory_fail > 0) {
        seen[shard->index].memory_fail--;
        cursor->lacks_memory = true;
        return false;
    }
    see(shard, 1, delta);
    return true;
}

static bool at_once(struct shard *shard, const struct delta *delta, struct delta_cursor *cursor)
{
    see(shard, 2, delta);
    return true;
}

static const struct metadata_publisher watchers[WATCHERS] = {
    {.name = "slices", .open = open_watcher, .publish = in_slices},
    {.name = "memory", .publish = without_memory},
    {.name = "once", .publish = at_once},
};

static void setup(void)
{
    const char *sets[] = {"log.dirs=data", NULL};

    memset(seen, 0, sizeof(seen));
    rig_up(sets);
    cr_assert(eq(int, rig_open(), OK));
    for (uint32_t i = 0; i < WATCHERS; i++)
        loader_add(rig.loader, &watchers[i]);
    rig_begin(false);
    rig_settle();
    cr_assert(rig.started);
}

TestSuite(loader, .init = setup, .fini = rig_down, .timeout = 600);

struct making {
    struct controller_auto_create create;
    bool done;
};

static void on_made(struct controller_call *call)
{
    struct making *making = container_of(container_of(call, struct controller_auto_create, call),
                                         struct making, create);

    cr_assert(eq(int, call->err, OK));
    making->done = true;
}

static void make(struct making *making, const char *name)
{
    *making = (struct making){.create = {.call = {.done = on_made}, .name = name}};
    controller_auto_create_topic(rig.controller, &making->create);
}

static void expect_seen(uint32_t shard, uint32_t index, uint32_t watcher, const char *topic)
{
    cr_assert(lt(u32, index, seen[shard].count));
    cr_expect(eq(u32, seen[shard].watcher[index], watcher), "shard %u, %u", shard, index);
    cr_expect(eq(str, seen[shard].topic[index], (char *)topic), "shard %u, %u", shard, index);
}

Test(loader, what_is_not_durable_is_in_no_image_and_nobody_is_told)
{
    struct making making;

    make(&making, "t");
    sim_world_run_for(rig.world, SIM_SECOND);
    cr_assert(lt(i64, kept_log.offsets.durable, kept_log.offsets.log_end));
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        cr_assert(eq(u32, image_topic_count(rig.at[i].image), 0));
        cr_assert(eq(u32, seen[i].count, 0));
    }
    cr_assert(not(making.done));
    rig_settle();
    cr_assert(making.done);
    for (uint32_t i = 0; i < RIG_SHARDS; i++)
        cr_assert(eq(u32, seen[i].count, WATCHERS));
}

Test(loader, each_publisher_is_told_each_change_once_and_in_order)
{
    struct making makings[2];

    make(&makings[0], "a");
    make(&makings[1], "b");
    for (uint32_t i = 0; i < RIG_SHARDS; i++)
        seen[i].memory_fail = 2;
    rig_settle();
    cr_assert(makings[0].done && makings[1].done);
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        cr_assert(eq(u32, seen[i].count, 2 * WATCHERS));
        cr_assert(eq(u32, seen[i].memory_fail, 0));
        for (uint32_t w = 0; w < WATCHERS; w++) {
            expect_seen(i, w, w, "a");
            expect_seen(i, WATCHERS + w, w, "b");
        }
    }
}

/* Who decided must not find, on any shard, that his topic is not there yet. */
Test(loader, the_decision_is_answered_when_the_last_publisher_has_followed)
{
    struct making making;

    make(&making, "t");
    seen[1].memory_fail = 5;
    kept_log_commit();
    sim_world_run_for(rig.world, 300 * SIM_MS);
    cr_assert(eq(u32, seen[0].count, WATCHERS)); /* shard 0 waits for nobody */
    cr_assert(eq(u32, seen[1].count, 1));
    cr_assert(not(making.done));
    rig_settle();
    cr_assert(eq(u32, seen[1].count, WATCHERS));
    cr_assert(making.done);
}

Test(loader, a_publisher_that_cannot_open_ends_the_start)
{
    seen[1].open_err = ERR_IO;
    cr_assert(eq(int, loader_open_publishers(rig.loader), ERR_IO));
    cr_assert(eq(u32, seen[0].opened, 1));
    cr_assert(eq(u32, seen[1].opened, 1));
}

/* ---- what a newer version or Kafka left in the log */

static struct {
    char text[4096];
    uint32_t count;
} lines;

static void on_line(struct log_sink *sink, enum log_level level, const char *line,
                    size_t size_bytes)
{
    snprintf(lines.text, sizeof(lines.text), "%.*s", (int)size_bytes, line);
    lines.count++;
}

static void listen_for_lines(void)
{
    memset(&lines, 0, sizeof(lines));
    log_sink_init(&rig.sink, on_line, sim_node_clock(rig.node), LOG_WARN, LOG_FORMAT_TEXT);
}

/* While nobody runs: a record of its own batch at the end of the log. */
static void leave_in_log(const char *value, size_t size_bytes)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct log_append_result result;
    struct log_append append;
    const uint8_t *bytes;
    uint32_t batch_bytes;

    batch_builder_init(&builder, &options);
    batch_builder_reset(&builder, &options);
    cr_assert(
        eq(int, batch_builder_add_pair(&builder, NULL, -1, value, (int32_t)size_bytes, 0), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &batch_bytes), OK));
    append = (struct log_append){
        .bytes = bytes, .size_bytes = batch_bytes, .leader_epoch = kept_log.epoch};
    cr_assert(eq(int, log_append_leader(&kept_log, &append, &result), OK));
    batch_builder_deinit(&builder);
}

Test(loader, records_that_nobody_acts_on_outlive_snapshots_on_every_shard)
{
    rig_stop();
    leave_in_log("\1\115\0later", 8); /* type 77 */
    leave_in_log("\1\22\1newer", 8);  /* an access control entry of a version to come */
    for (int start = 0; start < 4; start++) {
        listen_for_lines();
        rig_start(false);
        for (uint32_t i = 0; i < RIG_SHARDS; i++)
            cr_assert(eq(u32, image_opaque_count(rig.at[i].image), 2), "start %d", start);
        cr_assert(eq(u32, lines.count, 1)); /* once a start */
        cr_assert(not(strstr(lines.text, "LVE-4016") == NULL));
        cr_assert(not(strstr(lines.text, "type 77, AccessControlEntryRecord") == NULL));
        rig_stop(); /* with a snapshot */
    }
    cr_assert(lt(i64, 4, kept_log.offsets.log_start)); /* where they stood is cut off */
}

Test(loader, a_record_that_must_be_obeyed_and_cannot_be_read_ends_the_start_by_its_name)
{
    rig_stop();
    leave_in_log("\1\3\3x", 4);
    listen_for_lines();
    cr_assert(eq(int, rig_open(), ERR_NEWER_FORMAT));
    cr_assert(not(strstr(lines.text, "LVE-4001") == NULL));
    cr_assert(not(strstr(lines.text, "PartitionRecord version 3") == NULL));
    for (uint32_t i = 0; i < RIG_SHARDS; i++)
        image_destroy(rig.at[i].image);
}
