#include "broker/config.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/properties.h"
#include "base/text.h"
#include "broker/config_ip_overrides.h"
#include "broker/config_private.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 20, KEY_BYTES_MAX = 256 };

struct loading {
    struct config *config;
    struct properties_reader reader;
    const char *origin; /* "FILE line N", "--set", "environment" */
    void (*problem)(void *context, const char *text);
    void (*note)(void *context, const char *text);
    void *context;
    bool failed;
};

static void report(struct loading *loading, const char *format, ...) printf_like(2, 3);

static void report(struct loading *loading, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    loading->failed = true;
    loading->problem(loading->context, text);
}

static uint32_t index_of(const struct config_key *key)
{
    uint32_t count;

    return (uint32_t)(key - config_keys(&count));
}

static void unknown_key(struct loading *loading, const char *name)
{
    const char *names[512];
    const char *near;
    uint32_t count;
    const struct config_key *keys = config_keys(&count);

    check(count <= array_count(names));
    for (uint32_t i = 0; i < count; i++)
        names[i] = keys[i].name;
    near = nearest_name(name, names, count);
    if (near != NULL)
        report(loading, "unknown key %s (%s); did you mean %s?", name, loading->origin, near);
    else
        report(loading, "unknown key %s (%s); docs/configuration.md lists every key", name,
               loading->origin);
}

static void set_value(struct loading *loading, const char *name, const char *value)
{
    const struct config_key *key = config_key_find(name);
    char problem[512];
    uint32_t index;

    if (key == NULL) {
        unknown_key(loading, name);
        return;
    }
    if (config_check(key, value, problem, sizeof(problem)) != OK) {
        report(loading, "%s (%s)", problem, loading->origin);
        return;
    }
    index = index_of(key);
    if (key->effect == CONFIG_IGNORED && loading->config->values[index] == NULL) {
        snprintf(problem, sizeof(problem), "%s has no effect here (%s)", name, loading->origin);
        loading->note(loading->context, problem);
    }
    mem_free(loading->config->values[index]);
    loading->config->values[index] = mem_strdup(value);
}

/* ---- the file */

static enum err on_pair(struct properties_reader *reader, const struct property *property)
{
    struct loading *loading = container_of(reader, struct loading, reader);
    char origin[64];

    snprintf(origin, sizeof(origin), "line %u", property->line);
    loading->origin = origin;
    set_value(loading, property->key, property->value);
    return OK;
}

static void load_file(struct loading *loading, struct io *io, const char *path)
{
    uint64_t size_bytes;
    uint32_t read_bytes = 0;
    char *text = NULL;
    int32_t fd;
    enum err err = io->v->file_open(io, path, IO_READ, &fd);

    if (err != OK) {
        report(loading, "%s cannot be read: %s", path, err_text(err));
        return;
    }
    err = io->v->file_size(io, fd, &size_bytes);
    if (err == OK && size_bytes > FILE_BYTES_MAX)
        err = ERR_TOO_LARGE;
    if (err == OK) {
        text = mem_alloc(size_bytes + 1);
        err = io->v->file_read(io, fd, text, (uint32_t)size_bytes, 0, &read_bytes);
    }
    io->v->close(io, fd);
    if (err == OK) {
        loading->reader.pair = on_pair;
        err = properties_read(&loading->reader, text, read_bytes, PROPERTIES_LATIN1);
    }
    if (err != OK)
        report(loading, "%s cannot be read: %s (line %u)", path, err_text(err),
               loading->reader.line);
    mem_free(text);
}

/* ---- the environment */

/* KAFKA_LOG_DIRS → log.dirs, as Kafka's image does: "_" is ".", "__" is "_", "___" is "-". */
static bool name_from_environment(const char *text, size_t size_bytes, char *out)
{
    size_t used = 0;

    for (size_t i = 0; i < size_bytes; i++) {
        size_t run = 0;
        if (used + 1 >= KEY_BYTES_MAX)
            return false;
        if (text[i] != '_') {
            out[used++] = (char)tolower((unsigned char)text[i]);
            continue;
        }
        while (i + run < size_bytes && text[i + run] == '_' && run < 3)
            run++;
        out[used++] = run == 1 ? '.' : run == 2 ? '_' : '-';
        i += run - 1;
    }
    out[used] = '\0';
    return used > 0;
}

