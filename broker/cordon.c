#include "broker/cordon.h"

#include "base/text.h"

#include <string.h>

/* The next entry of a list without the blanks around it, from *rest on; false: there is none. */
static bool next_entry(const char **rest, const char **entry_out, size_t *bytes_out)
{
    while (**rest != '\0') {
        *entry_out = *rest;
        *bytes_out = strcspn(*rest, ",");
        *rest += *bytes_out;
        *rest += **rest == ',';
        text_trim(entry_out, bytes_out);
        if (*bytes_out > 0)
            return true;
    }
    return false;
}

static bool is_ours(const struct config *config, const char *entry, size_t size_bytes)
{
    return text_equal(entry, size_bytes, "*") ||
           text_equal(entry, size_bytes, config_log_dir(config));
}

bool cordon_covers(const struct config *config, const char *list)
{
    const char *entry;
    size_t size_bytes;

    while (list != NULL && next_entry(&list, &entry, &size_bytes))
        if (is_ours(config, entry, size_bytes))
            return true;
    return false;
}

bool cordon_find_stranger(const struct config *config, const char *list, const char **out,
                          size_t *bytes_out)
{
    while (list != NULL && next_entry(&list, out, bytes_out))
        if (!is_ours(config, *out, *bytes_out))
            return true;
    return false;
}
