#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"
#include "tests/sim/oracle.h"
#include "tests/sim/oracle_group.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { ANN = 1, BOB = 2, ANNS_ID = 11, BOBS_ID = 22, PATIENCE_MS = 1000 };

static struct history history;
static struct oracle *oracle;
static uint64_t now_ns;

/* value: what the kind says; generation and member as told. */
static struct history_event event_of(enum history_kind kind, uint32_t client, int32_t generation,
                                     uint64_t value)
{
    uint64_t id = client == ANN ? ANNS_ID : BOBS_ID;

    return (struct history_event){.kind = kind,
                                  .time_ns = now_ns,
                                  .client = client,
                                  .offset = -1,
                                  .value = value,
                                  .generation = generation,
                                  .member = id,
                                  .identity = id,
                                  .leader = ANNS_ID,
                                  .patience_ms = PATIENCE_MS};
}

static void tell(enum history_kind kind, uint32_t client, int32_t generation, uint64_t value)
{
    struct history_event event = event_of(kind, client, generation, value);

    history_add(&history, &event);
}

static void pass_ms(uint64_t ms)
{
    now_ns += ms * 1000000;
}

static void refused(uint32_t client, int32_t generation, int16_t key, int16_t error)
{
    struct history_event event =
        event_of(HISTORY_MEMBER_REFUSED, client, generation, (uint64_t)key);

    event.error = error;
    history_add(&history, &event);
}

static void restart(uint64_t down_ms)
{
    tell(HISTORY_BROKER_DOWN, 0, 0, 0);
    pass_ms(down_ms);
    tell(HISTORY_BROKER_UP, 0, 0, 0);
}

static void join(uint32_t client, int32_t generation)
{
    tell(HISTORY_ASK, client, 0, API_JOIN_GROUP);
    tell(HISTORY_JOINED, client, generation, 77);
}

static void sync_group(uint32_t client, int32_t generation, uint64_t value)
{
    tell(HISTORY_ASK, client, generation, API_SYNC_GROUP);
    tell(HISTORY_SYNCED, client, generation, value);
}

/* Ann leads, assigns 100 to herself and 200 to Bob; both have it. */
static void both_stable(int32_t generation)
{
    struct history_event for_bob = event_of(HISTORY_ASSIGN, ANN, generation, 200);
    struct history_event members = event_of(HISTORY_MEMBERS, ANN, generation, 3);

    join(ANN, generation);
    members.high = 2;
    history_add(&history, &members);
    join(BOB, generation);
    tell(HISTORY_ASSIGN, ANN, generation, 100);
    for_bob.member = for_bob.identity = BOBS_ID;
    history_add(&history, &for_bob);
    sync_group(ANN, generation, 100);
    sync_group(BOB, generation, 200);
}

static void setup(void)
{
    now_ns = 1000000000;
    oracle = oracle_create();
    history_init(&history);
    history.listen = oracle_take;
    history.context = oracle;
    tell(HISTORY_BROKER_UP, 0, 0, 0);
}

static void teardown(void)
{
    history_deinit(&history);
    oracle_destroy(oracle);
}

TestSuite(oracle_group, .init = setup, .fini = teardown);

static void finds(const char *rule)
{
    const struct oracle_complaint *first = oracle_first(oracle);

    cr_assert(first != NULL, "nothing found, %s expected", rule);
    cr_assert(eq(str, (char *)first->rule, (char *)rule));
}

static void finds_nothing(void)
{
    const struct oracle_complaint *first = oracle_first(oracle);

    cr_assert(first == NULL, "%s", first == NULL ? "" : first->text);
}

Test(oracle_group, quiet_life_over_a_restart_passes)
{
    both_stable(1);
    restart(100000);
    pass_ms(500);
    tell(HISTORY_ASK, BOB, 1, API_HEARTBEAT);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_HEARTBEAT);
    sync_group(BOB, 1, 200);
    both_stable(2);
    finds_nothing();
    cr_assert(eq(u64, oracle->groups->generations_count, 2));
    cr_assert(eq(u64, oracle->groups->kept_count, 1));
}

Test(oracle_group, generation_that_goes_down_is_found)
{
    both_stable(3);
    join(BOB, 2);
    finds("G1");
}

Test(oracle_group, answer_that_was_on_its_way_when_the_generation_rose_passes)
{
    tell(HISTORY_ASK, BOB, 0, API_JOIN_GROUP);
    join(ANN, 2);
    tell(HISTORY_JOINED, BOB, 1, 77);
    finds_nothing();
}

Test(oracle_group, generation_with_two_leaders_is_found)
{
    struct history_event joined = event_of(HISTORY_JOINED, BOB, 1, 77);

    join(ANN, 1);
    tell(HISTORY_ASK, BOB, 0, API_JOIN_GROUP);
    joined.leader = BOBS_ID;
    history_add(&history, &joined);
    finds("G1");
}

Test(oracle_group, generation_with_two_sets_of_members_is_found)
{
    join(ANN, 1);
    tell(HISTORY_MEMBERS, ANN, 1, 3);
    tell(HISTORY_MEMBERS, ANN, 1, 4);
    finds("G1");
}

Test(oracle_group, generation_with_two_protocols_is_found)
{
    join(ANN, 1);
    tell(HISTORY_ASK, BOB, 0, API_JOIN_GROUP);
    tell(HISTORY_JOINED, BOB, 1, 78);
    finds("G1");
}

Test(oracle_group, assignment_of_another_member_is_found)
{
    both_stable(1);
    sync_group(BOB, 1, 100);
    finds("G9");
}

Test(oracle_group, assignment_before_the_leader_sent_one_is_found)
{
    join(ANN, 1);
    join(BOB, 1);
    sync_group(BOB, 1, 0);
    finds("G9");
}

