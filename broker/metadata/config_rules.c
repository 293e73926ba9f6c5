#include "broker/metadata/config_rules.h"

#include "base/text.h"
#include "broker/config_ip_overrides.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct checking {
    const struct config_key *key;
    struct wire_string value; /* as sent */
    struct arena *arena;
    struct wire_string *problem_out;
};

/* "Invalid value VALUE for configuration KEY: WHY" */
static bool refuse(struct checking *checking, struct wire_string value, const char *why)
{
    char *text = arena_printf(checking->arena, "Invalid value %.*s for configuration %s: %s",
                              value.size_bytes, value.text, checking->key->name, why);

    *checking->problem_out = wire_string(text);
    return false;
}

static struct wire_string trim(struct wire_string text)
{
    size_t size_bytes = (size_t)text.size_bytes;

    text_trim(&text.text, &size_bytes);
    text.size_bytes = (int32_t)size_bytes;
    return text;
}

static bool check_number(struct checking *checking, struct wire_string trimmed)
{
    const struct config_key *key = checking->key;
    int64_t type_max = key->type == CONFIG_I32   ? INT32_MAX
                       : key->type == CONFIG_I16 ? INT16_MAX
                                                 : INT64_MAX;
    char why[96];
    int64_t value;

    if (text_parse_i64(trimmed.text, (size_t)trimmed.size_bytes, -type_max - 1, type_max, &value)) {
        snprintf(why, sizeof(why), "Not a number of type %s",
                 key->type == CONFIG_I32   ? "INT"
                 : key->type == CONFIG_I16 ? "SHORT"
                                           : "LONG");
        return refuse(checking, checking->value, why);
    }
    if (strcmp(key->name, "compression.gzip.level") == 0) {
        if (value == -1 || (value >= 1 && value <= 9))
            return true;
        return refuse(checking, trimmed, "Value must be between 1 and 9 or equal to -1");
    }
    if (value < key->min || value > key->max) {
        snprintf(why, sizeof(why), "Value must be %s %lld",
                 value < key->min ? "at least" : "no more than",
                 (long long)(value < key->min ? key->min : key->max));
        return refuse(checking, trimmed, why);
    }
    return true;
}

static bool check_double(struct checking *checking, struct wire_string trimmed)
{
    const struct config_key *key = checking->key;
    char *text = arena_strndup(checking->arena, trimmed.text, (size_t)trimmed.size_bytes);
    char shown[64];
    char why[64];
    double value;
    char *end;

    if (text == NULL)
        return refuse(checking, checking->value, "Not a number of type DOUBLE");
    value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || end - text != trimmed.size_bytes || !isfinite(value))
        return refuse(checking, checking->value, "Not a number of type DOUBLE");
    if (value >= (double)key->min && (key->max == INT64_MAX || value <= (double)key->max))
        return true;
    snprintf(shown, sizeof(shown), "%.17g", value);
    if (strspn(shown, "-0123456789") == strlen(shown))
        snprintf(shown, sizeof(shown), "%.1f", value); /* Java prints 2.0 */
    snprintf(why, sizeof(why), "Value must be %s %lld",
             value < (double)key->min ? "at least" : "no more than",
             (long long)(value < (double)key->min ? key->min : key->max));
    return refuse(checking, wire_string(shown), why);
}

static bool is_choice(const char *choices, struct wire_string word)
{
    while (*choices != '\0') {
        size_t size_bytes = strcspn(choices, ",");
        if (size_bytes == (size_t)word.size_bytes && memcmp(choices, word.text, size_bytes) == 0)
            return true;
        choices += size_bytes;
        choices += *choices == ',';
    }
    return false;
}

static bool check_choice(struct checking *checking, struct wire_string word)
{
    const char *choices = checking->key->choices;
    char why[512];
    size_t used;

    if (is_choice(choices, word))
        return true;
    used = (size_t)snprintf(why, sizeof(why), "String must be one of: ");
    for (; *choices != '\0' && used + 2 < sizeof(why); choices++) {
        why[used++] = *choices;
        if (*choices == ',')
            why[used++] = ' ';
    }
    why[used] = '\0';
    return refuse(checking, word, why);
}

static bool check_each_choice(struct checking *checking, struct wire_string list)
{
    struct wire_string rest = trim(list);

    while (rest.size_bytes > 0) {
        const char *comma = memchr(rest.text, ',', (size_t)rest.size_bytes);
        struct wire_string word = rest;
        if (comma != NULL)
            word.size_bytes = (int32_t)(comma - rest.text);
        if (!check_choice(checking, trim(word)))
            return false;
        if (comma == NULL)
            break;
        rest.size_bytes -= word.size_bytes + 1;
        rest.text += word.size_bytes + 1;
    }
    return true;
}

