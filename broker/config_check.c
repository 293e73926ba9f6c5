/* Is a text a legal value of a key?  The words of the refusals are Kafka's (ConfigDef). */
#include "base/mem.h"
#include "base/text.h"
#include "broker/config.h"
#include "broker/config_ip_overrides.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_choice(const char *choices, const char *word, size_t word_bytes)
{
    while (*choices != '\0') {
        size_t size_bytes = strcspn(choices, ",");
        if (size_bytes == word_bytes && memcmp(choices, word, word_bytes) == 0)
            return true;
        choices += size_bytes;
        choices += *choices == ',';
    }
    return false;
}

static enum err check_choices(const struct config_key *key, const char *text, char *out, size_t max)
{
    const char *rest = text;

    do {
        size_t size_bytes = key->type == CONFIG_LIST ? strcspn(rest, ",") : strlen(rest);
        const char *word = rest;
        size_t word_bytes = size_bytes;
        while (word_bytes > 0 && *word == ' ') {
            word++;
            word_bytes--;
        }
        if (!is_choice(key->choices, word, word_bytes)) {
            snprintf(out, max, "Invalid value %s for configuration %s: String must be one of: %s",
                     text, key->name, key->choices);
            return ERR_INVALID;
        }
        rest += size_bytes;
        rest += *rest == ',';
    } while (*rest != '\0');
    return OK;
}

static enum err check_number(const struct config_key *key, const char *text, char *out, size_t max)
{
    static const char *const kinds[] = {[CONFIG_I32] = "32-bit integer",
                                        [CONFIG_I64] = "64-bit integer",
                                        [CONFIG_I16] = "16-bit integer"};
    int64_t value;
    int64_t type_max = key->type == CONFIG_I32   ? INT32_MAX
                       : key->type == CONFIG_I16 ? INT16_MAX
                                                 : INT64_MAX;

    if (text_parse_i64(text, strlen(text), -type_max - 1, type_max, &value) != OK) {
        snprintf(out, max, "Invalid value %s for configuration %s: Not a number of type %s", text,
                 key->name, kinds[key->type]);
        return ERR_INVALID;
    }
    if (value < key->min || value > key->max) {
        snprintf(out, max, "Invalid value %s for configuration %s: Value must be %s %lld", text,
                 key->name, value < key->min ? "at least" : "no more than",
                 (long long)(value < key->min ? key->min : key->max));
        return ERR_INVALID;
    }
    return OK;
}

static enum err check_ip_overrides(const struct config_key *key, const char *text, char *out,
                                   size_t max)
{
    struct config_ip_overrides overrides;
    struct config_ip_fault fault;

    if (config_ip_overrides_parse(text, strlen(text), &overrides, &fault) == OK)
        return OK;
    snprintf(out, max, "Invalid value %.*s for configuration %s: %s", fault.entry_bytes,
             fault.entry, key->name, fault.why);
    return ERR_INVALID;
}

static enum err check_trimmed(const struct config_key *key, const char *text, char *out, size_t max)
{
    char *end;
    double number;
    bool flag;

    switch (key->type) {
    case CONFIG_I16:
    case CONFIG_I32:
    case CONFIG_I64:
        return check_number(key, text, out, max);
    case CONFIG_BOOL:
        if (text_parse_bool(text, strlen(text), &flag) == OK)
            return OK;
        snprintf(out, max,
                 "Invalid value %s for configuration %s: Expected value to be either true or false",
                 text, key->name);
        return ERR_INVALID;
    case CONFIG_DOUBLE:
        number = strtod(text, &end);
        if (*text == '\0' || *end != '\0' || !isfinite(number) || number < (double)key->min ||
            (key->max != INT64_MAX && number > (double)key->max)) {
            snprintf(out, max, "Invalid value %s for configuration %s: Not a number in its range",
                     text, key->name);
            return ERR_INVALID;
        }
        return OK;
    default:
        if (strcmp(key->name, "max.connections.per.ip.overrides") == 0)
            return check_ip_overrides(key, text, out, max);
        return key->choices != NULL && *text != '\0' ? check_choices(key, text, out, max) : OK;
    }
}

enum err config_check(const struct config_key *key, const char *text, char *problem_out,
                      size_t problem_max)
{
    char space[1];
    size_t size_bytes = strlen(text);
    char *trimmed;
    enum err err;

    text_trim(&text, &size_bytes);
    if (text[size_bytes] == '\0') /* nothing behind it to cut off */
        return check_trimmed(key, text, problem_out != NULL ? problem_out : space,
                             problem_out != NULL ? problem_max : sizeof(space));
    trimmed = mem_strndup(text, size_bytes);
    err = check_trimmed(key, trimmed, problem_out != NULL ? problem_out : space,
                        problem_out != NULL ? problem_max : sizeof(space));
    mem_free(trimmed);
    return err;
}
