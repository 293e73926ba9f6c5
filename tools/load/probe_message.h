/* probe_message: the value of a canary's record: who sent it, and which one it is.
 *
 * Big-endian, PROBE_MESSAGE_BYTES:  0 u8[16] the probe   16 u64 sequence   24 i64 milliseconds
 * since 1970 when it was made.  Stateless. */
#ifndef LEVEE_TOOLS_LOAD_PROBE_MESSAGE_H
#define LEVEE_TOOLS_LOAD_PROBE_MESSAGE_H

#include "base/uuid.h"
#include "record/record.h"

#include <stdbool.h>
#include <string.h>

enum { PROBE_MESSAGE_BYTES = 32 };

static inline void probe_message_put(uint8_t bytes[static PROBE_MESSAGE_BYTES],
                                     const struct uuid *probe, uint64_t sequence, int64_t made_ms)
{
    uint64_t numbers[2] = {__builtin_bswap64(sequence), __builtin_bswap64((uint64_t)made_ms)};

    memcpy(bytes, probe, sizeof(*probe));
    memcpy(bytes + sizeof(*probe), numbers, sizeof(numbers));
}

/* False: it is another one's. */
static inline bool probe_message_get(const struct record *record, const struct uuid *probe,
                                     uint64_t *sequence_out)
{
    uint64_t sequence;

    if (record->value_bytes != PROBE_MESSAGE_BYTES ||
        memcmp(record->value, probe, sizeof(*probe)) != 0)
        return false;
    memcpy(&sequence, record->value + sizeof(*probe), sizeof(sequence));
    *sequence_out = __builtin_bswap64(sequence);
    return true;
}

#endif
