/* One error for a whole request: every API in every version, and what Kafka's classes answer. */
#include "net/protocol/error_answer.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"
#include "net/protocol/msg_alter_replica_log_dirs.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_elect_leaders.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_list_offsets.h"
#include "net/protocol/msg_metadata.h"
#include "net/protocol/msg_offset_fetch.h"
#include "tests/support/random_message.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { ARENA_BYTES_MAX = 16 << 20, MESSAGES_PER_VERSION = 8, ERROR_CODE = KAFKA_NOT_CONTROLLER };

static struct {
    struct prng prng;
    struct arena arena;
} f;

static void setup(void)
{
    prng_init(&f.prng, 20260917);
    arena_init(&f.arena, ARENA_BYTES_MAX);
}

static void teardown(void)
{
    arena_deinit(&f.arena);
}

/* A response with its defaults, filled for request. */
static void *answer(int16_t key, int16_t version, const void *request, const char *message)
{
    const struct api_desc *api = api_find(key);
    void *response = arena_alloc(&f.arena, api->response->body->size_bytes);

    codec_set_defaults(api->response, response);
    cr_assert(eq(int,
                 error_answer_fill(api, version, request, ERROR_CODE, wire_string(message),
                                   &f.arena, response),
                 OK));
    return response;
}

/* How many codes there are; each is the one that was asked for. */
static int count_codes(const struct struct_desc *desc, int16_t version, const void *at)
{
    int count = 0;

    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        const uint8_t *value = (const uint8_t *)at + field->offset;
        const struct wire_array *array = (const void *)value;

        if (!version_in(version, &field->present))
            continue;
        if (strcmp(field->name, "error_code") == 0 ||
            strcmp(field->name, "partition_error_code") == 0) {
            cr_assert(eq(i16, *(const int16_t *)(const void *)value, ERROR_CODE), "%s v%d",
                      desc->name, version);
            count++;
        } else if (field->type == FIELD_STRUCT && (field->flags & FIELD_ARRAY) != 0) {
            for (int32_t e = 0; e < array->count; e++)
                count += count_codes(field->element, version,
                                     (const uint8_t *)array->items +
                                         (size_t)e * field->element->size_bytes);
        }
    }
    return count;
}

/* Has the first array of the request, or any below it that leads to a code, elements? */
static bool names_something(const struct struct_desc *desc, int16_t version, const void *request)
{
    bool has_array = false;

    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        const struct wire_array *array = (const void *)((const uint8_t *)request + field->offset);

        if (!version_in(version, &field->present) || (field->flags & FIELD_ARRAY) == 0)
            continue;
        has_array = true;
        if (array->count <= 0)
            continue;
        if (field->type != FIELD_STRUCT)
            return true;
        for (int32_t e = 0; e < array->count; e++)
            if (names_something(field->element, version,
                                (const uint8_t *)array->items +
                                    (size_t)e * field->element->size_bytes))
                return true;
    }
    return !has_array;
}

/* Their elements are not those of one array of the request; nobody serves them yet. */
static bool is_left_out(const struct api_desc *api, int16_t version)
{
    return api->key == API_ALTER_USER_SCRAM_CREDENTIALS || api->key == API_ALTER_CLIENT_QUOTAS ||
           (api->key == API_DESCRIBE_LOG_DIRS && version < 3); /* had no place for it */
}

static void every_answer_says_it(const struct api_desc *api, int16_t version)
{
    void *request = arena_alloc(&f.arena, api->request->body->size_bytes);
    struct wire_writer writer;
    void *response;

    random_message(api->request, version, &f.prng, &f.arena, request);
    response = answer(api->key, version, request, "why");
    wire_writer_init(&writer, &f.arena);
    cr_assert(eq(int, codec_encode(api->response, version, response, &writer), OK), "%s v%d",
              api->name, version);
    if (!is_left_out(api, version) && names_something(api->request->body, version, request))
        cr_assert(lt(int, 0, count_codes(api->response->body, version, response)), "%s v%d",
                  api->name, version);
    arena_reset(&f.arena);
}

Test(error_answer, every_api_says_it_in_every_version, .init = setup, .fini = teardown)
{
    for (int i = 0; i < KAFKA_API_COUNT; i++)
        for (int16_t v = kafka_apis[i].served_min; v <= kafka_apis[i].max; v++)
            for (int n = 0; n < MESSAGES_PER_VERSION; n++)
                if ((kafka_apis[i].flags & API_CLIENT) != 0)
                    every_answer_says_it(&kafka_apis[i], v);
}

