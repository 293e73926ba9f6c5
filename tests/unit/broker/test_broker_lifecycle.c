/* The broker's side of its life, with a controller that answers when the test says so, and the
 * embedded controller's side. */
#include "broker/metadata/controller_client.h"
#include "tests/unit/broker/controller_rig.h"

/* ---- a controller that is far away */

static struct {
    struct controller_client client;
    struct broker_registration *registration;
    struct broker_heartbeat *heartbeat;
    uint32_t registration_count;
    uint32_t heartbeat_count;
} far_away;

static void far_register(struct controller_client *client, struct broker_registration *registration)
{
    far_away.registration = registration;
    far_away.registration_count++;
}

static void far_heartbeat(struct controller_client *client, struct broker_heartbeat *heartbeat)
{
    far_away.heartbeat = heartbeat;
    far_away.heartbeat_count++;
}

static void answer_registration(int64_t epoch, enum err err)
{
    far_away.registration->broker_epoch = epoch;
    far_away.registration->done(far_away.registration, err);
}

static void answer_heartbeat(enum err err)
{
    far_away.heartbeat->is_fenced = far_away.heartbeat->want_shut_down;
    far_away.heartbeat->done(far_away.heartbeat, err);
}

static uint32_t started_count;
static enum err started_err;
static uint32_t stopped_count;

static void on_started(void *context, enum err err)
{
    started_count++;
    started_err = err;
}

static void on_stopped(void *context)
{
    stopped_count++;
}

static struct broker_lifecycle *life;

static void setup(void)
{
    const char *sets[] = {"log.dirs=data", "broker.rack=r", NULL};
    struct broker_lifecycle_options options = {.client = &far_away.client,
                                               .node_id = RIG_NODE,
                                               .incarnation_id = {.bytes = {9}},
                                               .directory_id = {.bytes = {8}},
                                               .is_unclean = true};

    memset(&far_away, 0, sizeof(far_away));
    far_away.client =
        (struct controller_client){.register_broker = far_register, .heartbeat = far_heartbeat};
    started_count = 0;
    stopped_count = 0;
    rig_up(sets);
    rig.at[0].image = image_create();
    life = broker_lifecycle_create(&rig.at[0], &options);
}

static void teardown(void)
{
    broker_lifecycle_destroy(life);
    image_destroy(rig.at[0].image);
    rig_down();
}

TestSuite(broker_lifecycle, .init = setup, .fini = teardown, .timeout = 600);

Test(broker_lifecycle, it_is_started_when_it_is_registered_and_unfenced)
{
    const struct broker_registration *registration;

    cr_assert(eq(i64, broker_lifecycle_epoch(life), -1));
    broker_lifecycle_start(life, on_started, NULL);
    registration = far_away.registration;
    cr_assert(eq(i32, registration->broker_id, RIG_NODE));
    cr_assert(registration->is_unclean);
    cr_assert(eq(str, (char *)registration->rack, "r"));
    cr_assert(eq(u8, registration->directory_id.bytes[0], 8));
    cr_assert(eq(u32, registration->endpoint_count, config_listener_count(rig.config)));
    cr_assert(eq(u32, far_away.heartbeat_count, 0));
    answer_registration(42, OK);
    cr_assert(eq(i64, broker_lifecycle_epoch(life), 42));
    cr_assert(eq(u32, far_away.heartbeat_count, 1));
    cr_assert(eq(i64, far_away.heartbeat->broker_epoch, 42));
    cr_assert(not(far_away.heartbeat->want_fence || far_away.heartbeat->want_shut_down));
    cr_assert(eq(u32, started_count, 0)); /* BLC-1 */
    answer_heartbeat(OK);
    cr_assert(eq(u32, started_count, 1));
    cr_assert(eq(int, started_err, OK));
}

Test(broker_lifecycle, a_refusal_of_either_ends_the_start)
{
    broker_lifecycle_start(life, on_started, NULL);
    answer_registration(42, OK);
    answer_heartbeat(ERR_FENCED_EPOCH);
    cr_assert(eq(u32, started_count, 1));
    cr_assert(eq(int, started_err, ERR_FENCED_EPOCH));
    broker_lifecycle_stop(life, on_stopped, NULL);
    cr_assert(eq(u32, stopped_count, 1)); /* nothing to take back */
    cr_assert(eq(u32, far_away.heartbeat_count, 1));
}

