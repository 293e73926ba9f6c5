/* DescribeGroups: what is told of groups that are there, of others, and how much of it. */
#include "net/protocol/msg_describe_groups.h"
#include "tests/unit/broker/group_asks.h"

static void setup(void)
{
    rig_up(NULL);
    rig_create_topic("t", 4);
}

TestSuite(describe_groups, .init = setup, .fini = rig_down, .timeout = 600);

enum { ALL_OF_A_GROUP = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11 };

static struct ask describe(const char *group, int16_t version)
{
    struct ask ask = ask_new(API_DESCRIBE_GROUPS, version);
    struct describe_groups_request *body = ask.body;

    body->groups.items = rig_alloc(ask.request, 1, sizeof(struct wire_string));
    body->groups.items[0] = asked_text(&ask, group);
    body->groups.count = 1;
    body->include_authorized_operations = true;
    return ask;
}

/* Kafka tells the operations with every answer that is not an error, and until KIP-1043 a group
 * that does not exist was none. */
Test(describe_groups, operations_are_told_of_unknown_groups_where_they_are_no_error)
{
    struct ask ask = describe("nobody", 5);
    const struct describe_groups_response *response = ask.response;

    ask_start(&ask, handle_describe_groups);
    cr_assert(eq(i16, response->groups.items[0].error_code, KAFKA_NONE));
    cr_assert(wire_string_is(response->groups.items[0].group_state, "Dead"));
    cr_assert(eq(i32, response->groups.items[0].authorized_operations, ALL_OF_A_GROUP));
    ask_end(&ask);
    ask = describe("nobody", 6);
    response = ask.response;
    ask_start(&ask, handle_describe_groups);
    cr_assert(eq(i16, response->groups.items[0].error_code, KAFKA_GROUP_ID_NOT_FOUND));
    cr_assert(eq(i32, response->groups.items[0].authorized_operations, INT32_MIN));
    ask_end(&ask);
}

Test(describe_groups, members_are_told_with_their_assignments)
{
    struct client_member a = a_client();
    struct ask ask;
    const struct describe_groups_response *response;

    become_stable(&a, "g");
    ask = describe("g", 6);
    response = ask.response;
    ask_start(&ask, handle_describe_groups);
    cr_assert(eq(i16, response->groups.items[0].error_code, KAFKA_NONE));
    cr_assert(wire_string_is(response->groups.items[0].group_state, "Stable"));
    cr_assert(eq(i32, response->groups.items[0].authorized_operations, ALL_OF_A_GROUP));
    cr_assert(eq(i32, response->groups.items[0].members.count, 1));
    cr_assert(wire_string_is(response->groups.items[0].members.items[0].member_id, a.id));
    cr_assert(eq(i32, response->groups.items[0].members.items[0].member_assignment.size_bytes,
                 (int32_t)strlen(a.id)));
    ask_end(&ask);
}