static bool is_for_the_jvm(const char *name)
{
    static const char *const names[] = {"heap.opts",           "opts",       "jvm.performance.opts",
                                        "gc.log.opts",         "log4j.opts", "log4j.loggers",
                                        "tools.log4j.loglevel"};

    for (size_t i = 0; i < array_count(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strncmp(name, "jmx.", 4) == 0 || strncmp(name, "log4j", 5) == 0;
}

static void load_variable(struct loading *loading, const char *variable)
{
    static const char *const prefixes[] = {"KAFKA_CFG_", "KAFKA_", "LEVEE_"};
    const char *equals = strchr(variable, '=');
    char name[KEY_BYTES_MAX + 8];
    char origin[KEY_BYTES_MAX + 32];

    for (size_t i = 0; equals != NULL && i < array_count(prefixes); i++) {
        size_t prefix_bytes = strlen(prefixes[i]);
        const char *rest = variable + prefix_bytes;
        if (strncmp(variable, prefixes[i], prefix_bytes) != 0)
            continue;
        if (!name_from_environment(rest, (size_t)(equals - rest), name))
            return;
        snprintf(origin, sizeof(origin), "environment %.*s", (int)(equals - variable), variable);
        loading->origin = origin;
        if (is_for_the_jvm(name)) {
            loading->note(loading->context,
                          "settings of the JVM in the environment have no effect");
            return;
        }
        if (i == 2 && config_key_find(name) == NULL) { /* LEVEE_SHARDS → levee.shards */
            char own[KEY_BYTES_MAX + 16];
            snprintf(own, sizeof(own), "levee.%s", name);
            if (config_key_find(own) == NULL)
                return; /* LEVEE_* names things of the build and the tests too */
            set_value(loading, own, equals + 1);
            return;
        }
        set_value(loading, name, equals + 1);
        return;
    }
    if (equals != NULL && strncmp(variable, "CLUSTER_ID=", 11) == 0) {
        loading->origin = "environment CLUSTER_ID";
        set_value(loading, "cluster.id", equals + 1);
    }
}

static void load_set(struct loading *loading, const char *set)
{
    const char *equals = strchr(set, '=');
    char name[KEY_BYTES_MAX];

    loading->origin = "--set";
    if (equals == NULL || equals == set || (size_t)(equals - set) >= sizeof(name)) {
        report(loading, "--set %s: write key=value", set);
        return;
    }
    memcpy(name, set, (size_t)(equals - set));
    name[equals - set] = '\0';
    set_value(loading, name, equals + 1);
}

/* ---- the whole */

static void load_dev_defaults(struct loading *loading)
{
    loading->origin = "levee dev";
    set_value(loading, "listeners", "PLAINTEXT://127.0.0.1:9092");
    set_value(loading, "offsets.topic.replication.factor", "1");
    set_value(loading, "group.initial.rebalance.delay.ms", "0");
}

enum err config_load(struct io *io, const struct config_load_options *options,
                     void (*problem)(void *context, const char *text),
                     void (*note)(void *context, const char *text), void *context,
                     struct config **out)
{
    struct loading loading = {.problem = problem, .note = note, .context = context};
    uint32_t count;
    char text[512];

    config_keys(&count);
    loading.config = mem_alloc(sizeof(*loading.config));
    loading.config->values = mem_alloc(count * sizeof(char *));
    if (options->dev)
        load_dev_defaults(&loading);
    if (options->file != NULL)
        load_file(&loading, io, options->file);
    for (size_t i = 0; options->environment != NULL && options->environment[i] != NULL; i++)
        load_variable(&loading, options->environment[i]);
    for (size_t i = 0; options->sets != NULL && options->sets[i] != NULL; i++)
        load_set(&loading, options->sets[i]);
    if (!loading.failed && config_derive(loading.config, text, sizeof(text)) != OK)
        report(&loading, "%s", text);
    if (loading.failed) {
        config_destroy(loading.config);
        return ERR_INVALID;
    }
    *out = loading.config;
    return OK;
}

void config_destroy(struct config *config)
{
    uint32_t count;

    if (config == NULL)
        return;
    config_keys(&count);
    for (uint32_t i = 0; i < count; i++)
        mem_free(config->values[i]);
    mem_free(config->values);
    mem_free(config);
}

/* ---- values */

static const struct config_key *must_find(const char *name)
{
    const struct config_key *key = config_key_find(name);

    check(key != NULL);
    return key;
}

const char *config_text(const struct config *config, const char *name)
{
    const struct config_key *key = must_find(name);
    const char *value = config->values[index_of(key)];

    return value != NULL ? value : key->default_text;
}

bool config_is_set(const struct config *config, const char *name)
{
    return config->values[index_of(must_find(name))] != NULL;
}

static const char *effective_text(const struct config *config, const struct image *image,
                                  const struct config_key *key, enum config_source *source_out)
{
    const char *value = NULL;

    *source_out = CONFIG_SOURCE_BROKER;
    if (image != NULL && key->dynamic) {
        char id[16];
        snprintf(id, sizeof(id), "%d", config_node_id(config));
        value = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, id, key->name);
        if (value != NULL)
            return value;
        *source_out = CONFIG_SOURCE_DEFAULT_BROKER;
        value = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, "", key->name);
        if (value != NULL)
            return value;
    }
    value = config->values[index_of(key)];
    *source_out = value != NULL ? CONFIG_SOURCE_STATIC : CONFIG_SOURCE_DEFAULT;
    return value != NULL ? value : key->default_text;
}

const char *config_string(const struct config *config, const struct image *image, const char *name)
{
    enum config_source source;

    return effective_text(config, image, must_find(name), &source);
}

