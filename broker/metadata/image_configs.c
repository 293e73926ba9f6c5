/* Configs of the image: ConfigRecord, by resource, keys in rising order. */
#include "base/mem.h"
#include "base/text.h"
#include "broker/metadata/image_private.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_config_record.h"

#include <string.h>

static struct config_resource *find_resource(const struct image *image, int8_t type,
                                             const char *name, size_t name_bytes)
{
    char *id = image->config_key; /* the image is one shard's */

    if (name_bytes > IMAGE_CONFIG_NAME_MAX)
        return NULL;
    id[0] = (char)type;
    memcpy(id + 1, name, name_bytes);
    return hash_map_find(&image->configs, id, 1 + name_bytes);
}

static uint32_t *count_of(struct image *image, int8_t type)
{
    return &image->config_counts[(uint8_t)type % IMAGE_CONFIG_TYPES];
}

static void free_resource(struct config_resource *resource)
{
    for (uint32_t i = 0; i < resource->count; i++) {
        mem_free(resource->pairs[i].key);
        mem_free(resource->pairs[i].value);
    }
    mem_free(resource->pairs);
    mem_free(resource->id);
    mem_free(resource);
}

/* NULL: no memory. */
static struct config_resource *add_resource(struct image *image, int8_t type, const char *name,
                                            size_t name_bytes)
{
    struct config_resource *resource = mem_try_alloc(sizeof(*resource));

    if (resource == NULL)
        return NULL;
    resource->id_bytes = 1 + name_bytes;
    resource->id = mem_try_alloc(resource->id_bytes + 1);
    if (resource->id != NULL) {
        resource->id[0] = (char)type;
        memcpy(resource->id + 1, name, name_bytes);
    }
    if (resource->id == NULL ||
        hash_map_insert(&image->configs, resource->id, resource->id_bytes, resource) != OK) {
        free_resource(resource);
        return NULL;
    }
    (*count_of(image, type))++;
    return resource;
}

void image_free_configs(struct image *image)
{
    size_t cursor = 0;
    struct config_resource *resource;

    while ((resource = hash_map_next(&image->configs, &cursor)) != NULL)
        free_resource(resource);
    hash_map_deinit(&image->configs);
}

static void remove_resource(struct image *image, struct config_resource *resource)
{
    hash_map_remove(&image->configs, resource->id, resource->id_bytes);
    (*count_of(image, (int8_t)resource->id[0]))--;
    free_resource(resource);
}

void image_remove_configs(struct image *image, int8_t type, const char *name)
{
    struct config_resource *resource = find_resource(image, type, name, strlen(name));

    if (resource != NULL)
        remove_resource(image, resource);
}

/* Index of key, or of where it would stand. */
static uint32_t place_of(const struct config_resource *resource, const char *key, size_t key_bytes,
                         bool *found_out)
{
    uint32_t place = 0;
    int order = 1;

    for (; place < resource->count; place++) {
        order = text_compare(resource->pairs[place].key, key, key_bytes);
        if (order >= 0)
            break;
    }
    *found_out = place < resource->count && order == 0;
    return place;
}

/* A pair with that key and no value yet; NULL: no memory. */
static struct config_pair *insert_pair(struct config_resource *resource, uint32_t place,
                                       struct wire_string key)
{
    char *copy = mem_try_strndup(key.text, (size_t)key.size_bytes);
    struct config_pair *pairs = NULL;

    if (copy != NULL)
        pairs = mem_try_realloc(resource->pairs, (resource->count + 1) * sizeof(*pairs));
    if (pairs == NULL) {
        mem_free(copy);
        return NULL;
    }
    resource->pairs = pairs;
    memmove(&pairs[place + 1], &pairs[place], (resource->count - place) * sizeof(*pairs));
    pairs[place] = (struct config_pair){.key = copy};
    resource->count++;
    return &pairs[place];
}

static enum err set_pair(struct config_resource *resource, struct wire_string key,
                         struct wire_string value)
{
    /* Kafka stores what was sent and trims when it parses (ConfigDef.parseType).  Values are kept
     * as C strings: cut first, then trimmed, so that what a snapshot gives back stays as it is. */
    const char *text = value.text;
    size_t text_bytes = strnlen(text, (size_t)value.size_bytes);
    struct config_pair *pair;
    bool found;
    uint32_t place = place_of(resource, key.text, (size_t)key.size_bytes, &found);
    char *copy;

