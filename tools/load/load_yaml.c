#include "tools/load/load_yaml.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "base/text.h"
#include "tools/load/load_option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#define array_count(array) (sizeof(array) / sizeof((array)[0]))

enum { KEY_MAX = 128, VALUE_MAX = 16 << 10 };

struct reader {
    struct load_workload *workload;
    const char *path;
    void (*note)(void *context, const char *text);
    void *context;
    char *problem;
    size_t problem_max;
    size_t line; /* of the key, from 1 */
};

typedef enum err take_fn(struct reader *reader, const char *key, const char *value);

static enum err fail(struct reader *reader, const char *what, const char *word, const char *near)
{
    snprintf(reader->problem, reader->problem_max, "%s:%zu: %s \"%s\"%s%s%s", reader->path,
             reader->line, what, word, near == NULL ? "" : "; did you mean ",
             near == NULL ? "" : near, near == NULL ? "" : "?");
    return ERR_INVALID;
}

/* ---- YAML: one mapping of scalars */

static enum err take_pairs(struct reader *reader, yaml_parser_t *parser, take_fn *take)
{
    char key[KEY_MAX] = "";
    bool has_key = false;
    int depth = 0;

    for (;;) {
        yaml_event_t event;
        enum err err = OK;
        yaml_event_type_t type;
        if (!yaml_parser_parse(parser, &event)) {
            snprintf(reader->problem, reader->problem_max, "%s:%zu: %s", reader->path,
                     parser->problem_mark.line + 1,
                     parser->problem == NULL ? "not YAML" : parser->problem);
            return ERR_INVALID;
        }
        type = event.type;
        if (type == YAML_SCALAR_EVENT && depth == 1) {
            const char *text = (const char *)event.data.scalar.value;
            if (strlen(text) != event.data.scalar.length ||
                event.data.scalar.length >= (has_key ? VALUE_MAX : KEY_MAX)) {
                err = fail(reader, "too long, or has a zero byte, behind", key, NULL);
            } else if (has_key) {
                err = take(reader, key, text);
                has_key = false;
            } else {
                memcpy(key, text, strlen(text) + 1);
                reader->line = event.start_mark.line + 1;
                has_key = true;
            }
        } else if (type == YAML_MAPPING_START_EVENT && depth == 0) {
            depth = 1;
        } else if (type == YAML_MAPPING_END_EVENT) {
            depth = 0;
        } else if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT ||
                   type == YAML_ALIAS_EVENT || type == YAML_SCALAR_EVENT) {
            reader->line = event.start_mark.line + 1;
            err = fail(reader, "a line is \"name: value\"; this is more, behind", key, NULL);
        }
        yaml_event_delete(&event);
        if (err != OK || type == YAML_STREAM_END_EVENT)
            return err;
    }
}

static enum err read_file(struct reader *reader, take_fn *take)
{
    FILE *file = fopen(reader->path, "re");
    yaml_parser_t parser;
    long size_bytes = -1;
    enum err err;

    if (file == NULL) {
        snprintf(reader->problem, reader->problem_max, "%s: %s", reader->path, strerror(errno));
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    if (fseek(file, 0, SEEK_END) == 0)
        size_bytes = ftell(file);
    if (size_bytes < 0 || size_bytes > LOAD_YAML_BYTES_MAX || fseek(file, 0, SEEK_SET) != 0 ||
        !yaml_parser_initialize(&parser)) {
        snprintf(reader->problem, reader->problem_max, "%s: no file of at most 1 MiB",
                 reader->path);
        fclose(file);
        return ERR_TOO_LARGE;
    }
    yaml_parser_set_input_file(&parser, file);
    err = take_pairs(reader, &parser, take);
    yaml_parser_delete(&parser);
    fclose(file);
    return err;
}

/* ---- workloads */

/* OpenMessaging Benchmark names payloads from where it is started, "payload/payload-1Kb.data"; the
 * file of the workload lies in workloads/ beside. */
static void find_payload(struct reader *reader)
{
    static const char *const places[] = {"", "../"};
    char *payload = reader->workload->payload_file;
    const char *slash = strrchr(reader->path, '/');
    int dir_bytes = slash == NULL ? 0 : (int)(slash - reader->path) + 1;

    if (payload[0] == '/' || payload[0] == '\0' || access(payload, R_OK) == 0)
        return;
    for (size_t i = 0; i < array_count(places); i++) {
        char path[LOAD_WORD_MAX * 2];
        int size =
            snprintf(path, sizeof(path), "%.*s%s%s", dir_bytes, reader->path, places[i], payload);
        if (size > 0 && size < LOAD_WORD_MAX && access(path, R_OK) == 0) {
            memcpy(payload, path, (size_t)size + 1);
            return;
        }
    }
}

static enum err set(struct reader *reader, const char *key, const struct load_option *option,
                    const char *value, const char *suffix)
{
    char text[VALUE_MAX + 8];
    char problem[512];
    enum err err;

    snprintf(text, sizeof(text), "%s%s", value, suffix);
    err = load_option_set(reader->workload, option, text, problem, sizeof(problem));
    if (err != OK)
        snprintf(reader->problem, reader->problem_max, "%s:%zu: %s %s", reader->path, reader->line,
                 key, problem);
    return err;
}

static enum err take_workload(struct reader *reader, const char *key, const char *value)
{
    const struct load_option *option;
    const char *suffix;
    const char *near;
    enum err err;

