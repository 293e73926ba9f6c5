#include "tests/sim/history.h"

#include "base/check.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

static const char *const kind_texts[] = {
#define HISTORY_TEXT(name, text) text,
    HISTORY_KINDS(HISTORY_TEXT)
#undef HISTORY_TEXT
};

void history_init(struct history *history)
{
    *history = (struct history){0};
}

void history_deinit(struct history *history)
{
    mem_free(history->events);
    *history = (struct history){0};
}

void history_add(struct history *history, const struct history_event *event)
{
    check(event->client < HISTORY_CLIENTS_MAX && event->partition < HISTORY_PARTITIONS_MAX);
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 1024 : history->capacity * 2;
        history->events =
            mem_realloc(history->events, history->capacity * sizeof(*history->events));
    }
    history->events[history->count++] = *event;
    if (history->listen != NULL)
        history->listen(history->context, event);
}

void history_format(const struct history_event *event, char text[HISTORY_TEXT_MAX])
{
    int size = snprintf(
        text, HISTORY_TEXT_MAX,
        "%12.6f %-12s c%" PRIu32 " p%" PRIu32 " offset=%" PRId64 " value=%" PRIu32 ":%" PRIu64,
        (double)event->time_ns / 1e9, kind_texts[event->kind], event->client, event->partition,
        event->offset, history_value_client(event->value), history_value_counter(event->value));
    size_t used = (size_t)size;

    if (event->kind == HISTORY_SEND || event->kind == HISTORY_AUDIT_READ ||
        event->kind == HISTORY_PRODUCER_ID)
        snprintf(text + used, HISTORY_TEXT_MAX - used,
                 " session=%" PRIu32 " producer=%" PRId64 "/%" PRId32 " sequence=%" PRId32,
                 event->session, event->producer_id, event->producer_epoch, event->sequence);
    else if (event->kind == HISTORY_WATERMARKS || event->kind == HISTORY_AUDIT_END ||
             event->kind == HISTORY_COMMITTED)
        snprintf(text + used, HISTORY_TEXT_MAX - used,
                 " low=%" PRId64 ">=%" PRId64 " stable=%" PRId64 ">=%" PRId64 " high=%" PRId64
                 ">=%" PRId64,
                 event->low, event->floor_low, event->stable, event->floor_stable, event->high,
                 event->floor_high);
    else if (event->kind >= HISTORY_ASK && event->kind <= HISTORY_MEMBER_REFUSED)
        snprintf(text + used, HISTORY_TEXT_MAX - used,
                 " group=%" PRIu32 " generation=%" PRId32 " member=%" PRIx64 "/%" PRIx64
                 " leader=%" PRIx64 " error=%" PRId32,
                 event->group, event->generation, event->member, event->identity, event->leader,
                 event->error);
    else if (event->error != 0)
        snprintf(text + used, HISTORY_TEXT_MAX - used, " error=%" PRId32, event->error);
}

void history_print_about(const struct history *history, FILE *to, uint32_t partition,
                         int64_t offset, uint64_t value)
{
    char text[HISTORY_TEXT_MAX];

    for (size_t i = 0; i < history->count; i++) {
        const struct history_event *event = &history->events[i];
        bool about_audit = event->kind == HISTORY_AUDIT || event->kind == HISTORY_AUDIT_END;
        bool about_watermarks = event->kind == HISTORY_WATERMARKS;
        if (event->partition != partition)
            continue;
        if (!about_audit && (about_watermarks || event->value != value) &&
            (about_watermarks || event->offset != offset || offset < 0))
            continue;
        history_format(event, text);
        fprintf(to, "  %s\n", text);
    }
}

static uint8_t filling(uint64_t value, uint32_t i)
{
    return (uint8_t)((value * 0x9e3779b97f4a7c15ULL >> (i % 8 * 8)) + i);
}

void history_value_put(uint64_t value, uint8_t *bytes, uint32_t size_bytes)
{
    check(size_bytes >= HISTORY_VALUE_BYTES_MIN);
    for (uint32_t i = 0; i < HISTORY_VALUE_BYTES_MIN; i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    for (uint32_t i = HISTORY_VALUE_BYTES_MIN; i < size_bytes; i++)
        bytes[i] = filling(value, i);
}

bool history_value_get(const uint8_t *bytes, uint32_t size_bytes, uint64_t *out)
{
    uint64_t value = 0;

    if (bytes == NULL || size_bytes < HISTORY_VALUE_BYTES_MIN)
        return false;
    for (uint32_t i = 0; i < HISTORY_VALUE_BYTES_MIN; i++)
        value = value << 8 | bytes[i];
    for (uint32_t i = HISTORY_VALUE_BYTES_MIN; i < size_bytes; i++)
        if (bytes[i] != filling(value, i))
            return false;
    *out = value;
    return history_value_client(value) < HISTORY_CLIENTS_MAX;
}
