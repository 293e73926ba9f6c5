#include "storage/dir/log_names.h"

#include "base/check.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    OFFSET_DIGITS = 20,
    DIR_NAME_MAX = 255,
    ID_DIGITS = 32,
};

static const char deleted_suffix[] = ".deleted";
static const char deleted_dir_suffix[] = "-delete";

static const char *const suffixes[LOG_FILE_KIND_COUNT] = {
    [LOG_FILE_LOG] = ".log",
    [LOG_FILE_INDEX] = ".index",
    [LOG_FILE_TIME_INDEX] = ".timeindex",
    [LOG_FILE_TXN_INDEX] = ".txnindex",
    [LOG_FILE_SNAPSHOT] = ".snapshot",
    [LOG_FILE_WINDOW] = ".levee-window",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '.' ||
           c == '_' || c == '-';
}

bool log_names_topic_is_valid(const char *name, size_t size_bytes)
{
    if (size_bytes == 0 || size_bytes > LOG_TOPIC_NAME_MAX)
        return false;
    if (text_equal(name, size_bytes, ".") || text_equal(name, size_bytes, ".."))
        return false;
    for (size_t i = 0; i < size_bytes; i++) {
        if (!is_name_char(name[i]))
            return false;
    }
    return true;
}

bool log_names_topics_collide(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    if (a_bytes != b_bytes)
        return false;
    for (size_t i = 0; i < a_bytes; i++) {
        if ((a[i] == '.' ? '_' : a[i]) != (b[i] == '.' ? '_' : b[i]))
            return false;
    }
    return true;
}

void log_names_format_file(char out[static LOG_FILE_NAME_MAX], int64_t base_offset,
                           enum log_file_kind kind)
{
    int size_bytes;

    check(base_offset >= 0 && kind < LOG_FILE_KIND_COUNT);
    size_bytes = snprintf(out, LOG_FILE_NAME_MAX, "%0*" PRId64 "%s", (int)OFFSET_DIGITS,
                          base_offset, suffixes[kind]);
    check(size_bytes > 0 && size_bytes < LOG_FILE_NAME_MAX);
}

/* Digits and nothing else; false also when they do not fit. */
static bool parse_digits(const char *text, size_t size_bytes, int64_t max, int64_t *out)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if (!is_digit(text[i]))
            return false;
    }
    return size_bytes > 0 && text_parse_i64(text, size_bytes, 0, max, out) == OK;
}

enum err log_names_parse_file(const char *name, int64_t *base_offset_out,
                              enum log_file_kind *kind_out, bool *deleted_out)
{
    size_t size_bytes = strlen(name);
    size_t deleted_bytes = sizeof(deleted_suffix) - 1;
    bool deleted = size_bytes > deleted_bytes &&
                   strcmp(name + size_bytes - deleted_bytes, deleted_suffix) == 0;
    int64_t base_offset;

    if (deleted)
        size_bytes -= deleted_bytes;
    if (size_bytes <= OFFSET_DIGITS || !parse_digits(name, OFFSET_DIGITS, INT64_MAX, &base_offset))
        return ERR_NOT_FOUND;
    for (int kind = 0; kind < LOG_FILE_KIND_COUNT; kind++) {
        if (!text_equal(name + OFFSET_DIGITS, size_bytes - OFFSET_DIGITS, suffixes[kind]))
            continue;
        *base_offset_out = base_offset;
        *kind_out = (enum log_file_kind)kind;
        *deleted_out = deleted;
        return OK;
    }
    return ERR_NOT_FOUND;
}

void log_names_format_dir(char out[static LOG_DIR_NAME_MAX], const char *topic, int32_t partition)
{
    int size_bytes;

    check(partition >= 0);
    size_bytes = snprintf(out, LOG_DIR_NAME_MAX, "%s-%" PRId32, topic, partition);
    check(size_bytes > 0 && size_bytes < LOG_DIR_NAME_MAX);
}

void log_names_format_deleted_dir(char out[static LOG_DIR_NAME_MAX], const char *topic,
                                  int32_t partition, const struct uuid *id)
{
    char suffix[64];
    size_t used_bytes;
    size_t topic_bytes = strlen(topic);

    check(partition >= 0);
    used_bytes = (size_t)snprintf(suffix, sizeof(suffix), "-%" PRId32 ".", partition);
    for (size_t i = 0; i < sizeof(id->bytes); i++)
        used_bytes += (size_t)snprintf(suffix + used_bytes, sizeof(suffix) - used_bytes, "%02x",
                                       id->bytes[i]);
    used_bytes += (size_t)snprintf(suffix + used_bytes, sizeof(suffix) - used_bytes, "%s",
                                   deleted_dir_suffix);
    check(used_bytes < sizeof(suffix));
    if (topic_bytes > DIR_NAME_MAX - used_bytes)
        topic_bytes = DIR_NAME_MAX - used_bytes;
    snprintf(out, LOG_DIR_NAME_MAX, "%.*s%s", (int)topic_bytes, topic, suffix);
}

/* Take "-delete" and the id before it off the end; false when that is not how it ends. */
static bool cut_deleted(const char *name, size_t *size_bytes)
{
    size_t suffix_bytes = sizeof(deleted_dir_suffix) - 1;
    size_t id_pos;

    if (*size_bytes < suffix_bytes + ID_DIGITS + 1 ||
        memcmp(name + *size_bytes - suffix_bytes, deleted_dir_suffix, suffix_bytes) != 0)
        return false;
    id_pos = *size_bytes - suffix_bytes - ID_DIGITS;
    if (name[id_pos - 1] != '.')
        return false;
    for (size_t i = 0; i < ID_DIGITS; i++) {
        char c = name[id_pos + i];

        if (!is_digit(c) && !(c >= 'a' && c <= 'f'))
            return false;
    }
    *size_bytes = id_pos - 1;
    return true;
}

enum err log_names_parse_dir(const char *name, struct log_dir_name *out)
{
    size_t size_bytes = strlen(name);
    bool deleted = cut_deleted(name, &size_bytes);
    const char *dash = memrchr(name, '-', size_bytes);
    size_t digit_count;
    int64_t partition;

    if (!dash)
        return ERR_NOT_FOUND;
    digit_count = size_bytes - (size_t)(dash - name) - 1;
    if (!parse_digits(dash + 1, digit_count, INT32_MAX, &partition) ||
        (digit_count > 1 && dash[1] == '0') ||
        !log_names_topic_is_valid(name, (size_t)(dash - name)))
        return ERR_NOT_FOUND;
    *out = (struct log_dir_name){.partition = (int32_t)partition, .deleted = deleted};
    memcpy(out->topic, name, (size_t)(dash - name));
    return OK;
}
