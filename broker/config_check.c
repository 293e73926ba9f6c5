#include "broker/config_check.h"

#include "base/text.h"
#include "broker/config_ip_overrides.h"
#include "broker/iso_duration.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct checking {
    const struct config_key *key;
    const char *sent; /* with the blanks around it */
    size_t sent_bytes;
    const char *text; /* without */
    size_t size_bytes;
    struct config_check_fault *fault;
};

static enum err refuse(struct checking *checking, const char *value, size_t value_bytes,
                       const char *why)
{
    checking->fault->value = value;
    checking->fault->value_bytes = value_bytes;
    snprintf(checking->fault->why, sizeof(checking->fault->why), "%s", why);
    return ERR_INVALID;
}

/* Of a text that is not even of the key's type Kafka shows the blanks, too. */
static enum err refuse_sent(struct checking *checking, const char *why)
{
    return refuse(checking, checking->sent, checking->sent_bytes, why);
}

static enum err refuse_text(struct checking *checking, const char *why)
{
    return refuse(checking, checking->text, checking->size_bytes, why);
}

static void say_bound(const struct config_key *key, bool is_low, char why[64])
{
    snprintf(why, 64, "Value must be %s %lld", is_low ? "at least" : "no more than",
             (long long)(is_low ? key->min : key->max));
}

static enum err check_number(struct checking *checking)
{
    const struct config_key *key = checking->key;
    int64_t type_max = key->type == CONFIG_I32   ? INT32_MAX
                       : key->type == CONFIG_I16 ? INT16_MAX
                                                 : INT64_MAX;
    char why[128];
    int64_t value;

    if (text_parse_i64(checking->text, checking->size_bytes, -type_max - 1, type_max, &value)) {
        snprintf(why, sizeof(why), "Not a number of type %s",
                 key->type == CONFIG_I32   ? "INT"
                 : key->type == CONFIG_I16 ? "SHORT"
                                           : "LONG");
        return refuse_sent(checking, why);
    }
    if (key->rule == CONFIG_RULE_GZIP_LEVEL) {
        if (value == -1 || (value >= 1 && value <= 9))
            return OK;
        return refuse_text(checking, "Value must be between 1 and 9 or equal to -1");
    }
    /* nothing would be kept (KafkaConfig.validateValues); of the coarser units config.c decides,
     * for they may stand below one that wins */
    if (key->rule == CONFIG_RULE_NOT_ZERO && value == 0) {
        snprintf(why, sizeof(why), "%s must be unlimited (-1) or, equal or greater than 1",
                 key->name);
        return refuse_text(checking, why);
    }
    if (value >= key->min && value <= key->max)
        return OK;
    say_bound(key, value < key->min, why);
    return refuse_text(checking, why);
}

static enum err check_double(struct checking *checking)
{
    const struct config_key *key = checking->key;
    char *shown = checking->fault->space;
    char text[512]; /* a longer one is no number that anybody meant */
    char why[64];
    double value;
    char *end;

    if (checking->size_bytes >= sizeof(text))
        return refuse_sent(checking, "Not a number of type DOUBLE");
    memcpy(text, checking->text, checking->size_bytes);
    text[checking->size_bytes] = '\0';
    value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || (size_t)(end - text) != checking->size_bytes ||
        !isfinite(value))
        return refuse_sent(checking, "Not a number of type DOUBLE");
    if (value >= (double)key->min && (key->max == INT64_MAX || value <= (double)key->max))
        return OK;
    snprintf(shown, sizeof(checking->fault->space), "%.17g", value);
    if (strspn(shown, "-0123456789") == strlen(shown))
        snprintf(shown, sizeof(checking->fault->space), "%.1f", value); /* Java prints 2.0 */
    say_bound(key, value < (double)key->min, why);
    return refuse(checking, shown, strlen(shown), why);
}

static bool is_choice(const char *choices, const char *word, size_t word_bytes)
{
    while (*choices != '\0') {
        size_t size_bytes = strcspn(choices, ",");
        if (size_bytes == word_bytes && memcmp(choices, word, size_bytes) == 0)
            return true;
        choices += size_bytes;
        choices += *choices == ',';
    }
    return false;
}

static enum err check_choice(struct checking *checking, const char *word, size_t word_bytes)
{
    const char *choices = checking->key->choices;
    char why[CONFIG_CHECK_WHY_BYTES];
    size_t used;

    if (is_choice(choices, word, word_bytes))
        return OK;
    used = (size_t)snprintf(why, sizeof(why), "String must be one of: ");
    for (; *choices != '\0' && used + 2 < sizeof(why); choices++) {
        why[used++] = *choices;
        if (*choices == ',')
            why[used++] = ' ';
    }
    why[used] = '\0';
    return refuse(checking, word, word_bytes, why);
}

static enum err check_each_choice(struct checking *checking)
{
    const char *rest = checking->text;
    const char *end = checking->text + checking->size_bytes;
    enum err err = OK;

