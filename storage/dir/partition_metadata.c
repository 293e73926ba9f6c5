#include "storage/dir/partition_metadata.h"

#include "base/check.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 0 };

size_t partition_metadata_encode(const struct uuid *topic_id,
                                 char out[static PARTITION_METADATA_MAX_BYTES])
{
    char id[UUID_TEXT_MAX];
    int size_bytes;

    uuid_format(topic_id, id);
    size_bytes =
        snprintf(out, PARTITION_METADATA_MAX_BYTES, "version: %d\ntopic_id: %s", VERSION, id);
    check(size_bytes > 0 && size_bytes < PARTITION_METADATA_MAX_BYTES);
    return (size_t)size_bytes;
}

/* Take the line "<key>:<blanks><value>" from the front of the text; false when it is none. */
static bool take_value(const char **text, size_t *left_bytes, const char *key, const char **value,
                       size_t *value_bytes)
{
    size_t key_bytes = strlen(key);
    const char *end = memchr(*text, '\n', *left_bytes);
    size_t line_bytes = end ? (size_t)(end - *text) : *left_bytes;
    const char *from = *text + key_bytes + 1;
    size_t size_bytes;

    if (!text_starts_with(*text, line_bytes, key) || line_bytes <= key_bytes ||
        (*text)[key_bytes] != ':')
        return false;
    size_bytes = line_bytes - key_bytes - 1;
    while (size_bytes > 0 && (*from == ' ' || *from == '\t')) {
        from++;
        size_bytes--;
    }
    while (size_bytes > 0 && (from[size_bytes - 1] == '\r' || from[size_bytes - 1] == ' '))
        size_bytes--;
    *left_bytes -= line_bytes + (end ? 1 : 0);
    *text += line_bytes + (end ? 1 : 0);
    *value = from;
    *value_bytes = size_bytes;
    return true;
}

enum err partition_metadata_decode(const char *text, size_t size_bytes, struct uuid *out)
{
    struct uuid topic_id;
    const char *value;
    size_t value_bytes;
    int64_t version;

    if (!take_value(&text, &size_bytes, "version", &value, &value_bytes) ||
        text_parse_i64(value, value_bytes, 0, INT32_MAX, &version))
        return ERR_MALFORMED;
    if (version != VERSION)
        return ERR_NEWER_FORMAT;
    if (!take_value(&text, &size_bytes, "topic_id", &value, &value_bytes) ||
        uuid_parse(value, value_bytes, &topic_id) || uuid_is_zero(&topic_id))
        return ERR_MALFORMED;
    *out = topic_id;
    return OK;
}
