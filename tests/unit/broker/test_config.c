#include "base/arena.h"
#include "base/mem.h"
#include "broker/config.h"
#include "broker/config/config_cache.h"
#include "broker/config/config_value.h"
#include "broker/config_ip_overrides.h"
#include "broker/metadata/config_rules.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/image.h"
#include "net/protocol/msg_config_record.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static char problems[4096];
static char notes[4096];

static void on_problem(void *context, const char *text)
{
    strncat(problems, text, sizeof(problems) - strlen(problems) - 2);
    strcat(problems, "\n");
}

static void on_note(void *context, const char *text)
{
    strncat(notes, text, sizeof(notes) - strlen(notes) - 2);
    strcat(notes, "\n");
}

static enum err load(const char *const *sets, const char *const *environment, struct config **out)
{
    struct config_load_options options = {.sets = sets, .environment = environment};

    problems[0] = '\0';
    notes[0] = '\0';
    return config_load(NULL, &options, on_problem, on_note, NULL, out);
}

/* What is in force. */
static struct config_values now(const struct config *config, const struct image *image)
{
    struct config_values values;

    config_resolve(config, image, &values);
    return values;
}

static void no_memory_stays(void)
{
    cr_assert(eq(u64, mem_used_count(), 0), "memory was not given back");
}

TestSuite(config, .fini = no_memory_stays);

Test(config, the_defaults_are_kafkas)
{
    struct config *config;

    cr_assert(eq(int, load(NULL, NULL, &config), OK));
    cr_assert(eq(i64, now(config, NULL).message_max_bytes, 1048588));
    cr_assert(now(config, NULL).auto_create_topics_enable);
    cr_assert(
        eq(int, (int)config_source_of(config, NULL, CONFIG_NUM_PARTITIONS), CONFIG_SOURCE_DEFAULT));
    cr_assert(not(config_is_set(config, CONFIG_NUM_PARTITIONS)));
    config_destroy(config);
}

Test(config, a_flag_wins_over_the_environment)
{
    const char *const environment[] = {"KAFKA_NUM_PARTITIONS=3", "KAFKA_LOG_RETENTION_MS=77",
                                       "PATH=/bin", NULL};
    const char *const sets[] = {"num.partitions=5", NULL};
    struct config *config;

    cr_assert(eq(int, load(sets, environment, &config), OK));
    cr_assert(eq(i64, now(config, NULL).num_partitions, 5));
    cr_assert(eq(str, (char *)config_string(config, NULL, CONFIG_LOG_RETENTION_MS), "77"));
    cr_assert(
        eq(int, (int)config_source_of(config, NULL, CONFIG_NUM_PARTITIONS), CONFIG_SOURCE_STATIC));
    config_destroy(config);
}

Test(config, an_unknown_key_is_a_fault_with_the_nearest_name)
{
    const char *const sets[] = {"log.retention.hour=1", NULL};
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), ERR_INVALID));
    cr_assert(ne(ptr, strstr(problems, "log.retention.hours"), NULL), "%s", problems);
}

Test(config, every_fault_is_told_at_once)
{
    const char *const sets[] = {"num.partitions=many",
                                "auto.create.topics.enable=maybe",
                                "compression.type=rar",
                                "log.segment.bytes=1",
                                "nonsense",
                                NULL};
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), ERR_INVALID));
    cr_assert(ne(ptr, strstr(problems, "num.partitions"), NULL));
    cr_assert(ne(ptr, strstr(problems, "auto.create.topics.enable"), NULL));
    cr_assert(ne(ptr, strstr(problems, "compression.type"), NULL));
    cr_assert(ne(ptr, strstr(problems, "log.segment.bytes"), NULL));
    cr_assert(ne(ptr, strstr(problems, "key=value"), NULL));
}

