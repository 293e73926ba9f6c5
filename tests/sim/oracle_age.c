#include "tests/sim/oracle_age.h"

#include "base/mem.h"
#include "tests/sim/oracle_private.h"

enum {
    ACCEPT_DEFAULT_MS = 86400000,
    STEP_MS = 10 * 60 * 1000, /* up to this much is none */
    SLEW_PER = 20, /* less than a step is followed by 1/1000 of the time and 1 ms a look */
    NS_PER_MS = 1000000,
};

void oracle_age_init(struct oracle_age *age)
{
    *age = (struct oracle_age){.accept_ms = ACCEPT_DEFAULT_MS};
}

void oracle_age_deinit(struct oracle_age *age)
{
    mem_free(age->highest.at);
    mem_free(age->lowest.at);
}

static void put(struct oracle_age_tops *tops, uint64_t time_ns, int64_t wall_ms)
{
    while (tops->count > 0 && tops->at[tops->count - 1].wall_ms <= wall_ms)
        tops->count--;
    tops->at =
        oracle_private_grown(tops->at, tops->count + 1, &tops->capacity, sizeof(tops->at[0]));
    tops->at[tops->count++] = (struct oracle_age_time){time_ns, wall_ms};
}

void oracle_age_start(struct oracle_age *age, uint64_t time_ns, int64_t wall_ms)
{
    age->started = true;
    age->ahead = false;
    age->start_wall_ms = wall_ms;
    age->start_ns = time_ns;
    oracle_age_look(age, time_ns, wall_ms);
}

void oracle_age_look(struct oracle_age *age, uint64_t time_ns, int64_t wall_ms)
{
    int64_t passed_ms = (int64_t)((time_ns - age->start_ns) / NS_PER_MS);
    bool ahead = wall_ms - age->start_wall_ms > passed_ms + passed_ms / SLEW_PER + STEP_MS;

    put(&age->lowest, time_ns, -wall_ms);
    if (age->started && ahead) {
        if (!age->ahead)
            age->ahead_ns = time_ns;
        age->ahead = true;
        if ((int64_t)((time_ns - age->ahead_ns) / NS_PER_MS) < age->accept_ms)
            return;
        age->start_wall_ms = wall_ms;
        age->start_ns = time_ns;
    }
    age->ahead = false;
    put(&age->highest, time_ns, wall_ms);
}

static int64_t top_since(const struct oracle_age_tops *tops, uint64_t since_ns, int64_t none)
{
    uint64_t low = 0;
    uint64_t high = tops->count;

    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (tops->at[middle].time_ns >= since_ns)
            high = middle;
        else
            low = middle + 1;
    }
    return low < tops->count ? tops->at[low].wall_ms : none;
}

int64_t oracle_age_highest_ms(const struct oracle_age *age, uint64_t since_ns)
{
    return top_since(&age->highest, since_ns, INT64_MIN / 2);
}

bool oracle_age_is_over(const struct oracle_age *age, uint64_t since_ns, int64_t age_ms)
{
    int64_t lowest_ms = -top_since(&age->lowest, since_ns, INT64_MIN / 2);

    return oracle_age_highest_ms(age, since_ns) - lowest_ms >= age_ms;
}