Test(broker_lifecycle, an_end_in_order_asks_to_be_fenced_and_does_not_insist)
{
    broker_lifecycle_start(life, on_started, NULL);
    answer_registration(42, OK);
    answer_heartbeat(OK);
    broker_lifecycle_stop(life, on_stopped, NULL);
    cr_assert(eq(u32, stopped_count, 0));
    cr_assert(far_away.heartbeat->want_shut_down);
    cr_assert(eq(i64, far_away.heartbeat->broker_epoch, 42));
    answer_heartbeat(ERR_STORAGE);
    cr_assert(eq(u32, stopped_count, 1));
    cr_assert(eq(u32, started_count, 1));
}

/* Stopped before it was up: whatever is answered then starts nothing. */
Test(broker_lifecycle, an_end_during_the_start_ends_at_once)
{
    broker_lifecycle_start(life, on_started, NULL);
    broker_lifecycle_stop(life, on_stopped, NULL);
    cr_assert(eq(u32, stopped_count, 1));
    answer_registration(42, OK);
    cr_assert(eq(u32, far_away.heartbeat_count, 0)); /* BLC-2 */
    cr_assert(eq(u32, started_count, 0));
}

Test(broker_lifecycle, one_that_was_stopped_does_not_start)
{
    broker_lifecycle_stop(life, on_stopped, NULL);
    broker_lifecycle_start(life, on_started, NULL);
    cr_assert(eq(u32, far_away.registration_count, 0));
    cr_assert(eq(u32, stopped_count, 1));
}

/* ---- the embedded controller */

static void setup_embedded(void)
{
    const char *sets[] = {"log.dirs=data", NULL};

    rig_up(sets);
    rig_start(false);
}

TestSuite(broker_heartbeat, .init = setup_embedded, .fini = rig_down, .timeout = 600);

static enum err heartbeat_err;
static uint32_t heartbeat_count;

static void on_heartbeat(struct broker_heartbeat *heartbeat, enum err err)
{
    heartbeat_err = err;
    heartbeat_count++;
}

static enum err beat(struct broker_heartbeat *heartbeat)
{
    struct controller_client *client = controller_client_of(rig.controller);

    heartbeat->done = on_heartbeat;
    heartbeat_count = 0;
    client->heartbeat(client, heartbeat);
    rig_settle();
    cr_assert(eq(u32, heartbeat_count, 1));
    return heartbeat_err;
}

Test(broker_heartbeat, only_what_changes_something_writes_a_record)
{
    struct broker_heartbeat heartbeat = {.broker_id = RIG_NODE,
                                         .broker_epoch = controller_broker_epoch(rig.controller)};
    int64_t end = kept_log.offsets.log_end;

    cr_assert(eq(int, beat(&heartbeat), OK)); /* unfenced already */
    cr_assert(not(heartbeat.is_fenced));
    cr_assert(eq(i64, kept_log.offsets.log_end, end));
    heartbeat.want_fence = true;
    cr_assert(eq(int, beat(&heartbeat), OK));
    cr_assert(heartbeat.is_fenced);
    cr_assert(eq(i64, kept_log.offsets.log_end, end + 1));
    for (uint32_t i = 0; i < RIG_SHARDS; i++)
        cr_assert(image_broker_find(rig.at[i].image, RIG_NODE)->fenced);
    heartbeat.want_fence = false;
    cr_assert(eq(int, beat(&heartbeat), OK));
    cr_assert(not(image_broker_find(rig.at[1].image, RIG_NODE)->fenced));
    cr_assert(eq(i64, kept_log.offsets.log_end, end + 2));
}

Test(broker_heartbeat, who_was_registered_again_or_never_is_told_so)
{
    struct broker_heartbeat heartbeat = {
        .broker_id = RIG_NODE, .broker_epoch = controller_broker_epoch(rig.controller) - 1};

    cr_assert(eq(int, beat(&heartbeat), ERR_FENCED_EPOCH));
    heartbeat.broker_id = RIG_NODE + 1;
    cr_assert(eq(int, beat(&heartbeat), ERR_NOT_FOUND));
    cr_assert(not(image_broker_find(rig.at[0].image, RIG_NODE)->fenced));
}

Test(broker_heartbeat, a_dead_disk_answers_it_once)
{
    struct broker_heartbeat heartbeat = {.broker_id = RIG_NODE,
                                         .broker_epoch = controller_broker_epoch(rig.controller),
                                         .want_shut_down = true};

    controller_fail(rig.controller, ERR_STORAGE);
    cr_assert(eq(int, beat(&heartbeat), ERR_STORAGE));
}