Test(config, a_key_of_the_jvm_is_accepted_and_named)
{
    const char *const sets[] = {"log.cleaner.threads=4", NULL};
    const char *const environment[] = {"KAFKA_HEAP_OPTS=-Xmx1g", NULL};
    struct config *config;

    cr_assert(eq(int, load(sets, environment, &config), OK));
    cr_assert(ne(ptr, strstr(notes, "log.cleaner.threads"), NULL));
    cr_assert(ne(ptr, strstr(notes, "KAFKA_HEAP_OPTS"), NULL));
    cr_assert(eq(ptr, strchr(strchr(notes, '\n') + 1, '\n'), NULL), "more than one line: %s",
              notes);
    config_destroy(config);
}

Test(config, every_key_of_kafkas_broker_is_known)
{
    FILE *file = fopen(BROKER_GOLDEN_DIR "/kafka_broker_keys.txt", "r");
    char name[256];
    uint32_t count = 0;

    cr_assert(ne(ptr, file, NULL));
    while (fscanf(file, "%255s", name) == 1) {
        cr_assert(ne(ptr, (void *)config_key_find(name), NULL), "%s", name);
        count++;
    }
    fclose(file);
    cr_assert(lt(u32, 340, count));
}

Test(config, an_unknown_key_that_is_near_to_none_is_told_and_passed_over)
{
    const char *const sets[] = {"zookeeper.connect=localhost:2181", "my.plugin.color=blue", NULL};
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), OK), "%s", problems);
    cr_assert(ne(ptr, strstr(notes, "zookeeper.connect"), NULL));
    cr_assert(ne(ptr, strstr(notes, "my.plugin.color"), NULL));
    config_destroy(config);
}

Test(config, an_environment_that_names_other_things_does_not_end_the_start)
{
    const char *const environment[] = {"KAFKA_HOME=/opt/kafka", "KAFKA_PORT=tcp://10.0.0.1:9092",
                                       "KAFKA_SERVICE_HOST=10.0.0.1", "KAFKA_NUM_PARTITION=7",
                                       NULL};
    struct config *config;

    cr_assert(eq(int, load(NULL, environment, &config), OK), "%s", problems);
    cr_assert(ne(ptr, strstr(notes, "KAFKA_SERVICE_HOST"), NULL));
    cr_assert(ne(ptr, strstr(notes, "KAFKA_NUM_PARTITION"), NULL));
    config_destroy(config);
}

Test(config, what_asks_for_protection_that_is_not_there_ends_the_start)
{
    const char *const sets[] = {"authorizer.class.name=org.example.Authorizer", NULL};
    const char *const empty[] = {"authorizer.class.name= ", NULL};
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), ERR_INVALID));
    cr_assert(ne(ptr, strstr(problems, "authorizer.class.name"), NULL), "%s", problems);
    cr_assert(eq(int, load(empty, NULL, &config), OK), "%s", problems);
    config_destroy(config);
}

Test(config, blanks_around_a_value_do_not_count)
{
    const char *const sets[] = {"num.partitions= 5\t", "auto.create.topics.enable= FALSE ",
                                "compression.type= lz4 ", NULL};
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), OK), "%s", problems);
    cr_assert(eq(i64, now(config, NULL).num_partitions, 5));
    cr_assert(not(now(config, NULL).auto_create_topics_enable));
    cr_assert(eq(str, (char *)config_string(config, NULL, CONFIG_COMPRESSION_TYPE), "lz4"));
    config_destroy(config);
}

Test(config, the_listeners_of_kafkas_combined_mode_are_the_controllers_and_ours)
{
    const char *const sets[] = {
        "process.roles=broker,controller",
        "listeners=PLAINTEXT://:9092,RAFT://:9093",
        "advertised.listeners=PLAINTEXT://localhost:9092,RAFT://localhost:9093",
        "controller.listener.names=RAFT",
        "listener.security.protocol.map=RAFT:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "controller.quorum.bootstrap.servers=localhost:9093",
        NULL};
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), OK), "%s", problems);
    cr_assert(eq(u32, config_listener_count(config), 1));
    cr_assert(eq(u16, config_listener_at(config, 0)->port, 9092));
    config_destroy(config);
}