    while (rest < end && err == OK) {
        const char *comma = memchr(rest, ',', (size_t)(end - rest));
        const char *word = rest;
        size_t word_bytes = (size_t)((comma == NULL ? end : comma) - rest);
        rest += word_bytes + 1;
        text_trim(&word, &word_bytes);
        err = check_choice(checking, word, word_bytes);
    }
    return err;
}

static size_t skip_digits(const char **rest, const char *end)
{
    const char *begin = *rest;

    while (*rest < end && **rest >= '0' && **rest <= '9')
        (*rest)++;
    return (size_t)(*rest - begin);
}

/* "*", nothing, or [partition]:[broker],... (Kafka's ThrottledReplicaListValidator). */
static enum err check_throttled(struct checking *checking)
{
    const char *rest = checking->text;
    const char *end = checking->text + checking->size_bytes;
    char why[256];

    if (checking->size_bytes == 0 || text_equal(checking->text, checking->size_bytes, "*"))
        return OK;
    while (skip_digits(&rest, end) > 0 && rest < end && *rest == ':') {
        rest++;
        if (skip_digits(&rest, end) == 0)
            break;
        if (rest == end)
            return OK;
        if (*rest++ != ',')
            break;
    }
    snprintf(why, sizeof(why),
             "%s must be the literal '*' or a list of replicas in the following format: "
             "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
             checking->key->name);
    checking->fault->is_list = true;
    return refuse_sent(checking, why);
}

static enum err check_ip_overrides(struct checking *checking)
{
    struct config_ip_overrides overrides;
    struct config_ip_fault fault;

    if (config_ip_overrides_parse(checking->text, checking->size_bytes, &overrides, &fault) == OK)
        return OK;
    return refuse(checking, fault.entry, (size_t)fault.entry_bytes, fault.why);
}

/* earliest, latest, or a time before now (Kafka's ShareGroupAutoOffsetResetStrategy). */
static enum err check_offset_reset(struct checking *checking)
{
    static const char by_duration[] = "by_duration:";
    size_t head_bytes = sizeof(by_duration) - 1;
    char why[CONFIG_CHECK_WHY_BYTES];
    int64_t seconds;

    if (text_equal(checking->text, checking->size_bytes, "earliest") ||
        text_equal(checking->text, checking->size_bytes, "latest"))
        return OK;
    if (text_starts_with(checking->text, checking->size_bytes, by_duration) &&
        iso_duration_parse(checking->text + head_bytes, checking->size_bytes - head_bytes,
                           &seconds) == OK &&
        seconds >= 0)
        return OK;
    snprintf(why, sizeof(why),
             "Invalid value `%.*s` for configuration %s. The value must be either 'earliest', "
             "'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
             (int)(checking->size_bytes < 200 ? checking->size_bytes : 200), checking->text,
             checking->key->name);
    return refuse_text(checking, why);
}

static enum err check_text(struct checking *checking)
{
    if (memchr(checking->sent, '\0', checking->sent_bytes) != NULL)
        return refuse_sent(checking, "A text must not contain the character NUL");
    switch (checking->key->rule) {
    case CONFIG_RULE_THROTTLED_REPLICAS:
        return check_throttled(checking);
    case CONFIG_RULE_IP_OVERRIDES:
        return check_ip_overrides(checking);
    case CONFIG_RULE_OFFSET_RESET:
        return check_offset_reset(checking);
    default:
        break;
    }
    if (checking->key->choices == NULL)
        return OK;
    return checking->key->type == CONFIG_LIST
               ? check_each_choice(checking)
               : check_choice(checking, checking->text, checking->size_bytes);
}

enum err config_check_value(const struct config_key *key, const char *text, size_t size_bytes,
                            struct config_check_fault *out)
{
    struct checking checking = {.key = key,
                                .sent = text,
                                .sent_bytes = size_bytes,
                                .text = text,
                                .size_bytes = size_bytes,
                                .fault = out};
    bool flag;

    out->is_list = false;
    text_trim(&checking.text, &checking.size_bytes);
    switch (key->type) {
    case CONFIG_I16:
    case CONFIG_I32:
    case CONFIG_I64:
        return check_number(&checking);
    case CONFIG_DOUBLE:
        return check_double(&checking);
    case CONFIG_BOOL:
        if (text_parse_bool(checking.text, checking.size_bytes, &flag) == OK)
            return OK;
        return refuse_sent(&checking, "Expected value to be either true or false");
    default:
        return check_text(&checking);
    }
}

enum err config_check(const struct config_key *key, const char *text, char *problem_out,
                      size_t problem_max)
{
    struct config_check_fault fault;
    enum err err = config_check_value(key, text, strlen(text), &fault);

    if (err != OK && problem_out != NULL)
        snprintf(problem_out, problem_max, "Invalid value %s%.*s%s for configuration %s: %s",
                 fault.is_list ? "[" : "", (int)fault.value_bytes, fault.value,
                 fault.is_list ? "]" : "", key->name, fault.why);
    return err;
}
