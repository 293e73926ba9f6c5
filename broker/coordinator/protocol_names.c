#include "broker/coordinator/protocol_names.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>

void protocol_names_init(struct protocol_names *names, uint64_t seed)
{
    *names = (struct protocol_names){.mark = 0};
    hash_map_init(&names->by_text, seed);
}

void protocol_names_deinit(struct protocol_names *names)
{
    check(hash_map_count(&names->by_text) == 0); /* PNM-1 */
    hash_map_deinit(&names->by_text);
}

struct protocol_name *protocol_names_hold(struct protocol_names *names, const char *text,
                                          size_t text_bytes)
{
    size_t size_bytes = text_bytes == 0 ? 0 : strnlen(text, text_bytes);
    struct protocol_name *name = protocol_names_find(names, text, size_bytes);

    if (name == NULL) {
        name = mem_try_alloc(sizeof(*name) + size_bytes + 1);
        if (name == NULL)
            return NULL;
        if (size_bytes > 0)
            memcpy(name->text, text, size_bytes);
        if (hash_map_insert(&names->by_text, name->text, size_bytes, name) != OK) {
            mem_free(name);
            return NULL;
        }
    }
    name->holder_count++;
    return name;
}

void protocol_names_release(struct protocol_names *names, struct protocol_name *name)
{
    if (name == NULL || --name->holder_count > 0)
        return;
    check(name->member_count == 0);
    hash_map_remove(&names->by_text, name->text, strlen(name->text));
    mem_free(name);
}

struct protocol_name *protocol_names_find(const struct protocol_names *names, const char *text,
                                          size_t text_bytes)
{
    return hash_map_find(&names->by_text, text, text_bytes);
}

void protocol_names_begin_marks(struct protocol_names *names)
{
    names->mark++;
}

bool protocol_names_mark(struct protocol_names *names, struct protocol_name *name)
{
    bool is_new = name->marked != names->mark;

    name->marked = names->mark;
    return is_new;
}