static void set_dynamic(struct image *image, const char *resource, const char *key,
                        const char *value)
{
    struct config_record body = {.resource_type = 4,
                                 .resource_name = wire_string(resource),
                                 .name = wire_string(key),
                                 .value = wire_string(value)};
    struct metadata_record record = {.type = METADATA_CONFIG, .body = &body};
    struct delta delta;

    delta_init(&delta);
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(delta.broker_configs);
    delta_deinit(&delta);
}

Test(config, the_brokers_own_dynamic_value_wins_then_the_clusters_then_the_static_one)
{
    const char *const sets[] = {"node.id=3", "message.max.bytes=1000", NULL};
    struct image *image = image_create();
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), OK));
    cr_assert(eq(i64, now(config, image).message_max_bytes, 1000));
    set_dynamic(image, "", "message.max.bytes", "2000");
    cr_assert(eq(i64, now(config, image).message_max_bytes, 2000));
    cr_assert(eq(int, (int)config_source_of(config, image, CONFIG_MESSAGE_MAX_BYTES),
                 CONFIG_SOURCE_DEFAULT_BROKER));
    set_dynamic(image, "4", "message.max.bytes", "4000"); /* another broker's */
    cr_assert(eq(i64, now(config, image).message_max_bytes, 2000));
    set_dynamic(image, "3", "message.max.bytes", "3000");
    cr_assert(eq(i64, now(config, image).message_max_bytes, 3000));
    set_dynamic(image, "3", "message.max.bytes", NULL);
    cr_assert(eq(i64, now(config, image).message_max_bytes, 2000));
    config_destroy(config);
    image_destroy(image);
}

Test(config, a_stored_value_that_is_none_does_not_count)
{
    const char *const sets[] = {"node.id=3", "message.max.bytes=1000", NULL};
    struct image *image = image_create();
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), OK));
    set_dynamic(image, "", "message.max.bytes", " 2000 "); /* Kafka stores what was sent */
    cr_assert(eq(i64, now(config, image).message_max_bytes, 2000));
    set_dynamic(image, "3", "message.max.bytes", "many");
    cr_assert(eq(i64, now(config, image).message_max_bytes, 2000));
    set_dynamic(image, "", "message.max.bytes", "-7");
    cr_assert(eq(i64, now(config, image).message_max_bytes, 1000));
    config_destroy(config);
    image_destroy(image);
}

Test(config, a_shards_values_follow_its_image)
{
    const char *const sets[] = {"node.id=3", "num.partitions=2", NULL};
    struct config_cache cache = {0};
    struct image *image = image_create();
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), OK));
    cr_assert(eq(i32, config_cache_values(&cache, config, image)->num_partitions, 2));
    set_dynamic(image, "", "message.max.bytes", "2000");
    cr_assert(eq(i32, config_cache_values(&cache, config, image)->message_max_bytes, 2000));
    set_dynamic(image, "3", "message.max.bytes", "3000");
    set_dynamic(image, "3", "num.network.threads", "4");
    cr_assert(eq(i32, config_cache_values(&cache, config, image)->message_max_bytes, 3000));
    set_dynamic(image, "3", "message.max.bytes", NULL);
    cr_assert(eq(i32, config_cache_values(&cache, config, image)->message_max_bytes, 2000));
    cr_assert(eq(i32, config_cache_values(&cache, config, image)->num_partitions, 2));
    config_destroy(config);
    image_destroy(image);
}

Test(config, words_are_enums_and_lists_of_words_are_bits)
{
    const char *const sets[] = {"compression.type=zstd", "log.cleanup.policy= compact , delete ",
                                "group.coordinator.rebalance.protocols=classic,streams",
                                "levee.http.listener=", NULL};
    struct config *config;
    const struct config_values *values;

    cr_assert(eq(int, load(sets, NULL, &config), OK));
    values = config_values(config);
    cr_assert(eq(int, (int)values->compression_type, CONFIG_COMPRESSION_TYPE_ZSTD));
    cr_assert(eq(u32, values->log_cleanup_policy,
                 CONFIG_LOG_CLEANUP_POLICY_COMPACT | CONFIG_LOG_CLEANUP_POLICY_DELETE));
    cr_assert(eq(u32, values->group_coordinator_rebalance_protocols,
                 CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS_CLASSIC |
                     CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS_STREAMS));
    cr_assert(eq(int, (int)values->levee_durability, CONFIG_LEVEE_DURABILITY_SYNC));
    cr_assert(eq(str, (char *)values->levee_http_listener, ""));
    cr_assert(eq(ptr, (void *)values->broker_rack, NULL));
    config_destroy(config);
}

