#include "tools/patience.h"

#include "net/protocol/kafka_errors.h"

#include <time.h>

enum { PAUSE_FIRST_MS = 50, PAUSE_LAST_MS = 1000 };

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct patience patience_begin(int32_t timeout_ms)
{
    return (struct patience){.deadline_ms = now_ms() + timeout_ms, .pause_ms = PAUSE_FIRST_MS};
}

static bool wait_again(struct patience *patience)
{
    struct timespec pause = {.tv_sec = patience->pause_ms / 1000,
                             .tv_nsec = patience->pause_ms % 1000 * 1000000L};

    if (now_ms() + patience->pause_ms >= patience->deadline_ms)
        return false;
    nanosleep(&pause, NULL);
    patience->pause_ms =
        patience->pause_ms * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : patience->pause_ms * 2;
    return true;
}

bool patience_with_kafka(struct patience *patience, int16_t error_code)
{
    return kafka_error_is_retriable(error_code) && error_code != KAFKA_UNKNOWN_TOPIC_OR_PARTITION &&
           error_code != KAFKA_UNKNOWN_TOPIC_ID && wait_again(patience);
}

bool patience_with(struct patience *patience, enum err err)
{
    return (err == ERR_CLOSED || err == ERR_REFUSED) && wait_again(patience);
}
