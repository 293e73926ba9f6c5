/* Admin calls that ask for more than one broker or a security that is not there: what is true is
 * told in Kafka's words. */
#include "net/protocol/msg_alter_partition_reassignments.h"
#include "net/protocol/msg_create_acls.h"
#include "net/protocol/msg_describe_acls.h"
#include "net/protocol/msg_describe_client_quotas.h"
#include "net/protocol/msg_describe_quorum.h"
#include "net/protocol/msg_describe_user_scram_credentials.h"
#include "net/protocol/msg_elect_leaders.h"
#include "net/protocol/msg_unregister_broker.h"
#include "tests/unit/broker/live_rig.h"

struct seen {
    int16_t code;
    int32_t count;
    int64_t number;
};

static int32_t me(void)
{
    return image_broker_at(broker_shard(live.broker.broker, 0)->image, 0)->id;
}

static struct seen ask_for(int16_t key, int16_t version, const void *request,
                           void (*look)(struct live_ask *ask, const void *response))
{
    struct seen seen = {0};
    struct live_ask ask = {.look = look, .context = &seen};

    live_ask(&ask, live_client(0), key, version, request);
    return seen;
}

/* ---- reassignments and elections */

static void look_reassigned(struct live_ask *ask, const void *response)
{
    const struct alter_partition_reassignments_response *answer = response;
    struct seen *seen = ask->context;

    cr_assert(eq(i16, answer->error_code, KAFKA_NONE));
    seen->code = answer->responses.items[0].partitions.items[0].error_code;
}

/* count < 0: cancel. */
static int16_t reassign(int32_t index, int32_t *replicas, int32_t count)
{
    struct alter_partition_reassignments_request_reassignable_partition partition;
    struct alter_partition_reassignments_request_reassignable_topic topic;
    struct alter_partition_reassignments_request request;

    codec_set_defaults(&alter_partition_reassignments_request_desc, &request);
    partition.partition_index = index;
    partition.replicas.items = replicas;
    partition.replicas.count = count;
    topic.name = wire_string("a");
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    return ask_for(API_ALTER_PARTITION_REASSIGNMENTS, 0, &request, look_reassigned).code;
}

