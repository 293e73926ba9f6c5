#include "storage/dir/offset_checkpoint.h"

#include "base/check.h"
#include "base/text.h"
#include "storage/dir/log_names.h"

#include <inttypes.h>

enum { FIELD_COUNT = 3 };

size_t offset_checkpoint_encode(const struct offset_checkpoint_entry *entries, uint32_t count,
                                char *out, size_t max_bytes)
{
    struct checkpoint_text text = {.out = out, .max_bytes = max_bytes};

    checkpoint_text_add(&text, "0\n%" PRIu32 "\n", count);
    for (uint32_t i = 0; i < count; i++) {
        check(entries[i].topic_bytes <= LOG_TOPIC_NAME_MAX);
        checkpoint_text_add(&text, "%.*s %" PRId32 " %" PRId64 "\n", (int)entries[i].topic_bytes,
                            entries[i].topic, entries[i].partition, entries[i].offset);
    }
    return text.size_bytes;
}

enum err offset_checkpoint_open(struct offset_checkpoint_reader *reader, const char *text,
                                size_t size_bytes)
{
    return checkpoint_lines_open(&reader->lines, text, size_bytes);
}

enum err offset_checkpoint_next(struct offset_checkpoint_reader *reader,
                                struct offset_checkpoint_entry *out)
{
    struct checkpoint_field fields[FIELD_COUNT];
    int64_t partition;
    int64_t offset;
    enum err err = checkpoint_lines_next(&reader->lines, fields, FIELD_COUNT);

    if (err)
        return err;
    if (!log_names_topic_is_valid(fields[0].text, fields[0].size_bytes) ||
        text_parse_i64(fields[1].text, fields[1].size_bytes, 0, INT32_MAX, &partition) ||
        text_parse_i64(fields[2].text, fields[2].size_bytes, 0, INT64_MAX, &offset))
        return ERR_MALFORMED;
    *out = (struct offset_checkpoint_entry){
        .topic = fields[0].text,
        .topic_bytes = (uint32_t)fields[0].size_bytes,
        .partition = (int32_t)partition,
        .offset = offset,
    };
    return OK;
}
