#include "broker/config.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/properties.h"
#include "base/text.h"
#include "broker/config/config_value.h"
#include "broker/config_private.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

#include <ctype.h>
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
    bool is_shared; /* the environment: names there are others', too */
    bool failed;
    char without_effect[4096]; /* names of keys */
};

static void report(struct loading *loading, const char *format, ...) printf_like(2, 3);
static void remark(struct loading *loading, const char *format, ...) printf_like(2, 3);

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

static void remark(struct loading *loading, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    loading->note(loading->context, text);
}

/* The nearest key that acts: what one meant who mistyped it would be lost without a word. */
static const char *near_key(const char *name)
{
    const char *names[512];
    uint32_t near_count = 0;
    uint32_t count;
    const struct config_key *keys = config_keys(&count);

    check(count <= array_count(names));
    for (uint32_t i = 0; i < count; i++)
        if (keys[i].effect == CONFIG_ACTS)
            names[near_count++] = keys[i].name;
    return nearest_name(name, names, near_count);
}

/* listener.name.NAME.KEY: a key for one listener alone (KIP-103), of security here. */
static bool is_of_one_listener(const char *name)
{
    return strncmp(name, "listener.name.", 14) == 0;
}

static void unknown_key(struct loading *loading, const char *name)
{
    const char *near = loading->is_shared || is_of_one_listener(name) ? NULL : near_key(name);

    if (near != NULL)
        report(loading, "unknown key %s (%s); did you mean %s?", name, loading->origin, near);
    else
        remark(loading, "%s is no key of levee's or of Kafka's that has an effect here (%s)", name,
               loading->origin);
}

/* Told in one line, when all is read. */
static void note_without_effect(struct loading *loading, const char *name)
{
    size_t used = strlen(loading->without_effect);

    snprintf(loading->without_effect + used, sizeof(loading->without_effect) - used, "%s%s",
             used == 0 ? "" : ", ", name);
}

static void set_value(struct loading *loading, const char *name, const char *text)
{
    const struct config_key *key = config_key_find(name);
    size_t value_bytes = strlen(text);
    const char *value = text;
    char problem[512];
    char **slot;

    if (key == NULL) {
        unknown_key(loading, name);
        return;
    }
    text_trim(&value, &value_bytes);
    if (key->effect == CONFIG_REFUSED && value_bytes > 0) {
        report(loading,
               "%s asks for something that is not supported yet, and must not seem to be there; "
               "remove it (%s)",
               name, loading->origin);
        return;
    }
    if (config_check(key, value, problem, sizeof(problem)) != OK) {
        report(loading, "%s (%s)", problem, loading->origin);
        return;
    }
    slot = &loading->config->texts[config_key_id(key)];
    if (key->effect == CONFIG_IGNORED && *slot == NULL)
        note_without_effect(loading, name);
    mem_free(*slot);
    *slot = mem_strndup(value, value_bytes);
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
            note_without_effect(loading, origin + strlen("environment "));
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
        set_value(loading, config_key(CONFIG_CLUSTER_ID)->name, equals + 1);
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
    set_value(loading, config_key(CONFIG_LISTENERS)->name, "PLAINTEXT://127.0.0.1:9092");
    set_value(loading, config_key(CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR)->name, "1");
    set_value(loading, config_key(CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS)->name, "0");
}

/* A limit of 0, from whichever unit: every record would go at once (KafkaConfig.validateValues). */
static void check_retention(struct loading *loading)
{
    enum config_id id = CONFIG_LOG_RETENTION_MS;
    const char *text;
    int64_t value;

    while (config_key(id)->behind != CONFIG_NO_KEY && !config_is_set(loading->config, id))
        id = config_key(id)->behind;
    text = config_text(loading->config, id);
    if (text_parse_i64(text, strlen(text), INT64_MIN, INT64_MAX, &value) == OK && value == 0)
        report(loading, "%s is 0: nothing would be kept; say -1 for no limit, or 1 or more",
               config_key(id)->name);
}