    /* OMB's payloads are a pool of so many; ours are pieces of one stream that never repeats soon.
     */
    if (strcmp(key, "useRandomizedPayloads") == 0 || strcmp(key, "randomizedPayloadPoolSize") == 0)
        return OK;
    option = load_option_find_key(key, &suffix, &near);
    if (option == NULL)
        return fail(reader, "unknown key", key, near);
    err = set(reader, key, option, value, suffix);
    if (err == OK && strcmp(option->name, "payload-file") == 0)
        find_payload(reader);
    return err;
}

enum err load_yaml_workload(struct load_workload *workload, const char *path, char *problem,
                            size_t problem_max)
{
    struct reader reader = {
        .workload = workload, .path = path, .problem = problem, .problem_max = problem_max};

    return read_file(&reader, take_workload);
}

/* ---- drivers */

/* Kafka's properties that have a meaning here; without an option: known, and not needed. */
static const struct {
    const char *name;
    const char *option;
} properties[] = {
    {"bootstrap.servers", "brokers"},
    {"request.timeout.ms", "request-timeout"},
    {"acks", "acks"},
    {"linger.ms", "linger"},
    {"batch.size", "batch"},
    {"compression.type", "compression"},
    {"enable.idempotence", "idempotent"},
    {"max.in.flight.requests.per.connection", "requests"},
    {"buffer.memory", "buffer"},
    {"max.request.size", "request-max"},
    {"delivery.timeout.ms", "delivery-timeout"},
    {"transaction.timeout.ms", "txn-timeout"},
    {"fetch.min.bytes", "fetch-min"},
    {"fetch.max.bytes", "fetch-max"},
    {"max.partition.fetch.bytes", "fetch-partition"},
    {"fetch.max.wait.ms", "fetch-wait"},
    {"isolation.level", "isolation"},
    {"session.timeout.ms", "session-timeout"},
    {"auto.commit.interval.ms", "commit-interval"},
    {"auto.offset.reset", NULL}, /* topics are new: both ends are one */
    {"enable.auto.commit", NULL},
    {"client.id", NULL},
    {"key.serializer", NULL},
    {"value.serializer", NULL},
    {"key.deserializer", NULL},
    {"value.deserializer", NULL},
};

static enum err take_property(struct reader *reader, const char *name, const char *value)
{
    char text[KEY_MAX * 2 + 64];

    for (size_t i = 0; i < array_count(properties); i++)
        if (strcmp(name, properties[i].name) == 0) {
            const struct load_option *option;
            if (properties[i].option == NULL)
                return OK;
            option = load_option_find(properties[i].option, strlen(properties[i].option),
                                      LOAD_OPTION_OF_ALL, NULL);
            return set(reader, name, option, value, "");
        }
    snprintf(text, sizeof(text), "%s of the driver's file is not used here", name);
    if (reader->note != NULL)
        reader->note(reader->context, text);
    return OK;
}

/* Lines of "key=value", for topics put behind each other with commas. */
static enum err take_lines(struct reader *reader, const char *lines, bool is_topic)
{
    char *configs = reader->workload->topic_configs;
    const char *line = lines;
    enum err err = OK;

    for (; err == OK && *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t size_bytes = strcspn(line, "\n");
        const char *text = line;
        const char *equals;
        char pair[KEY_MAX * 2];
        text_trim(&text, &size_bytes);
        if (size_bytes == 0 || text[0] == '#')
            continue;
        snprintf(pair, sizeof(pair), "%.*s", (int)size_bytes, text);
        equals = strchr(pair, '=');
        if (equals == NULL || size_bytes >= sizeof(pair))
            return fail(reader, "a property is name=value, not", pair, NULL);
        if (is_topic) {
            size_t told = strlen(configs);
            if (told + size_bytes + 2 > LOAD_LONG_MAX)
                return fail(reader, "too many settings of topics at", pair, NULL);
            snprintf(configs + told, LOAD_LONG_MAX - told, "%s%s", told == 0 ? "" : ",", pair);
            continue;
        }
        pair[equals - pair] = '\0';
        err = take_property(reader, pair, equals + 1);
    }
    return err;
}

static enum err take_driver(struct reader *reader, const char *key, const char *value)
{
    static const char *const names[] = {"name",           "driverClass",    "replicationFactor",
                                        "reset",          "topicConfig",    "commonConfig",
                                        "producerConfig", "consumerConfig", "zkServers"};
    const struct load_option *option = load_option_find("replicas", 8, LOAD_OPTION_OF_ALL, NULL);

    if (strcmp(key, "topicConfig") == 0)
        return take_lines(reader, value, true);
    if (strcmp(key, "commonConfig") == 0 || strcmp(key, "producerConfig") == 0 ||
        strcmp(key, "consumerConfig") == 0)
        return take_lines(reader, value, false);
    if (strcmp(key, "replicationFactor") == 0)
        return set(reader, key, option, value, "");
    for (size_t i = 0; i < array_count(names); i++)
        if (strcmp(key, names[i]) == 0)
            return OK;
    return fail(reader, "unknown key", key, nearest_name(key, names, array_count(names)));
}

enum err load_yaml_driver(struct load_workload *workload, const char *path,
                          void (*note)(void *context, const char *text), void *context,
                          char *problem, size_t problem_max)
{
    struct reader reader = {.workload = workload,
                            .path = path,
                            .note = note,
                            .context = context,
                            .problem = problem,
                            .problem_max = problem_max};

    return read_file(&reader, take_driver);
}