    text_trim(&text, &text_bytes);
    copy = mem_try_strndup(text, text_bytes);
    if (copy == NULL)
        return ERR_NOMEM;
    pair = found ? &resource->pairs[place] : insert_pair(resource, place, key);
    if (pair == NULL) {
        mem_free(copy);
        return ERR_NOMEM;
    }
    mem_free(pair->value);
    pair->value = copy;
    return OK;
}

static void delete_pair(struct config_resource *resource, struct wire_string key)
{
    bool found;
    uint32_t place = place_of(resource, key.text, (size_t)key.size_bytes, &found);

    if (!found)
        return;
    mem_free(resource->pairs[place].key);
    mem_free(resource->pairs[place].value);
    resource->count--;
    memmove(&resource->pairs[place], &resource->pairs[place + 1],
            (resource->count - place) * sizeof(*resource->pairs));
}

static enum err note_change(struct image *image, const struct config_record *record,
                            struct delta *delta)
{
    const struct image_topic *topic;

    if (record->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER) {
        delta->broker_configs = true;
        image->broker_config_changes++;
    }
    if (record->resource_type != KAFKA_CONFIG_RESOURCE_TYPE_TOPIC)
        return OK;
    topic = image_topic_by_name(image, record->resource_name.text,
                                (size_t)record->resource_name.size_bytes);
    return topic == NULL ? OK
                         : delta_note_topic(delta, &topic->id, topic->name, strlen(topic->name),
                                            DELTA_TOPIC_CONFIG, topic->partition_count);
}

/* Names are kept as C strings. */
static bool is_name(struct wire_string name)
{
    return memchr(name.text, '\0', (size_t)name.size_bytes) == NULL;
}

enum err image_apply_config(struct image *image, const struct metadata_record *record,
                            struct delta *delta)
{
    const struct config_record *config = record->body;
    size_t name_bytes = (size_t)config->resource_name.size_bytes;
    struct config_resource *resource =
        find_resource(image, config->resource_type, config->resource_name.text, name_bytes);
    enum err err;

    if (config->name.size_bytes <= 0 || name_bytes > IMAGE_CONFIG_NAME_MAX ||
        config->resource_type < 0 || !is_name(config->name) || !is_name(config->resource_name))
        return ERR_MALFORMED;
    if (config->value.text == NULL && resource == NULL)
        return OK; /* there is nothing to delete */
    err = note_change(image, config, delta);
    if (err != OK)
        return err;
    if (resource == NULL)
        resource =
            add_resource(image, config->resource_type, config->resource_name.text, name_bytes);
    if (resource == NULL)
        return ERR_NOMEM;
    if (config->value.text == NULL)
        delete_pair(resource, config->name);
    else
        err = set_pair(resource, config->name, config->value);
    if (resource->count == 0)
        remove_resource(image, resource);
    return err;
}

uint64_t image_broker_config_changes(const struct image *image)
{
    return image->broker_config_changes;
}

const char *image_config(const struct image *image, int8_t type, const char *name, const char *key)
{
    const struct config_resource *resource = find_resource(image, type, name, strlen(name));
    bool found;
    uint32_t place;

    if (resource == NULL)
        return NULL;
    place = place_of(resource, key, strlen(key), &found);
    return found ? resource->pairs[place].value : NULL;
}

void image_config_each(const struct image *image, int8_t type, const char *name,
                       void (*visit)(void *context, const char *key, const char *value),
                       void *context)
{
    const struct config_resource *resource = find_resource(image, type, name, strlen(name));

    for (uint32_t i = 0; resource != NULL && i < resource->count; i++)
        visit(context, resource->pairs[i].key, resource->pairs[i].value);
}

uint32_t image_config_resource_count(const struct image *image, int8_t type)
{
    return image->config_counts[(uint8_t)type % IMAGE_CONFIG_TYPES];
}

bool image_config_has_resource(const struct image *image, int8_t type, const char *name)
{
    return find_resource(image, type, name, strlen(name)) != NULL;
}

void image_config_each_resource(const struct image *image, int8_t type,
                                void (*visit)(void *context, const char *resource), void *context)
{
    const struct config_resource *resource;
    size_t cursor = 0;

    while ((resource = hash_map_next(&image->configs, &cursor)) != NULL)
        if (resource->id[0] == (char)type)
            visit(context, resource->id + 1);
}
