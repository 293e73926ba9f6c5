#include "broker/client_metrics_config.h"

#include "base/check.h"
#include "base/text.h"

#include <string.h>

enum { INTERVAL_MIN_MS = 100, INTERVAL_MAX_MS = 3600000 };

const struct config_key *client_metrics_config_keys(uint32_t *count_out)
{
    *count_out = CLIENT_METRICS_CONFIG_ID_COUNT;
    return config_tables_client_metrics;
}

const struct config_key *client_metrics_config_key_find(const char *name)
{
    return config_key_search(config_tables_client_metrics, CLIENT_METRICS_CONFIG_ID_COUNT, name);
}

bool client_metrics_config_is_interval(int64_t interval_ms)
{
    return interval_ms >= INTERVAL_MIN_MS && interval_ms <= INTERVAL_MAX_MS;
}

/* The next entry without the blanks around it; false: the list has no more. */
static bool next_entry(const char **rest, const char *end, const char **entry, size_t *bytes)
{
    const char *comma;

    if (*rest > end)
        return false;
    comma = memchr(*rest, ',', (size_t)(end - *rest));
    *entry = *rest;
    *bytes = (size_t)((comma == NULL ? end : comma) - *rest);
    *rest += *bytes + 1;
    text_trim(entry, bytes);
    return true;
}

bool client_metrics_config_has_empty(const char *list, size_t size_bytes)
{
    const char *end;
    const char *entry;
    size_t bytes;

    text_trim(&list, &size_bytes);
    end = list + size_bytes;
    while (size_bytes > 0 && next_entry(&list, end, &entry, &bytes))
        if (bytes == 0)
            return true;
    return false;
}

/* ---- patterns */

struct pattern {
    const char *at;
    const char *end;
    uint32_t open_count; /* parentheses */
    bool has_atom;       /* something that may be repeated stands before */
};

/* A character class, behind its '['; classes nest in Java. */
static bool skip_class(struct pattern *pattern)
{
    uint32_t depth = 1;
    bool is_first = true;

    for (; pattern->at < pattern->end; pattern->at++) {
        char c = *pattern->at;
        if (c == '\\') {
            if (++pattern->at == pattern->end)
                return false;
        } else if (c == '[') {
            depth++;
            is_first = true;
            continue;
        } else if (c == '^' && is_first) {
            continue;
        } else if (c == ']' && !is_first && --depth == 0) {
            pattern->at++;
            return true;
        }
        is_first = false;
    }
    return false;
}

/* {n}, {n,} or {n,m}, behind its '{'. */
static bool skip_count(struct pattern *pattern)
{
    const char *begin = pattern->at;

    while (pattern->at < pattern->end && *pattern->at >= '0' && *pattern->at <= '9')
        pattern->at++;
    if (pattern->at == begin)
        return false;
    if (pattern->at < pattern->end && *pattern->at == ',')
        for (pattern->at++;
             pattern->at < pattern->end && *pattern->at >= '0' && *pattern->at <= '9';)
            pattern->at++;
    return pattern->at < pattern->end && *pattern->at++ == '}';
}

/* A repetition, behind its first character, with a '?' or '+' that says how. */
static bool skip_repetition(struct pattern *pattern, char first)
{
    if (!pattern->has_atom || (first == '{' && !skip_count(pattern)))
        return false;
    if (pattern->at < pattern->end && (*pattern->at == '?' || *pattern->at == '+'))
        pattern->at++;
    pattern->has_atom = false;
    return true;
}

/* What stands behind "(?". */
static bool skip_group_head(struct pattern *pattern)
{
    const char *close;

    if (pattern->at == pattern->end || *pattern->at != '?')
        return true;
    pattern->at++;
    if (pattern->at == pattern->end)
        return false;
    if (*pattern->at != '<' || pattern->end - pattern->at < 2 || pattern->at[1] == '=' ||
        pattern->at[1] == '!')
        return true;
    close = memchr(pattern->at, '>', (size_t)(pattern->end - pattern->at)); /* a name */
    if (close == NULL)
        return false;
    pattern->at = close + 1;
    return true;
}

static bool is_pattern(const char *text, size_t size_bytes)
{
    struct pattern pattern = {.at = text, .end = text + size_bytes};

    while (pattern.at < pattern.end) {
        char c = *pattern.at++;
        bool is_atom = true;
        if (c == '\\') {
            if (pattern.at++ == pattern.end)
                return false;
        } else if (c == '[') {
            if (!skip_class(&pattern))
                return false;
        } else if (c == '(') {
            pattern.open_count++;
            is_atom = false;
            if (!skip_group_head(&pattern))
                return false;
        } else if (c == ')') {
            if (pattern.open_count-- == 0)
                return false;
        } else if (c == '*' || c == '+' || c == '?' || c == '{') {
            if (!skip_repetition(&pattern, c))
                return false;
            continue;
        } else if (c == '|') {
            is_atom = false;
        }
        pattern.has_atom = is_atom;
    }
    return pattern.open_count == 0;
}

static bool is_match(const char *entry, size_t size_bytes)
{
    static const char *const names[] = {"client_instance_id",    "client_id",
                                        "client_software_name",  "client_software_version",
                                        "client_source_address", "client_source_port"};
    const char *equals = memchr(entry, '=', size_bytes);
    const char *name = entry;
    const char *pattern;
    size_t name_bytes;
    size_t pattern_bytes;

    if (equals == NULL)
        return false;
    name_bytes = (size_t)(equals - entry);
    pattern = equals + 1;
    pattern_bytes = size_bytes - name_bytes - 1;
    text_trim(&name, &name_bytes);
    text_trim(&pattern, &pattern_bytes);
    if (pattern_bytes == 0 || memchr(pattern, '=', pattern_bytes) != NULL)
        return false;
    for (size_t i = 0; i < array_count(names); i++)
        if (text_equal(name, name_bytes, names[i]))
            return is_pattern(pattern, pattern_bytes);
    return false;
}

bool client_metrics_config_find_bad_match(const char *list, size_t size_bytes, const char **out,
                                          size_t *bytes_out)
{
    const char *end;

    text_trim(&list, &size_bytes);
    end = list + size_bytes;
    while (size_bytes > 0 && next_entry(&list, end, out, bytes_out))
        if (!is_match(*out, *bytes_out))
            return true;
    return false;
}