enum config_source config_source_of(const struct config *config, const struct image *image,
                                    const char *name)
{
    enum config_source source;

    effective_text(config, image, must_find(name), &source);
    return source;
}

int64_t config_i64(const struct config *config, const struct image *image, const char *name)
{
    const char *text = config_string(config, image, name);
    int64_t value;
    enum err err;

    check(text != NULL);
    err = text_parse_i64(text, strlen(text), INT64_MIN, INT64_MAX, &value);
    check(err == OK); /* checked when it was set */
    return value;
}

double config_double(const struct config *config, const struct image *image, const char *name)
{
    return strtod(config_string(config, image, name), NULL);
}

bool config_bool(const struct config *config, const struct image *image, const char *name)
{
    const char *text = config_string(config, image, name);
    bool value;
    enum err err = text_parse_bool(text, strlen(text), &value);

    check(err == OK);
    return value;
}

/* ---- is a text a legal value? */

static bool is_choice(const char *choices, const char *word, size_t word_bytes)
{
    while (*choices != '\0') {
        size_t size_bytes = strcspn(choices, ",");
        if (size_bytes == word_bytes && memcmp(choices, word, word_bytes) == 0)
            return true;
        choices += size_bytes;
        choices += *choices == ',';
    }
    return false;
}

static enum err check_choices(const struct config_key *key, const char *text, char *out, size_t max)
{
    const char *rest = text;

    do {
        size_t size_bytes = key->type == CONFIG_LIST ? strcspn(rest, ",") : strlen(rest);
        const char *word = rest;
        size_t word_bytes = size_bytes;
        while (word_bytes > 0 && *word == ' ') {
            word++;
            word_bytes--;
        }
        if (!is_choice(key->choices, word, word_bytes)) {
            snprintf(out, max, "Invalid value %s for configuration %s: String must be one of: %s",
                     text, key->name, key->choices);
            return ERR_INVALID;
        }
        rest += size_bytes;
        rest += *rest == ',';
    } while (*rest != '\0');
    return OK;
}

static enum err check_number(const struct config_key *key, const char *text, char *out, size_t max)
{
    static const char *const kinds[] = {[CONFIG_I32] = "32-bit integer",
                                        [CONFIG_I64] = "64-bit integer",
                                        [CONFIG_I16] = "16-bit integer"};
    int64_t value;
    int64_t type_max = key->type == CONFIG_I32   ? INT32_MAX
                       : key->type == CONFIG_I16 ? INT16_MAX
                                                 : INT64_MAX;

    if (text_parse_i64(text, strlen(text), -type_max - 1, type_max, &value) != OK) {
        snprintf(out, max, "Invalid value %s for configuration %s: Not a number of type %s", text,
                 key->name, kinds[key->type]);
        return ERR_INVALID;
    }
    if (value < key->min || value > key->max) {
        snprintf(out, max, "Invalid value %s for configuration %s: Value must be %s %lld", text,
                 key->name, value < key->min ? "at least" : "no more than",
                 (long long)(value < key->min ? key->min : key->max));
        return ERR_INVALID;
    }
    return OK;
}

static enum err check_ip_overrides(const struct config_key *key, const char *text, char *out,
                                   size_t max)
{
    struct config_ip_overrides overrides;
    struct config_ip_fault fault;

    if (config_ip_overrides_parse(text, strlen(text), &overrides, &fault) == OK)
        return OK;
    snprintf(out, max, "Invalid value %.*s for configuration %s: %s", fault.entry_bytes,
             fault.entry, key->name, fault.why);
    return ERR_INVALID;
}

enum err config_check(const struct config_key *key, const char *text, char *problem_out,
                      size_t problem_max)
{
    char space[1];
    char *out = problem_out != NULL ? problem_out : space;
    size_t max = problem_out != NULL ? problem_max : sizeof(space);
    char *end;
    double number;
    bool flag;

    switch (key->type) {
    case CONFIG_I16:
    case CONFIG_I32:
    case CONFIG_I64:
        return check_number(key, text, out, max);
    case CONFIG_BOOL:
        if (text_parse_bool(text, strlen(text), &flag) == OK)
            return OK;
        snprintf(out, max,
                 "Invalid value %s for configuration %s: Expected value to be either true or false",
                 text, key->name);
        return ERR_INVALID;
    case CONFIG_DOUBLE:
        number = strtod(text, &end);
        if (*text == '\0' || *end != '\0' || !isfinite(number) || number < (double)key->min ||
            (key->max != INT64_MAX && number > (double)key->max)) {
            snprintf(out, max, "Invalid value %s for configuration %s: Not a number in its range",
                     text, key->name);
            return ERR_INVALID;
        }
        return OK;
    default:
        if (strcmp(key->name, "max.connections.per.ip.overrides") == 0)
            return check_ip_overrides(key, text, out, max);
        return key->choices != NULL && *text != '\0' ? check_choices(key, text, out, max) : OK;
    }
}
