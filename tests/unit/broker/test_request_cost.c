/* What a request may cost: its work grows with its size and no faster, what it names twice is not
 * done twice, and a memory that cannot be had is an ordinary error. */
#include "net/protocol/msg_alter_configs.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_describe_configs.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "net/protocol/msg_metadata.h"
#include "net/protocol/msg_produce.h"
#include "tests/unit/broker/live_rig.h"

#include <time.h>

/* Work that is a square of MANY takes minutes. */
enum { MANY = 100000, CPU_MAX_MS = 4000, NAME_BYTES = 24 };

static char (*names)[NAME_BYTES];

static void make_names(const char *format)
{
    names = mem_alloc(MANY * sizeof(*names));
    for (int i = 0; i < MANY; i++)
        snprintf(names[i], NAME_BYTES, format, i);
}

static uint64_t cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Asked and answered within the limit of CPU. */
static void ask_cheaply(struct live_ask *ask, int16_t key, int16_t version, const void *request)
{
    uint64_t begin_ms = cpu_ms();

    live_ask(ask, live_client(0), key, version, request);
    cr_assert(lt(u64, cpu_ms() - begin_ms, CPU_MAX_MS));
}

/* ---- names */

static void look_metadata(struct live_ask *ask, const void *response)
{
    const struct metadata_response *answer = response;
    int32_t *count = ask->context;

    *count = answer->topics.count;
    for (int32_t i = 0; i < answer->topics.count; i++)
        if (answer->topics.items[i].error_code != KAFKA_NONE)
            cr_assert(
                eq(i16, answer->topics.items[i].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
}

static void ask_metadata(int32_t count, bool creates, int32_t *answered_out)
{
    struct metadata_request_topic *topics = mem_alloc((size_t)count * sizeof(*topics));
    struct metadata_request request;
    struct live_ask ask = {.look = look_metadata, .context = answered_out};

    codec_set_defaults(&metadata_request_desc, &request);
    for (int32_t i = 0; i < count; i++)
        topics[i].name = wire_string(names[i]);
    request.topics.items = topics;
    request.topics.count = count;
    request.allow_auto_topic_creation = creates;
    ask_cheaply(&ask, API_METADATA, 9, &request);
}

/* So many that the turn would take long, whoever decides about them. */
Test(request_cost, more_elements_than_levee_request_elements_max_close_the_connection)
{
    const char *sets[] = {"levee.request.elements.max=99999", NULL};
    struct metadata_request_topic *topics = mem_alloc(MANY * sizeof(*topics));
    struct metadata_request request;
    struct live_ask ask = {0};

    make_names("nope%06d");
    live_start(1, sets);
    codec_set_defaults(&metadata_request_desc, &request);
    for (int32_t i = 0; i < MANY; i++)
        topics[i].name = wire_string(names[i]);
    request.topics.items = topics;
    request.topics.count = MANY;
    live_ask_start(&ask, live_client(0), API_METADATA, 9, &request);
    cr_assert(live_ask_wait(&ask, 60000));
    cr_assert(ne(int, ask.err, OK));
    request.topics.count = MANY - 1;
    live_ask(&ask, live_client(0), API_METADATA, 9, &request);
}

Test(request_cost, metadata_of_many_names)
{
    int32_t answered = 0;

    make_names("nope%06d");
    live_start(1, NULL);
    ask_metadata(MANY, false, &answered);
    cr_assert(eq(i32, answered, MANY));
}

Test(request_cost, metadata_answers_a_repeated_name_once)
{
    int32_t answered = 0;

    make_names("the-same");
    live_start(1, NULL);
    ask_metadata(MANY, false, &answered);
    cr_assert(eq(i32, answered, 1));
}

Test(request_cost, metadata_creates_some_topics_at_a_time)
{
    static const char *const sets[] = {"auto.create.topics.enable=true", NULL};
    const struct image *image;
    int32_t answered = 0;

    make_names("new%06d");
    live_start(2, sets);
    ask_metadata(20000, true, &answered);
    cr_assert(eq(i32, answered, 20000));
    image = broker_shard(live.broker.broker, 0)->image;
    cr_assert(eq(sz, image_topic_count(image), 100));
    ask_metadata(20000, true, &answered);
    cr_assert(eq(sz, image_topic_count(image), 200));
}

static void look_deleted(struct live_ask *ask, const void *response)
{
    const struct delete_topics_response *answer = response;

    *(int32_t *)ask->context = answer->responses.count;
    for (int32_t i = 0; i < answer->responses.count; i++)
        cr_assert(eq(i16, answer->responses.items[i].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
}

Test(request_cost, delete_topics_of_many_names)
{
    struct wire_string *texts = mem_alloc(MANY * sizeof(*texts));
    struct delete_topics_request request;
    int32_t answered = 0;
    struct live_ask ask = {.look = look_deleted, .context = &answered};

    make_names("nope%06d");
    live_start(1, NULL);
    codec_set_defaults(&delete_topics_request_desc, &request);
    for (int32_t i = 0; i < MANY; i++)
        texts[i] = wire_string(names[i]);
    request.topic_names.items = texts;
    request.topic_names.count = MANY;
    request.timeout_ms = 60000;
    ask_cheaply(&ask, API_DELETE_TOPICS, 5, &request);
    cr_assert(eq(i32, answered, MANY));
}

/* ---- configs */

static void look_altered(struct live_ask *ask, const void *response)
{
    const struct incremental_alter_configs_response *answer = response;

    for (int32_t i = 0; i < answer->responses.count; i++)
        cr_assert(eq(i16, answer->responses.items[i].error_code, *(int16_t *)ask->context));
}

static void alter_many(const char *format, int16_t expected)
{
    struct incremental_alter_configs_request_alter_configs_resource *resources =
        mem_alloc(MANY * sizeof(*resources));
    struct incremental_alter_configs_request request;
    struct live_ask ask = {.look = look_altered, .context = &expected};

    make_names(format);
    live_start(1, NULL);
    codec_set_defaults(&incremental_alter_configs_request_desc, &request);
    for (int32_t i = 0; i < MANY; i++) {
        resources[i].resource_type = KAFKA_CONFIG_RESOURCE_TYPE_TOPIC;
        resources[i].resource_name = wire_string(names[i]);
    }
    request.resources.items = resources;
    request.resources.count = MANY;
    ask_cheaply(&ask, API_INCREMENTAL_ALTER_CONFIGS, 1, &request);
}

Test(request_cost, alter_configs_of_many_resources)
{
    alter_many("nope%06d", KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

Test(request_cost, alter_configs_of_one_resource_many_times)
{
    alter_many("the-same", KAFKA_INVALID_REQUEST);
}

Test(request_cost, alter_configs_of_many_keys)
{
    struct incremental_alter_configs_request_alterable_config *changes =
        mem_alloc(MANY * sizeof(*changes));
    struct incremental_alter_configs_request_alter_configs_resource resource = {
        .resource_type = KAFKA_CONFIG_RESOURCE_TYPE_BROKER, .resource_name = wire_string("")};
    struct incremental_alter_configs_request request;
    int16_t expected = KAFKA_NONE; /* what nobody knows is some plug-in's, as in Kafka */
    struct live_ask ask = {.look = look_altered, .context = &expected};

    make_names("key%06d");
    live_start(1, NULL);
    codec_set_defaults(&incremental_alter_configs_request_desc, &request);
    for (int32_t i = 0; i < MANY; i++) {
        changes[i].name = wire_string(names[i]);
        changes[i].value = wire_string("1");
    }
    resource.configs.items = changes;
    resource.configs.count = MANY;
    request.resources.items = &resource;
    request.resources.count = 1;
    ask_cheaply(&ask, API_INCREMENTAL_ALTER_CONFIGS, 1, &request);
}

static void look_refused(struct live_ask *ask, const void *response)
{
    const struct create_topics_response *answer = response;

    cr_assert(eq(i16, answer->topics.items[0].error_code, KAFKA_INVALID_CONFIG));
}

static void create_with_many_configs(const char *format, const char *value)
{
    struct create_topics_request_creatable_topic_config *configs =
        mem_alloc(MANY * sizeof(*configs));
    struct create_topics_request_creatable_topic topic;
    struct create_topics_request request;
    struct live_ask ask = {.look = look_refused};

    make_names(format);
    live_start(1, NULL);
    codec_set_defaults(&create_topics_request_desc, &request);
    codec_set_struct_defaults(&create_topics_request_creatable_topic_struct, &topic);
    for (int32_t i = 0; i < MANY; i++) {
        configs[i].name = wire_string(names[i]);
        configs[i].value = wire_string(value);
    }
    configs[0].name = wire_string("retention.ms"); /* else the first one ends it all */
    configs[0].value = wire_string(value == NULL ? NULL : "5");
    topic.name = wire_string("t");
    topic.num_partitions = 1;
    topic.replication_factor = -1;
    topic.configs.items = configs;
    topic.configs.count = MANY;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = 60000;
    ask_cheaply(&ask, API_CREATE_TOPICS, 7, &request);
}

Test(request_cost, create_topics_with_many_configs)
{
    create_with_many_configs("key%06d", "1");
}

Test(request_cost, create_topics_with_many_configs_without_value)
{
    create_with_many_configs("key%06d", NULL);
}

/* ---- DescribeConfigs */

static void look_described(struct live_ask *ask, const void *response)
{
    const struct describe_configs_response *answer = response;
    int32_t *config_count = ask->context;

    *config_count = 0;
    for (int32_t i = 0; i < answer->results.count; i++) {
        *config_count += answer->results.items[i].configs.count;
        cr_assert(eq(i16, answer->results.items[i].error_code,
                     i == 0 ? KAFKA_NONE : KAFKA_INVALID_REQUEST));
    }
}

static void describe_named(int32_t count, const char *broker_names, size_t stride,
                           int32_t *config_count_out)
{
    struct describe_configs_request_describe_configs_resource *resources =
        mem_alloc((size_t)count * sizeof(*resources));
    struct describe_configs_request request;
    struct live_ask ask = {.look = look_described, .context = config_count_out};

    codec_set_defaults(&describe_configs_request_desc, &request);
    for (int32_t i = 0; i < count; i++) {
        resources[i].resource_type = KAFKA_CONFIG_RESOURCE_TYPE_BROKER;
        resources[i].resource_name = wire_string(broker_names + (size_t)i * stride);
        resources[i].configuration_keys.count = -1;
    }
    request.resources.items = resources;
    request.resources.count = count;
    ask_cheaply(&ask, API_DESCRIBE_CONFIGS, 4, &request);
}

static void describe(int32_t resource_count, int32_t key_count, int32_t *config_count_out)
{
    struct describe_configs_request_describe_configs_resource *resources =
        mem_alloc((size_t)resource_count * sizeof(*resources));
    struct wire_string *keys = mem_alloc((size_t)key_count * sizeof(*keys));
    struct describe_configs_request request;
    struct live_ask ask = {.look = look_described, .context = config_count_out};

    codec_set_defaults(&describe_configs_request_desc, &request);
    for (int32_t i = 0; i < resource_count; i++) {
        resources[i].resource_type = KAFKA_CONFIG_RESOURCE_TYPE_BROKER;
        resources[i].resource_name = wire_string("1");
        resources[i].configuration_keys.count = key_count == 0 ? -1 : key_count;
        resources[i].configuration_keys.items = keys;
    }
    for (int32_t i = 0; i < key_count; i++)
        keys[i] = wire_string(i == MANY / 2 ? "log.retention.ms" : names[i]);
    request.resources.items = resources;
    request.resources.count = resource_count;
    request.include_synonyms = true;
    request.include_documentation = true;
    ask_cheaply(&ask, API_DESCRIBE_CONFIGS, 4, &request);
}

Test(request_cost, describe_configs_tells_a_resource_once)
{
    int32_t once = 0;
    int32_t often = 0;

    live_start(1, NULL);
    describe(1, 0, &once);
    describe(3000, 0, &often);
    cr_assert(lt(i32, 50, once));
    cr_assert(eq(i32, often, once));
}

/* Each of them is a number that Kafka reads as 1, too. */
Test(request_cost, describe_configs_tells_a_broker_of_many_names_once)
{
    enum { NAMES = 500 };
    static char texts[NAMES][NAMES + 2];
    int32_t once = 0;
    int32_t often = 0;

    live_start(1, NULL);
    describe(1, 0, &once);
    for (int i = 0; i < NAMES; i++)
        snprintf(texts[i], sizeof(texts[i]), "%s%0*d", i % 2 == 0 ? "" : "+", i + 1, 1);
    describe_named(NAMES, &texts[0][0], sizeof(texts[0]), &often);
    cr_assert(eq(i32, often, once));
}

Test(request_cost, describe_configs_of_many_keys)
{
    int32_t found = 0;

    make_names("key%06d");
    live_start(1, NULL);
    describe(1, MANY, &found);
    cr_assert(eq(i32, found, 1));
}

/* ---- Produce */

/* Version 9, of one topic: the partitions of indexes, without a batch each. */
static enum err produce_to(const int32_t *indexes, int32_t count)
{
    struct produce_request_partition_produce_data *parts =
        mem_alloc((size_t)count * sizeof(*parts));
    struct produce_request_topic_produce_data topic;
    struct produce_request request;
    struct live_ask ask = {0};

    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    for (int32_t i = 0; i < count; i++)
        parts[i].index = indexes[i];
    topic.name = wire_string("t");
    topic.partition_data.items = parts;
    topic.partition_data.count = count;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    request.acks = -1;
    request.timeout_ms = 1000;
    live_ask_start(&ask, live_client(0), API_PRODUCE, 9, &request);
    cr_assert(live_ask_wait(&ask, 60000));
    return ask.err;
}

Test(request_cost, produce_to_a_partition_twice_is_refused)
{
    static const int32_t once[] = {0, 1};
    int32_t *often = mem_alloc(MANY * sizeof(*often));
    uint64_t begin_ms;

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", 2);
    cr_assert(eq(int, produce_to(once, 2), OK));
    begin_ms = cpu_ms();
    cr_assert(eq(int, produce_to(often, MANY), ERR_CLOSED));
    cr_assert(lt(u64, cpu_ms() - begin_ms, CPU_MAX_MS));
}

/* ---- no memory */

enum { FAILURES = 60 };

/* The n-th allocation that may fail does, for each n: the client gets an answer or loses its
 * connection, and the broker serves on. */
static void fails_well(int16_t key, int16_t version, const void *request)
{
    struct live_ask ask = {0};

    live_ask(&ask, live_client(0), key, version, request);
    for (uint64_t n = 1; n <= FAILURES; n++) {
        live_ask_start(&ask, live_client(0), key, version, request);
        mem_fail_after(n);
        cr_assert(live_ask_wait(&ask, 60000), "allocation %d failed: no answer", (int)n);
        mem_fail_after(0);
    }
    cr_assert(not(live.broker.failed));
}

Test(request_cost, metadata_without_memory)
{
    struct metadata_request request;

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", 200);
    codec_set_defaults(&metadata_request_desc, &request);
    request.topics.count = -1;
    fails_well(API_METADATA, 9, &request);
}

Test(request_cost, describe_configs_without_memory)
{
    struct describe_configs_request_describe_configs_resource resource = {
        .resource_type = KAFKA_CONFIG_RESOURCE_TYPE_BROKER,
        .resource_name = wire_string("1"),
        .configuration_keys.count = -1};
    struct describe_configs_request request;

    live_start(1, NULL);
    codec_set_defaults(&describe_configs_request_desc, &request);
    request.resources.items = &resource;
    request.resources.count = 1;
    request.include_synonyms = true;
    fails_well(API_DESCRIBE_CONFIGS, 4, &request);
}

Test(request_cost, delete_topics_without_memory)
{
    struct wire_string texts[100];
    struct delete_topics_request request;

    make_names("nope%06d");
    live_start(1, NULL);
    codec_set_defaults(&delete_topics_request_desc, &request);
    for (int32_t i = 0; i < 100; i++)
        texts[i] = wire_string(names[i]);
    request.topic_names.items = texts;
    request.topic_names.count = 100;
    request.timeout_ms = 60000;
    fails_well(API_DELETE_TOPICS, 5, &request);
}
