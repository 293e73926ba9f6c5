#include "broker/metadata/config_rules.h"

#include "base/arena.h"
#include "base/text.h"
#include "broker/config_check.h"

#include <string.h>

static struct wire_string trim(struct wire_string text)
{
    size_t size_bytes = (size_t)text.size_bytes;

    text_trim(&text.text, &size_bytes);
    text.size_bytes = (int32_t)size_bytes;
    return text;
}

static bool is_trimmed_when_stored(const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_I16:
    case CONFIG_I32:
    case CONFIG_I64:
    case CONFIG_DOUBLE:
    case CONFIG_BOOL:
        return true;
    default:
        return false;
    }
}

/* There is no tiered storage here: Kafka's words for a broker without it. */
static bool is_tiers(const struct config_key *key, struct wire_string trimmed)
{
    bool flag;

    return key == topic_config_key(TOPIC_CONFIG_REMOTE_STORAGE_ENABLE) &&
           text_parse_bool(trimmed.text, (size_t)trimmed.size_bytes, &flag) == OK && flag;
}

bool config_rules_check(const struct config_key *key, struct wire_string value, struct arena *arena,
                        struct wire_string *stored_out, struct wire_string *problem_out)
{
    struct config_check_fault fault;

    if (config_check_value(key, value.text, (size_t)value.size_bytes, &fault) != OK) {
        *problem_out = wire_string(arena_printf(
            arena, "Invalid value %s%.*s%s for configuration %s: %s", fault.is_list ? "[" : "",
            (int)fault.value_bytes, fault.value, fault.is_list ? "]" : "", key->name, fault.why));
        return false;
    }
    *stored_out = is_trimmed_when_stored(key) ? trim(value) : value;
    if (!is_tiers(key, trim(value)))
        return true;
    *problem_out =
        wire_string("Tiered Storage functionality is disabled in the broker. Topic cannot be "
                    "configured with remote log storage.");
    return false;
}
