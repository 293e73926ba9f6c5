/* What the controller has decided and made durable is taken in by every shard, also one that has no
 * memory for it when it comes. */
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_create_topics.h"
#include "tests/unit/broker/controller_rig.h"

enum { ALLOCS = 120 };

struct asked {
    struct controller_call call;
    struct arena arena;
    struct create_topics_request_creatable_topic topic;
    struct create_topics_request request;
    struct create_topics_response response;
    bool done;
};

static void on_done(struct controller_call *call)
{
    container_of(call, struct asked, call)->done = true;
}

static void setup(void)
{
    const char *sets[] = {"log.dirs=data", NULL};

    rig_up(sets);
    rig_start(false);
}

TestSuite(controller_no_memory, .init = setup, .fini = rig_down);

static void create(struct asked *asked, const char *name)
{
    *asked = (struct asked){
        .topic = {.name = wire_string(name), .num_partitions = 3, .replication_factor = 1}};
    asked->request.topics.items = &asked->topic;
    asked->request.topics.count = 1;
    asked->call = (struct controller_call){.version = 7,
                                           .done = on_done,
                                           .arena = &asked->arena,
                                           .request = &asked->request,
                                           .response = &asked->response};
    arena_init(&asked->arena, (size_t)64 << 20);
    controller_create_topics(rig.controller, &asked->call);
}

static uint32_t partitions_on(uint32_t shard, const char *name)
{
    const struct image_topic *topic = image_topic_by_name(rig.at[shard].image, name, strlen(name));

    return topic == NULL ? 0 : topic->partition_count;
}

Test(controller_no_memory, what_is_decided_is_taken_in_when_there_is_some)
{
    uint32_t late_count = 0;

    for (uint64_t n = 1; n <= ALLOCS; n++) {
        struct asked asked;
        char name[16];
        snprintf(name, sizeof(name), "t%d", (int)n);
        create(&asked, name);
        cr_assert(not(asked.done));
        mem_end_after(n); /* behind the decision: until further notice */
        kept_log_commit();
        sim_world_run_for(rig.world, 50 * SIM_MS);
        mem_fail_after(0);
        late_count += !asked.done;
        rig_settle();
        cr_assert(asked.done);
        cr_assert(eq(int, asked.call.err, OK));
        for (uint32_t i = 0; i < RIG_SHARDS; i++)
            cr_assert(eq(u32, partitions_on(i, name), 3));
        arena_deinit(&asked.arena);
    }
    cr_assert(lt(u32, 10, late_count));
    cr_assert(lt(u32, late_count, ALLOCS));
}

/* Its client hears that the time is over; the topic comes all the same (Kafka's, too). */
Test(controller_no_memory, a_call_whose_time_is_over_meanwhile_is_answered)
{
    struct asked asked;

    create(&asked, "t");
    mem_end_after(1);
    kept_log_commit();
    sim_world_run_for(rig.world, 500 * SIM_MS);
    cr_assert(not(asked.done));
    controller_abandon(rig.controller, &asked.call);
    cr_assert(asked.done);
    cr_assert(eq(int, asked.call.err, ERR_TIMEOUT));
    mem_fail_after(0);
    rig_settle();
    for (uint32_t i = 0; i < RIG_SHARDS; i++)
        cr_assert(eq(u32, partitions_on(i, "t"), 3));
    arena_deinit(&asked.arena);
}

/* A broker that ends while it waits for memory gives back what it has. */
Test(controller_no_memory, an_end_while_it_waits_leaves_nothing_behind)
{
    struct asked asked;

    create(&asked, "t");
    mem_end_after(1);
    kept_log_commit();
    sim_world_run_for(rig.world, 500 * SIM_MS);
    mem_fail_after(0);
    cr_assert(not(asked.done));
    controller_fail(rig.controller, ERR_STORAGE); /* it is durable, and may end well */
    cr_assert(not(asked.done));
    rig_close();
    arena_deinit(&asked.arena);
}
