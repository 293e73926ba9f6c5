#include "storage/dir/meta_properties.h"

#include "base/check.h"
#include "base/properties.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 1 };

/* Properties as they come, into what is known so far. */
struct reading {
    struct properties_reader reader;
    struct meta_properties meta;
    int64_t version; /* -1: not seen */
    bool has_cluster_id;
    bool has_node_id;
};

static enum err parse_directory_id(const struct property *property, struct uuid *out)
{
    enum err err = uuid_parse(property->value, property->value_bytes, out);

    return err ? ERR_MALFORMED : OK;
}

static enum err on_pair(struct properties_reader *reader, const struct property *property)
{
    struct reading *reading = container_of(reader, struct reading, reader);
    struct meta_properties *meta = &reading->meta;
    int64_t number;

    if (text_equal(property->key, property->key_bytes, "version"))
        return text_parse_i64(property->value, property->value_bytes, 0, INT32_MAX,
                              &reading->version)
                   ? ERR_MALFORMED
                   : OK;
    if (text_equal(property->key, property->key_bytes, "node.id")) {
        if (text_parse_i64(property->value, property->value_bytes, 0, INT32_MAX, &number))
            return ERR_MALFORMED;
        meta->node_id = (int32_t)number;
        reading->has_node_id = true;
        return OK;
    }
    if (text_equal(property->key, property->key_bytes, "cluster.id")) {
        if (property->value_bytes >= sizeof(meta->cluster_id))
            return ERR_TOO_LARGE;
        if (property->value_bytes == 0 || strlen(property->value) != property->value_bytes)
            return ERR_MALFORMED; /* a NUL would cut it */
        memcpy(meta->cluster_id, property->value, property->value_bytes);
        meta->cluster_id[property->value_bytes] = '\0';
        reading->has_cluster_id = true;
        return OK;
    }
    if (text_equal(property->key, property->key_bytes, "directory.id"))
        return parse_directory_id(property, &meta->directory_id);
    return OK;
}

static size_t add_pair(char *out, size_t used_bytes, const char *key, const char *value)
{
    size_t room_bytes = META_PROPERTIES_MAX_BYTES - used_bytes;
    size_t size_bytes = properties_format(out + used_bytes, room_bytes, key, value);

    check(size_bytes < room_bytes); /* 63 characters of cluster id take at most 6 bytes each */
    return used_bytes + size_bytes;
}

size_t meta_properties_encode(const struct meta_properties *meta,
                              char out[static META_PROPERTIES_MAX_BYTES])
{
    char number[16];
    char directory_id[UUID_TEXT_MAX];
    size_t used_bytes = 0;

    snprintf(number, sizeof(number), "%d", meta->node_id);
    used_bytes = add_pair(out, used_bytes, "version", "1");
    used_bytes = add_pair(out, used_bytes, "cluster.id", meta->cluster_id);
    used_bytes = add_pair(out, used_bytes, "node.id", number);
    if (!uuid_is_zero(&meta->directory_id)) {
        uuid_format(&meta->directory_id, directory_id);
        used_bytes = add_pair(out, used_bytes, "directory.id", directory_id);
    }
    return used_bytes;
}

enum err meta_properties_decode(const char *text, size_t size_bytes, struct meta_properties *out)
{
    struct reading reading = {.reader.pair = on_pair, .version = -1};
    enum err err = properties_read(&reading.reader, text, size_bytes, PROPERTIES_LATIN1);

    if (reading.version > VERSION)
        return ERR_NEWER_FORMAT; /* whatever else it says */
    if (err)
        return err;
    if (reading.version == 0)
        return ERR_UNSUPPORTED;
    if (reading.version < 0 || !reading.has_cluster_id || !reading.has_node_id)
        return ERR_MALFORMED;
    *out = reading.meta;
    return OK;
}