/* "*", nothing, or [partition]:[broker],... (Kafka's ThrottledReplicaListValidator). */
static bool check_throttled(struct checking *checking, struct wire_string value)
{
    struct wire_string rest = trim(value);
    char why[256];

    if (rest.size_bytes == 0 || wire_string_is(rest, "*"))
        return true;
    for (;;) {
        int32_t digits[2] = {0, 0};
        for (int part = 0; part < 2; part++) {
            while (rest.size_bytes > 0 && rest.text[0] >= '0' && rest.text[0] <= '9') {
                digits[part]++;
                rest.text++;
                rest.size_bytes--;
            }
            if (part == 0 && rest.size_bytes > 0 && rest.text[0] == ':') {
                rest.text++;
                rest.size_bytes--;
            } else if (part == 0) {
                digits[0] = 0;
            }
        }
        if (digits[0] == 0 || digits[1] == 0)
            break;
        if (rest.size_bytes == 0)
            return true;
        if (rest.text[0] != ',')
            break;
        rest.text++;
        rest.size_bytes--;
    }
    snprintf(why, sizeof(why),
             "%s must be the literal '*' or a list of replicas in the following format: "
             "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
             checking->key->name);
    return refuse(
        checking,
        wire_string(arena_printf(checking->arena, "[%.*s]", value.size_bytes, value.text)), why);
}

static bool check_ip_overrides(struct checking *checking, struct wire_string value)
{
    struct config_ip_overrides overrides;
    struct config_ip_fault fault;

    if (config_ip_overrides_parse(value.text, (size_t)value.size_bytes, &overrides, &fault) == OK)
        return true;
    return refuse(checking, (struct wire_string){fault.entry, fault.entry_bytes}, fault.why);
}

/* There is no tiered storage here: Kafka's words for a broker without it. */
static bool allows_tiers(struct checking *checking)
{
    if (strcmp(checking->key->name, "remote.storage.enable") != 0)
        return true;
    *checking->problem_out =
        wire_string("Tiered Storage functionality is disabled in the broker. Topic cannot be "
                    "configured with remote log storage.");
    return false;
}

bool config_rules_check(const struct config_key *key, struct wire_string value, struct arena *arena,
                        struct wire_string *stored_out, struct wire_string *problem_out)
{
    struct checking checking = {key, value, arena, problem_out};
    struct wire_string trimmed = trim(value);
    bool flag;

    *stored_out = value;
    switch (key->type) {
    case CONFIG_I16:
    case CONFIG_I32:
    case CONFIG_I64:
        *stored_out = trimmed;
        return check_number(&checking, trimmed);
    case CONFIG_DOUBLE:
        *stored_out = trimmed;
        return check_double(&checking, trimmed);
    case CONFIG_BOOL:
        *stored_out = trimmed;
        if (text_parse_bool(trimmed.text, (size_t)trimmed.size_bytes, &flag) == OK)
            return !flag || allows_tiers(&checking);
        return refuse(&checking, value, "Expected value to be either true or false");
    default:
        break;
    }
    if (memchr(value.text, '\0', (size_t)value.size_bytes) != NULL)
        return refuse(&checking, value, "A text must not contain the character NUL");
    if (strcmp(key->name, "leader.replication.throttled.replicas") == 0 ||
        strcmp(key->name, "follower.replication.throttled.replicas") == 0)
        return check_throttled(&checking, value);
    if (strcmp(key->name, "max.connections.per.ip.overrides") == 0)
        return check_ip_overrides(&checking, value);
    if (key->choices == NULL)
        return true;
    return key->type == CONFIG_LIST ? check_each_choice(&checking, value)
                                    : check_choice(&checking, value);
}

bool config_rules_is_changeable(const struct config_key *key)
{
    return key->dynamic && strcmp(key->name, "listeners") != 0 &&
           strcmp(key->name, "advertised.listeners") != 0 &&
           strcmp(key->name, "listener.security.protocol.map") != 0;
}

bool config_rules_is_of_listener(const struct config_key *key)
{
    return strncmp(key->name, "ssl.keystore.", strlen("ssl.keystore.")) == 0 ||
           strncmp(key->name, "ssl.truststore.", strlen("ssl.truststore.")) == 0 ||
           strcmp(key->name, "ssl.key.password") == 0;
}
