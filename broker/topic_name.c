#include "broker/topic_name.h"

#include "storage/dir/log_names.h"

#include <string.h>

struct wire_string topic_name_text(struct arena *arena, const char *before, struct wire_string name,
                                   const char *after)
{
    size_t before_bytes = strlen(before);
    size_t after_bytes = strlen(after);
    size_t name_bytes = name.text == NULL ? 0 : (size_t)name.size_bytes;
    char *text = arena_alloc(arena, before_bytes + name_bytes + after_bytes + 1);

    if (text == NULL)
        return (struct wire_string){0};
    memcpy(text, before, before_bytes);
    if (name_bytes > 0)
        memcpy(text + before_bytes, name.text, name_bytes);
    memcpy(text + before_bytes + name_bytes, after, after_bytes);
    return (struct wire_string){text, (int32_t)(before_bytes + name_bytes + after_bytes)};
}

bool topic_name_check(struct wire_string name, struct arena *arena, struct wire_string *problem_out)
{
    if (name.text != NULL && log_names_topic_is_valid(name.text, (size_t)name.size_bytes))
        return true;
    if (name.text == NULL || name.size_bytes == 0)
        *problem_out = wire_string("Topic name is invalid: the empty string is not allowed");
    else if (wire_string_is(name, ".") || wire_string_is(name, ".."))
        *problem_out = topic_name_text(arena, "Topic name is invalid: '", name, "' is not allowed");
    else if (name.size_bytes > LOG_TOPIC_NAME_MAX)
        *problem_out = topic_name_text(arena, "Topic name is invalid: the length of '", name,
                                       "' is longer than the max allowed length 249");
    else
        *problem_out = topic_name_text(arena, "Topic name is invalid: '", name,
                                       "' contains one or more characters other than ASCII "
                                       "alphanumerics, '.', '_' and '-'");
    return false;
}