enum err config_load(struct io *io, const struct config_load_options *options,
                     void (*problem)(void *context, const char *text),
                     void (*note)(void *context, const char *text), void *context,
                     struct config **out)
{
    struct loading loading = {.problem = problem, .note = note, .context = context};
    char text[512];

    loading.config = mem_alloc(sizeof(*loading.config));
    if (options->dev)
        load_dev_defaults(&loading);
    if (options->file != NULL)
        load_file(&loading, io, options->file);
    loading.is_shared = true;
    for (size_t i = 0; options->environment != NULL && options->environment[i] != NULL; i++)
        load_variable(&loading, options->environment[i]);
    loading.is_shared = false;
    for (size_t i = 0; options->sets != NULL && options->sets[i] != NULL; i++)
        load_set(&loading, options->sets[i]);
    if (loading.without_effect[0] != '\0')
        remark(&loading, "these keys have no effect here: %s", loading.without_effect);
    if (!loading.failed)
        config_resolve(loading.config, NULL, &loading.config->typed);
    if (!loading.failed && config_derive(loading.config, text, sizeof(text)) != OK)
        report(&loading, "%s", text);
    if (!loading.failed)
        check_retention(&loading);
    if (loading.failed) {
        config_destroy(loading.config);
        return ERR_INVALID;
    }
    *out = loading.config;
    return OK;
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    for (uint32_t i = 0; i < CONFIG_ID_COUNT; i++)
        mem_free(config->texts[i]);
    mem_free(config);
}

/* ---- values */

const struct config_values *config_values(const struct config *config)
{
    return &config->typed;
}

const char *config_text(const struct config *config, enum config_id id)
{
    const char *text = config->texts[id];

    return text != NULL ? text : config_key(id)->default_text;
}

const char *config_log_dir(const struct config *config)
{
    return config_text(config,
                       config_is_set(config, CONFIG_LOG_DIRS) ? CONFIG_LOG_DIRS : CONFIG_LOG_DIR);
}

bool config_is_set(const struct config *config, enum config_id id)
{
    return config->texts[id] != NULL;
}

/* What image has for a key of the resource, if it counts: a stored text may be from a time, or a
 * broker, where nobody checked it. */
static const char *stored_text(const struct image *image, const char *resource,
                               const struct config_key *key)
{
    const char *text = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, resource, key->name);

    return text != NULL && config_check(key, text, NULL, 0) == OK ? text : NULL;
}

static const char *effective_text(const struct config *config, const struct image *image,
                                  enum config_id id, enum config_source *source_out)
{
    const struct config_key *key = config_key(id);
    const char *text = NULL;

    if (image != NULL && key->dynamic) {
        char name[16];
        snprintf(name, sizeof(name), "%d", config_node_id(config));
        *source_out = CONFIG_SOURCE_BROKER;
        text = stored_text(image, name, key);
        if (text != NULL)
            return text;
        *source_out = CONFIG_SOURCE_DEFAULT_BROKER;
        text = stored_text(image, "", key);
        if (text != NULL)
            return text;
    }
    text = config->texts[id];
    *source_out = text != NULL ? CONFIG_SOURCE_STATIC : CONFIG_SOURCE_DEFAULT;
    return text != NULL ? text : key->default_text;
}

const char *config_string(const struct config *config, const struct image *image, enum config_id id)
{
    enum config_source source;

    return effective_text(config, image, id, &source);
}

enum config_source config_source_of(const struct config *config, const struct image *image,
                                    enum config_id id)
{
    enum config_source source;

    effective_text(config, image, id, &source);
    return source;
}

void config_resolve(const struct config *config, const struct image *image,
                    struct config_values *out)
{
    for (uint32_t i = 0; i < CONFIG_ID_COUNT; i++) {
        enum config_id id = (enum config_id)i;
        config_value_put(out, config_key(id), config_string(config, image, id));
    }
}