Test(config, each_number_has_the_value_of_its_text)
{
    uint32_t count;
    const struct config_key *keys = config_keys(&count);
    struct config *config;

    cr_assert(eq(int, load(NULL, NULL, &config), OK));
    for (uint32_t i = 0; i < count; i++) {
        char text[32];
        if (keys[i].type > CONFIG_I16 || keys[i].type == CONFIG_BOOL)
            continue;
        cr_assert(eq(int, keys[i].value_pos == CONFIG_NO_VALUE, keys[i].default_text == NULL));
        if (keys[i].default_text == NULL)
            continue;
        snprintf(text, sizeof(text), "%lld",
                 (long long)config_value_i64(config_values(config), &keys[i]));
        cr_assert(eq(str, text, (char *)keys[i].default_text), "%s", keys[i].name);
    }
    config_destroy(config);
}

Test(config, listeners_carry_their_names_and_advertised_addresses)
{
    const char *const sets[] = {
        "listeners=PLAINTEXT://127.0.0.1:9092,INSIDE://[::1]:9093",
        "advertised.listeners=PLAINTEXT://kafka.example:19092,INSIDE://inner:19093",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT", NULL};
    const struct config_listener *listener;
    struct config *config;

    cr_assert(eq(int, load(sets, NULL, &config), OK), "%s", problems);
    cr_assert(eq(u32, config_listener_count(config), 2));
    listener = config_listener_at(config, 1);
    cr_assert(eq(str, (char *)listener->name, "INSIDE"));
    cr_assert(eq(str, (char *)listener->host, "::1"));
    cr_assert(eq(str, (char *)listener->advertised_host, "inner"));
    cr_assert(eq(int, listener->advertised_port, 19093));
    config_destroy(config);
}

Test(config, rows_stand_in_order_and_every_default_is_legal)
{
    uint32_t count;
    const struct config_key *keys = config_keys(&count);
    char problem[256];

    for (uint32_t i = 0; i < count; i++) {
        cr_assert(eq(ptr, (void *)config_key_find(keys[i].name), (void *)&keys[i]), "%s",
                  keys[i].name);
        if (i > 0)
            cr_assert(strcmp(keys[i - 1].name, keys[i].name) < 0, "%s", keys[i].name);
        if (keys[i].default_text != NULL)
            cr_assert(
                eq(int, config_check(&keys[i], keys[i].default_text, problem, sizeof(problem)), OK),
                "%s: %s", keys[i].name, problem);
    }
}

/* There is one book of rules. */
Test(config, a_file_and_a_request_are_judged_alike)
{
    static const char *const values[] = {"",     "0",      "-1",   "1",     " 9 ", "10",
                                         "true", " zstd ", "zstd", "sync,", "x\n", "0.5",
                                         "*",    "1:2",    "1:",   "latest"};
    struct wire_string stored;
    struct wire_string problem;
    struct arena arena;
    uint32_t judged_count = 0;
    uint32_t count;
    const struct config_key *keys = config_keys(&count);

    arena_init(&arena, 1 << 24);
    for (uint32_t i = 0; i < count; i++)
        for (size_t v = 0; v < array_count(values); v++) {
            char said[512] = "";
            bool is_legal = config_check(&keys[i], values[v], said, sizeof(said)) == OK;
            bool may_be_set =
                config_rules_check(&keys[i], wire_string(values[v]), &arena, &stored, &problem);
            cr_expect(eq(int, may_be_set, is_legal), "%s=%s", keys[i].name, values[v]);
            if (!is_legal && !may_be_set)
                cr_expect(wire_string_is(problem, said), "%s", said);
            judged_count += is_legal;
        }
    cr_assert(lt(u32, count, judged_count));
    arena_deinit(&arena);
}

Test(config, what_kafka_would_refuse_is_refused_in_a_file_too)
{
    const struct config_key *level = config_key(CONFIG_COMPRESSION_GZIP_LEVEL);
    char problem[256];

    cr_assert(eq(int, config_check(level, "0", problem, sizeof(problem)), ERR_INVALID));
    cr_assert(
        eq(str, problem,
           "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 "
           "and 9 or equal to -1"));
    cr_assert(eq(int, config_check(config_key(CONFIG_COMPRESSION_TYPE), "", NULL, 0), ERR_INVALID));
}

/* What a topic would resolve to must be what LogConfig accepts: segments of no age, records that
 * are too old at once. */
Test(config, a_limit_of_nothing_is_refused_where_it_acts)
{
    static const char *const bad[] = {"log.roll.ms=0", "log.roll.ms=-1", "log.retention.ms=0",
                                      "log.retention.minutes=0", "log.retention.hours=0"};
    struct config *config;

    for (size_t i = 0; i < array_count(bad); i++) {
        cr_assert(eq(int, load((const char *[]){bad[i], NULL}, NULL, &config), ERR_INVALID), "%s",
                  bad[i]);
        cr_assert(ne(str, problems, ""));
    }
    cr_assert(eq(int,
                 load((const char *[]){"log.retention.hours=0", "log.retention.minutes=1",
                                       "log.roll.ms=1", NULL},
                      NULL, &config),
                 OK),
              "%s", problems);
    config_destroy(config);
}

Test(config, a_fraction_is_a_finite_number_in_its_range)
{
    static const char *const bad[] = {"nan", "-nan", "inf", "1e999", "-0.1", "1.5", "", "0.5x"};
    const struct config_key *ratio = config_key(CONFIG_LOG_CLEANER_MIN_CLEANABLE_RATIO);
    const struct config_key *unbounded = config_key(CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(eq(int, config_check(ratio, bad[i], NULL, 0), ERR_INVALID), "%s", bad[i]);
    cr_assert(eq(int, config_check(ratio, "0.5", NULL, 0), OK));
    cr_assert(eq(int, config_check(ratio, "1", NULL, 0), OK));
    cr_assert(eq(int, config_check(unbounded, "inf", NULL, 0), ERR_INVALID));
    cr_assert(eq(int, config_check(unbounded, "1e300", NULL, 0), OK));
}

/* ---- max.connections.per.ip.overrides */

static struct config_ip_overrides overrides;
static struct config_ip_fault fault;

static enum err parse_overrides(const char *text)
{
    return config_ip_overrides_parse(text, strlen(text), &overrides, &fault);
}

static void expect_override(uint32_t index, const char *ip, uint32_t connections_max)
{
    struct io_address expected;

    cr_assert(eq(int, io_address_parse(ip, 0, &expected), OK));
    cr_assert(eq(int, memcmp(&overrides.items[index].address, &expected, sizeof(expected)), 0),
              "%u is not %s", index, ip);
    cr_assert(eq(u32, overrides.items[index].connections_max, connections_max));
}

Test(config, overrides_are_addresses_of_both_families_with_a_count)
{
    cr_assert(eq(int,
                 parse_overrides("127.0.0.1:200, [2001:db8::1] : 0 ,::1:5\t,"
                                 "::ffff:10.0.0.1:2147483647,"),
                 OK),
              "%s", fault.why);
    cr_assert(eq(u32, overrides.count, 4));
    expect_override(0, "127.0.0.1", 200);
    expect_override(1, "2001:db8::1", 0);
    expect_override(2, "::1", 5);
    expect_override(3, "10.0.0.1", 2147483647); /* io tells such a peer as IPv4 */
    cr_assert(eq(int, parse_overrides(""), OK));
    cr_assert(eq(u32, overrides.count, 0));
    cr_assert(eq(int, parse_overrides(" , "), OK));
    cr_assert(eq(u32, overrides.count, 0));
}

Test(config, an_override_that_cannot_be_read_is_shown_with_its_reason)
{
    static const struct {
        const char *text, *entry, *word;
    } rows[] = {
        {"broker.example:100", "broker.example:100", "host names are not resolved"},
        {"localhost:100", "localhost:100", "host names are not resolved"},
        {":100", ":100", "address is needed"},
        {"[]:100", "[]:100", "address is needed"},
        {"[127.0.0.1]:100", "[127.0.0.1]:100", "address is needed"},
        {"[::1:100", "[::1:100", "address is needed"},
        {"fe80::1%lo:100", "fe80::1%lo:100", "address is needed"},
        {"::1", "::1", "address is needed"},
        {"127.0.0.256:1", "127.0.0.256:1", "address is needed"},
        {"127.0.0.1", "127.0.0.1", "address:count"},
        {"127.0.0.1:1, ,::1:2", "", "address:count"},
        {",127.0.0.1:1", "", "address:count"},
        {"127.0.0.1:1, 127.0.0.2: ", "127.0.0.2:", "The count"},
        {"127.0.0.1:-1", "127.0.0.1:-1", "The count"},
        {"127.0.0.1:2147483648", "127.0.0.1:2147483648", "The count"},
        {"127.0.0.1:many", "127.0.0.1:many", "The count"},
        {"127.0.0.1:1 1", "127.0.0.1:1 1", "The count"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert(eq(int, parse_overrides(rows[i].text), ERR_INVALID), "%s", rows[i].text);
        cr_assert(eq(sz, (size_t)fault.entry_bytes, strlen(rows[i].entry)), "%s", rows[i].text);
        cr_assert(eq(int, memcmp(fault.entry, rows[i].entry, strlen(rows[i].entry)), 0), "%s",
                  rows[i].text);
        cr_assert(ne(ptr, (void *)strstr(fault.why, rows[i].word), NULL), "%s: %s", rows[i].text,
                  fault.why);
    }
    cr_assert(
        eq(int, config_ip_overrides_parse("127.0.0.1\0x:1", 13, &overrides, &fault), ERR_INVALID));
}

Test(config, overrides_are_no_more_than_256)
{
    static const char entry[] = "10.1.2.3:4,";
    static char text[257 * sizeof(entry)];

    for (uint32_t i = 0; i < 256; i++)
        strcat(text, entry);
    cr_assert(eq(int, parse_overrides(text), OK)); /* the comma at the end opens no entry */
    cr_assert(eq(u32, overrides.count, 256));
    strcat(text, entry);
    cr_assert(eq(int, parse_overrides(text), ERR_INVALID));
    cr_assert(ne(ptr, (void *)strstr(fault.why, "256"), NULL));
}

Test(config, an_override_for_a_host_name_is_refused_at_start_and_when_it_is_altered)
{
    const char *const sets[] = {"max.connections.per.ip.overrides=127.0.0.1:1,example.org:2", NULL};
    const struct config_key *key = config_key(CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES);
    static const char expected[] =
        "Invalid value example.org:2 for configuration max.connections.per.ip.overrides: "
        "An IPv4 or IPv6 address is needed before the last colon; host names are not resolved";
    struct wire_string stored;
    struct wire_string problem = {0};
    struct config *config;
    struct arena arena;

    cr_assert(eq(int, load(sets, NULL, &config), ERR_INVALID));
    cr_assert(ne(ptr, (void *)strstr(problems, expected), NULL), "%s", problems);
    arena_init(&arena, 1 << 16);
    cr_assert(
        not(config_rules_check(key, wire_string("example.org:2"), &arena, &stored, &problem)));
    cr_assert(wire_string_is(problem, expected), "%.*s", problem.size_bytes, problem.text);
    cr_assert(config_rules_check(key, wire_string("::1:2,127.0.0.1:1"), &arena, &stored, &problem));
    cr_assert(wire_string_is(stored, "::1:2,127.0.0.1:1"));
    cr_assert(key->dynamic);
    arena_deinit(&arena);
}