Test(admin_answers, a_partition_stays_on_the_only_broker)
{
    int32_t ids[2];

    live_start(2, NULL);
    live_topic(live_client(0), "a", 2);
    ids[0] = me();
    ids[1] = me();
    cr_assert(eq(i16, reassign(1, ids, 1), KAFKA_NONE));
    cr_assert(eq(i16, reassign(1, ids, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT));
    cr_assert(eq(i16, reassign(1, ids, 0), KAFKA_INVALID_REPLICA_ASSIGNMENT));
    cr_assert(eq(i16, reassign(2, ids, 1), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert(eq(i16, reassign(1, NULL, -1), KAFKA_NO_REASSIGNMENT_IN_PROGRESS));
    ids[0]++;
    cr_assert(eq(i16, reassign(1, ids, 1), KAFKA_INVALID_REPLICA_ASSIGNMENT));
}

static void look_elected(struct live_ask *ask, const void *response)
{
    const struct elect_leaders_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->error_code;
    seen->count = answer->replica_election_results.count;
    if (seen->count > 0 && answer->replica_election_results.items[0].partition_result.count > 0)
        seen->number =
            answer->replica_election_results.items[0].partition_result.items[0].error_code;
}

Test(admin_answers, no_election_is_needed)
{
    int32_t index = 1;
    struct elect_leaders_request_topic_partitions topic = {.topic = wire_string("a")};
    struct elect_leaders_request request;
    struct seen seen;

    live_start(2, NULL);
    live_topic(live_client(0), "a", 2);
    live_topic(live_client(0), "b", 2);
    codec_set_defaults(&elect_leaders_request_desc, &request);
    topic.partitions.items = &index;
    topic.partitions.count = 1;
    request.topic_partitions.items = &topic;
    request.topic_partitions.count = 1;
    seen = ask_for(API_ELECT_LEADERS, 2, &request, look_elected);
    cr_assert(eq(i16, seen.code, KAFKA_NONE));
    cr_assert(eq(i64, seen.number, KAFKA_ELECTION_NOT_NEEDED));
    index = 2;
    seen = ask_for(API_ELECT_LEADERS, 2, &request, look_elected);
    cr_assert(eq(i64, seen.number, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    request.election_type = 2;
    seen = ask_for(API_ELECT_LEADERS, 2, &request, look_elected);
    cr_assert(eq(i16, seen.code, KAFKA_INVALID_REQUEST));
    request.election_type = 1;
    request.topic_partitions.count = -1;
    seen = ask_for(API_ELECT_LEADERS, 2, &request, look_elected);
    cr_assert(eq(i16, seen.code, KAFKA_NONE));
    cr_assert(eq(i32, seen.count, 2));
}

/* ---- the quorum */

static void look_quorum(struct live_ask *ask, const void *response)
{
    const struct describe_quorum_response *answer = response;
    const struct describe_quorum_response_partition_data *partition =
        answer->topics.items[0].partitions.items;
    struct seen *seen = ask->context;

    seen->code = partition->error_code;
    seen->count = partition->current_voters.count;
    seen->number = partition->high_watermark;
    if (seen->count > 0)
        cr_assert(eq(i32, partition->current_voters.items[0].replica_id, me()));
}

Test(admin_answers, the_quorum_is_this_broker)
{
    struct describe_quorum_request_partition_data partition = {0};
    struct describe_quorum_request_topic_data topic = {.topic_name =
                                                           wire_string("__cluster_metadata")};
    struct describe_quorum_request request;
    struct seen before, after;

    live_start(2, NULL);
    live_client(0);
    codec_set_defaults(&describe_quorum_request_desc, &request);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    before = ask_for(API_DESCRIBE_QUORUM, 2, &request, look_quorum);
    cr_assert(eq(i16, before.code, KAFKA_NONE));
    cr_assert(eq(i32, before.count, 1));
    live_topic(live_client(0), "a", 2);
    after = ask_for(API_DESCRIBE_QUORUM, 0, &request, look_quorum);
    cr_assert(ge(i64, after.number, before.number + 3)); /* a topic, two partitions */
    topic.topic_name = wire_string("a");
    after = ask_for(API_DESCRIBE_QUORUM, 2, &request, look_quorum);
    cr_assert(eq(i16, after.code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
}

static void look_unregistered(struct live_ask *ask, const void *response)
{
    ((struct seen *)ask->context)->code =
        ((const struct unregister_broker_response *)response)->error_code;
}

Test(admin_answers, the_only_broker_stays_registered)
{
    struct unregister_broker_request request;

    live_start(1, NULL);
    live_client(0);
    codec_set_defaults(&unregister_broker_request_desc, &request);
    request.broker_id = me();
    cr_assert(eq(i16, ask_for(API_UNREGISTER_BROKER, 0, &request, look_unregistered).code,
                 KAFKA_INVALID_REQUEST));
    request.broker_id = me() + 1;
    cr_assert(eq(i16, ask_for(API_UNREGISTER_BROKER, 0, &request, look_unregistered).code,
                 KAFKA_BROKER_ID_NOT_REGISTERED));
}

/* ---- security that is not there */

static void look_described_acls(struct live_ask *ask, const void *response)
{
    ((struct seen *)ask->context)->code =
        ((const struct describe_acls_response *)response)->error_code;
}

static void look_created_acls(struct live_ask *ask, const void *response)
{
    const struct create_acls_response *answer = response;
    struct seen *seen = ask->context;

    seen->count = answer->results.count;
    seen->code = answer->results.items[1].error_code;
}

static void look_quotas(struct live_ask *ask, const void *response)
{
    const struct describe_client_quotas_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->error_code;
    seen->count = answer->entries.count;
}

static void look_users(struct live_ask *ask, const void *response)
{
    const struct describe_user_scram_credentials_response *answer = response;
    struct seen *seen = ask->context;

    seen->count = answer->results.count;
    if (seen->count > 0)
        seen->code = answer->results.items[0].error_code;
}

Test(admin_answers, acls_are_disabled)
{
    struct create_acls_request_acl_creation acls[2];
    struct describe_acls_request described;
    struct create_acls_request created;
    struct seen seen;

    live_start(1, NULL);
    codec_set_defaults(&describe_acls_request_desc, &described);
    cr_assert(eq(i16, ask_for(API_DESCRIBE_ACLS, 3, &described, look_described_acls).code,
                 KAFKA_SECURITY_DISABLED));
    codec_set_defaults(&create_acls_request_desc, &created);
    codec_set_struct_defaults(&create_acls_request_acl_creation_struct, &acls[0]);
    acls[1] = acls[0];
    created.creations.items = acls;
    created.creations.count = 2;
    seen = ask_for(API_CREATE_ACLS, 3, &created, look_created_acls);
    cr_assert(eq(i32, seen.count, 2));
    cr_assert(eq(i16, seen.code, KAFKA_SECURITY_DISABLED));
}

Test(admin_answers, nobody_has_a_quota_or_a_password)
{
    struct describe_client_quotas_request_component_data component;
    struct describe_user_scram_credentials_request_user_name names[2];
    struct describe_client_quotas_request quotas;
    struct describe_user_scram_credentials_request users;
    struct seen seen;

    live_start(1, NULL);
    codec_set_defaults(&describe_client_quotas_request_desc, &quotas);
    seen = ask_for(API_DESCRIBE_CLIENT_QUOTAS, 1, &quotas, look_quotas);
    cr_assert(eq(i16, seen.code, KAFKA_NONE));
    cr_assert(eq(i32, seen.count, 0));
    codec_set_struct_defaults(&describe_client_quotas_request_component_data_struct, &component);
    component.entity_type = wire_string("user");
    component.match_type = 9;
    quotas.components.items = &component;
    quotas.components.count = 1;
    seen = ask_for(API_DESCRIBE_CLIENT_QUOTAS, 1, &quotas, look_quotas);
    cr_assert(eq(i16, seen.code, KAFKA_INVALID_REQUEST));
    cr_assert(eq(i32, seen.count, -1));
    codec_set_defaults(&describe_user_scram_credentials_request_desc, &users);
    cr_assert(
        eq(i32, ask_for(API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &users, look_users).count, 0));
    names[0].name = names[1].name = wire_string("nobody");
    users.users.items = names;
    users.users.count = 1;
    seen = ask_for(API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &users, look_users);
    cr_assert(eq(i16, seen.code, KAFKA_RESOURCE_NOT_FOUND));
    users.users.count = 2;
    seen = ask_for(API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &users, look_users);
    cr_assert(eq(i32, seen.count, 1));
    cr_assert(eq(i16, seen.code, KAFKA_DUPLICATE_RESOURCE));
}