Test(oracle_group, commit_in_a_generation_that_is_over_is_found)
{
    both_stable(1);
    both_stable(2);
    tell(HISTORY_ASK, BOB, 1, API_OFFSET_COMMIT);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_OFFSET_COMMIT);
    finds("G2");
}

Test(oracle_group, commit_that_was_on_its_way_when_its_generation_ended_passes)
{
    both_stable(1);
    tell(HISTORY_ASK, BOB, 1, API_OFFSET_COMMIT);
    join(ANN, 2);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_OFFSET_COMMIT);
    finds_nothing();
}

Test(oracle_group, commit_of_nobody_is_found)
{
    struct history_event ask = event_of(HISTORY_ASK, BOB, 1, API_OFFSET_COMMIT);

    both_stable(1);
    ask.member = ask.identity = 0;
    history_add(&history, &ask);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_OFFSET_COMMIT);
    finds("G2");
}

Test(oracle_group, commit_under_the_old_id_of_an_instance_is_found)
{
    struct history_event joined = event_of(HISTORY_JOINED, BOB, 2, 77);
    struct history_event ask = event_of(HISTORY_ASK, BOB, 2, API_OFFSET_COMMIT);

    tell(HISTORY_ASK, BOB, 0, API_JOIN_GROUP);
    joined.member = 221;
    history_add(&history, &joined);
    ask.member = 220;
    history_add(&history, &ask);
    tell(HISTORY_MEMBER_OK, BOB, 2, API_OFFSET_COMMIT);
    finds("G2");
}

Test(oracle_group, member_that_left_and_commits_is_found_only_in_the_same_life)
{
    both_stable(1);
    tell(HISTORY_ASK, BOB, 1, API_LEAVE_GROUP);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_LEAVE_GROUP);
    restart(0); /* a leave is recorded with the next generation only */
    tell(HISTORY_ASK, BOB, 1, API_OFFSET_COMMIT);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_OFFSET_COMMIT);
    finds_nothing();
    tell(HISTORY_ASK, BOB, 1, API_LEAVE_GROUP);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_LEAVE_GROUP);
    tell(HISTORY_ASK, BOB, 1, API_OFFSET_COMMIT);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_OFFSET_COMMIT);
    finds("G2");
}

Test(oracle_group, an_answer_to_a_leave_may_outlive_the_broker_that_took_it)
{
    both_stable(1);
    tell(HISTORY_ASK, BOB, 1, API_LEAVE_GROUP);
    restart(0);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_LEAVE_GROUP);
    tell(HISTORY_ASK, BOB, 1, API_OFFSET_COMMIT);
    tell(HISTORY_MEMBER_OK, BOB, 1, API_OFFSET_COMMIT);
    finds_nothing();
}

Test(oracle_group, commit_refused_for_another_reason_is_found)
{
    both_stable(1);
    both_stable(2);
    tell(HISTORY_ASK, BOB, 1, API_OFFSET_COMMIT);
    refused(BOB, 1, API_OFFSET_COMMIT, KAFKA_REBALANCE_IN_PROGRESS);
    finds("G2");
}

Test(oracle_group, member_that_a_restart_forgets_is_found)
{
    both_stable(1);
    restart(100000);
    pass_ms(500);
    tell(HISTORY_ASK, BOB, 1, API_HEARTBEAT);
    refused(BOB, 1, API_HEARTBEAT, KAFKA_UNKNOWN_MEMBER_ID);
    finds("G10");
}

Test(oracle_group, member_that_was_silent_before_or_after_a_restart_may_be_out)
{
    both_stable(1);
    pass_ms(PATIENCE_MS + 1);
    restart(0);
    tell(HISTORY_ASK, BOB, 1, API_HEARTBEAT);
    refused(BOB, 1, API_HEARTBEAT, KAFKA_UNKNOWN_MEMBER_ID);
    both_stable(2);
    restart(0);
    pass_ms(PATIENCE_MS + 1);
    tell(HISTORY_ASK, BOB, 2, API_HEARTBEAT);
    refused(BOB, 2, API_HEARTBEAT, KAFKA_UNKNOWN_MEMBER_ID);
    finds_nothing();
}

Test(oracle_group, member_that_heard_of_a_rebalance_may_be_out)
{
    both_stable(1);
    tell(HISTORY_ASK, BOB, 1, API_HEARTBEAT);
    refused(BOB, 1, API_HEARTBEAT, KAFKA_REBALANCE_IN_PROGRESS);
    tell(HISTORY_ASK, BOB, 1, API_HEARTBEAT);
    refused(BOB, 1, API_HEARTBEAT, KAFKA_UNKNOWN_MEMBER_ID);
    finds_nothing();
}

Test(oracle_group, rebalance_that_nobody_began_is_found_after_a_start)
{
    both_stable(1);
    restart(100);
    tell(HISTORY_ASK, BOB, 1, API_HEARTBEAT);
    refused(BOB, 1, API_HEARTBEAT, KAFKA_REBALANCE_IN_PROGRESS);
    finds("G10");
}

Test(oracle_group, rebalance_after_a_start_passes_when_somebody_may_have_begun_it)
{
    both_stable(1);
    restart(100);
    tell(HISTORY_ASK, ANN, 1, API_JOIN_GROUP);
    tell(HISTORY_ASK, BOB, 1, API_HEARTBEAT);
    refused(BOB, 1, API_HEARTBEAT, KAFKA_REBALANCE_IN_PROGRESS);
    both_stable(2); /* the join before may still be on its way */
    restart(100);
    tell(HISTORY_ASK, BOB, 2, API_HEARTBEAT);
    refused(BOB, 2, API_HEARTBEAT, KAFKA_REBALANCE_IN_PROGRESS);
    finds_nothing();
}
