/* ListGroups: which groups the filters let through, and what that costs. */
#include "tests/unit/broker/group_asks.h"

#include <time.h>

static void setup(void)
{
    rig_up(NULL);
    rig_create_topic("t", 4);
}

static void keep_group(const char *id)
{
    cr_assert(coordinator_get(rig.shard.groups, wire_string(id)) != NULL);
}

TestSuite(list_groups, .init = setup, .fini = rig_down, .timeout = 600);

/* How many groups are listed with these filters; of_state_count copies of each state. */
static int32_t list(const char *const *states, int32_t state_count, const char *type,
                    int32_t copies)
{
    struct ask ask = ask_new(API_LIST_GROUPS, 5);
    struct list_groups_request *body = ask.body;
    int32_t count;

    body->states_filter.items =
        rig_alloc(ask.request, (size_t)(state_count * copies), sizeof(struct wire_string));
    for (int32_t i = 0; i < state_count * copies; i++)
        body->states_filter.items[i] = wire_string(states[i % state_count]);
    body->states_filter.count = state_count * copies;
    body->types_filter.items = rig_alloc(ask.request, 1, sizeof(struct wire_string));
    body->types_filter.items[0] = wire_string(type == NULL ? "" : type);
    body->types_filter.count = type == NULL ? 0 : 1;
    ask_start(&ask, handle_list_groups);
    count = ((const struct list_groups_response *)ask.response)->groups.count;
    ask_end(&ask);
    return count;
}

Test(list_groups, filters_are_read_without_regard_to_case)
{
    static const char *const stable[] = {"sTaBLE"};
    static const char *const empty[] = {"empty"};
    static const char *const several[] = {"dead", "EMPTY", "Stable", "no such state"};
    struct client_member a = a_client();

    become_stable(&a, "g");
    keep_group("empty");
    cr_assert(eq(i32, list(NULL, 0, NULL, 1), 2));
    cr_assert(eq(i32, list(stable, 1, NULL, 1), 1));
    cr_assert(eq(i32, list(empty, 1, "Classic", 1), 1));
    cr_assert(eq(i32, list(several, 4, "CLASSIC", 1), 2));
    cr_assert(eq(i32, list(several, 4, "consumer", 1), 0));
    cr_assert(eq(i32, list(&several[3], 1, NULL, 1), 0));
}

/* A filter of one byte in the frame must not cost a look at each group. */
Test(list_groups, filters_are_looked_at_once_and_not_for_each_group)
{
    enum { GROUPS = 2000, COPIES = 300000, CPU_MAX_MS = 2000 };
    static const char *const filters[] = {""};
    char id[32];
    clock_t begin;

    for (int i = 0; i < GROUPS; i++) {
        snprintf(id, sizeof(id), "g%d", i);
        keep_group(id);
    }
    begin = clock();
    cr_assert(eq(i32, list(filters, 1, NULL, COPIES), 0));
    cr_assert(lt(i64, (int64_t)(clock() - begin) * 1000 / CLOCKS_PER_SEC, CPU_MAX_MS));
}