/* What was wished for is not what there is. */
Test(error_answer, an_element_has_the_names_and_no_more, .init = setup, .fini = teardown)
{
    struct create_topics_request_creatable_topic topics[2];
    struct create_topics_request request;
    const struct create_topics_response *response;

    codec_set_defaults(&create_topics_request_desc, &request);
    for (int i = 0; i < 2; i++) {
        codec_set_struct_defaults(&create_topics_request_creatable_topic_struct, &topics[i]);
        topics[i].name = wire_string(i == 0 ? "a" : "b");
        topics[i].num_partitions = 7;
    }
    request.topics.items = topics;
    request.topics.count = 2;
    response = answer(API_CREATE_TOPICS, 7, &request, NULL);
    cr_assert(eq(int, response->topics.count, 2));
    cr_assert(wire_string_is(response->topics.items[0].name, "a"));
    cr_assert(wire_string_is(response->topics.items[1].name, "b"));
    cr_assert(eq(i16, response->topics.items[1].error_code, ERROR_CODE));
    cr_assert(response->topics.items[1].error_message.text == NULL);
    cr_assert(eq(i32, response->topics.items[1].num_partitions, -1));
    response = answer(API_CREATE_TOPICS, 7, &request, "why");
    cr_assert(wire_string_is(response->topics.items[1].error_message, "why"));
}

Test(error_answer, a_name_that_is_all_of_an_element_is_told, .init = setup, .fini = teardown)
{
    struct wire_string names[2] = {wire_string("a"), wire_string("b")};
    struct delete_topics_request_delete_topic_state states[1];
    struct delete_topics_request request;
    const struct delete_topics_response *response;

    codec_set_defaults(&delete_topics_request_desc, &request);
    request.topic_names.items = names;
    request.topic_names.count = 2;
    response = answer(API_DELETE_TOPICS, 5, &request, NULL);
    cr_assert(eq(int, response->responses.count, 2));
    cr_assert(wire_string_is(response->responses.items[1].name, "b"));
    codec_set_struct_defaults(&delete_topics_request_delete_topic_state_struct, &states[0]);
    states[0].name = wire_string(NULL);
    states[0].topic_id.bytes[3] = 9;
    request.topics.items = states;
    request.topics.count = 1;
    response = answer(API_DELETE_TOPICS, 6, &request, NULL);
    cr_assert(eq(int, response->responses.count, 1));
    cr_assert(response->responses.items[0].name.text == NULL);
    cr_assert(eq(u8, response->responses.items[0].topic_id.bytes[3], 9));
}

/* Answers to what names partitions of topics: an element for each, with what means "unknown". */
Test(error_answer, partitions_have_it_each, .init = setup, .fini = teardown)
{
    struct list_offsets_request_list_offsets_partition partitions[3];
    struct list_offsets_request_list_offsets_topic topic;
    struct list_offsets_request request;
    const struct list_offsets_response *response;

    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_topic_struct, &topic);
    for (int i = 0; i < 3; i++) {
        codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct,
                                  &partitions[i]);
        partitions[i].partition_index = i + 4;
        partitions[i].timestamp = 1000;
    }
    topic.name = wire_string("a");
    topic.partitions.items = partitions;
    topic.partitions.count = 3;
    request.topics.items = &topic;
    request.topics.count = 1;
    response = answer(API_LIST_OFFSETS, 7, &request, NULL);
    cr_assert(eq(int, response->topics.items[0].partitions.count, 3));
    cr_assert(eq(i32, response->topics.items[0].partitions.items[2].partition_index, 6));
    cr_assert(eq(i16, response->topics.items[0].partitions.items[2].error_code, ERROR_CODE));
    cr_assert(eq(i64, response->topics.items[0].partitions.items[2].timestamp, -1));
    cr_assert(eq(i64, response->topics.items[0].partitions.items[2].offset, -1));
}

/* FetchRequest.getErrorResponse: the session as it was asked for, partitions below version 13. */
Test(error_answer, fetch_has_it_at_the_top_and_in_old_partitions, .init = setup, .fini = teardown)
{
    struct fetch_request_fetch_partition partition;
    struct fetch_request_fetch_topic topic;
    struct fetch_request request;
    const struct fetch_response *response;

    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &topic);
    codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &partition);
    request.session_id = 77;
    topic.topic = wire_string("a");
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    response = answer(API_FETCH, 12, &request, NULL);
    cr_assert(eq(i16, response->error_code, ERROR_CODE));
    cr_assert(eq(i32, response->session_id, 77));
    cr_assert(eq(int, response->responses.count, 1));
    cr_assert(wire_string_is(response->responses.items[0].topic, "a"));
    cr_assert(eq(i16, response->responses.items[0].partitions.items[0].error_code, ERROR_CODE));
    cr_assert(eq(i64, response->responses.items[0].partitions.items[0].high_watermark, -1));
    response = answer(API_FETCH, 13, &request, NULL);
    cr_assert(eq(i16, response->error_code, ERROR_CODE));
    cr_assert(eq(int, response->responses.count, 0));
}

Test(error_answer, offset_fetch_says_it_where_its_version_has_room, .init = setup, .fini = teardown)
{
    int32_t index = 3;
    struct offset_fetch_request_topic topic;
    struct offset_fetch_request_group group;
    struct offset_fetch_request request;
    const struct offset_fetch_response *response;

    codec_set_defaults(&offset_fetch_request_desc, &request);
    codec_set_struct_defaults(&offset_fetch_request_topic_struct, &topic);
    codec_set_struct_defaults(&offset_fetch_request_group_struct, &group);
    topic.name = wire_string("a");
    topic.partition_indexes.items = &index;
    topic.partition_indexes.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    response = answer(API_OFFSET_FETCH, 1, &request, NULL);
    cr_assert(eq(i32, response->topics.items[0].partitions.items[0].partition_index, 3));
    cr_assert(eq(i16, response->topics.items[0].partitions.items[0].error_code, ERROR_CODE));
    cr_assert(eq(i64, response->topics.items[0].partitions.items[0].committed_offset, -1));
    response = answer(API_OFFSET_FETCH, 7, &request, NULL);
    cr_assert(eq(i16, response->error_code, ERROR_CODE));
    cr_assert(eq(int, response->topics.count, 0));
    group.group_id = wire_string("g");
    request.groups.items = &group;
    request.groups.count = 1;
    response = answer(API_OFFSET_FETCH, 8, &request, NULL);
    cr_assert(wire_string_is(response->groups.items[0].group_id, "g"));
    cr_assert(eq(i16, response->groups.items[0].error_code, ERROR_CODE));
}

/* What the tables of exceptions are for. */
Test(error_answer, the_topics_of_all_directories_stand_in_one_list, .init = setup, .fini = teardown)
{
    struct alter_replica_log_dirs_request_alter_replica_log_dir_topic topics[2];
    struct alter_replica_log_dirs_request_alter_replica_log_dir dirs[2];
    struct alter_replica_log_dirs_request request;
    const struct alter_replica_log_dirs_response *response;
    int32_t index = 5;

    codec_set_defaults(&alter_replica_log_dirs_request_desc, &request);
    for (int i = 0; i < 2; i++) {
        topics[i].name = wire_string(i == 0 ? "a" : "b");
        topics[i].partitions.items = &index;
        topics[i].partitions.count = 1;
        dirs[i].path = wire_string("/d");
        dirs[i].topics.items = &topics[i];
        dirs[i].topics.count = 1;
    }
    request.dirs.items = dirs;
    request.dirs.count = 2;
    response = answer(API_ALTER_REPLICA_LOG_DIRS, 2, &request, NULL);
    cr_assert(eq(int, response->results.count, 2));
    cr_assert(wire_string_is(response->results.items[1].topic_name, "b"));
    cr_assert(eq(i32, response->results.items[1].partitions.items[0].partition_index, 5));
}

Test(error_answer, elections_have_it_in_both_places, .init = setup, .fini = teardown)
{
    int32_t index = 5;
    struct elect_leaders_request_topic_partitions topic = {
        .topic = wire_string("a"), .partitions = {.items = &index, .count = 1}};
    struct elect_leaders_request request;
    const struct elect_leaders_response *response;

    codec_set_defaults(&elect_leaders_request_desc, &request);
    request.topic_partitions.items = &topic;
    request.topic_partitions.count = 1;
    response = answer(API_ELECT_LEADERS, 2, &request, NULL);
    cr_assert(eq(i16, response->error_code, ERROR_CODE));
    cr_assert(wire_string_is(response->replica_election_results.items[0].topic, "a"));
    cr_assert(eq(i32,
                 response->replica_election_results.items[0].partition_result.items[0].partition_id,
                 5));
    request.topic_partitions.count = -1;
    response = answer(API_ELECT_LEADERS, 2, &request, NULL);
    cr_assert(eq(int, response->replica_election_results.count, 0));
}

Test(error_answer, metadata_has_no_null_names, .init = setup, .fini = teardown)
{
    struct metadata_request_topic topic = {.name = wire_string(NULL)};
    struct metadata_request request;
    const struct metadata_response *response;

    codec_set_defaults(&metadata_request_desc, &request);
    topic.topic_id.bytes[0] = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    response = answer(API_METADATA, 13, &request, NULL);
    cr_assert(eq(i16, response->error_code, ERROR_CODE));
    cr_assert(wire_string_is(response->topics.items[0].name, ""));
    cr_assert(eq(u8, response->topics.items[0].topic_id.bytes[0], 1));
    cr_assert(eq(i16, response->topics.items[0].error_code, ERROR_CODE));
}

Test(error_answer, what_is_null_is_null_where_it_may_be, .init = setup, .fini = teardown)
{
    struct join_group_request request;
    const struct join_group_response *response;

    codec_set_defaults(&join_group_request_desc, &request);
    response = answer(API_JOIN_GROUP, 6, &request, NULL);
    cr_assert(wire_string_is(response->protocol_name, ""));
    response = answer(API_JOIN_GROUP, 7, &request, NULL);
    cr_assert(response->protocol_name.text == NULL);
}

Test(error_answer, without_memory_it_says_so, .init = setup, .fini = teardown)
{
    const struct api_desc *api = api_find(API_DELETE_TOPICS);
    struct wire_string name = wire_string("a");
    struct delete_topics_request request;
    struct delete_topics_response response;

    codec_set_defaults(&delete_topics_request_desc, &request);
    codec_set_defaults(&delete_topics_response_desc, &response);
    request.topic_names.items = &name;
    request.topic_names.count = 1;
    f.arena.allocs_left = 0;
    cr_assert(
        eq(int,
           error_answer_fill(api, 5, &request, ERROR_CODE, wire_string(NULL), &f.arena, &response),
           ERR_NOMEM));
}
