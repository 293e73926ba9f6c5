/* oracle_age: what the broker may take for old, when somebody sets its clock.
 *
 * Ages are differences of the broker's wall clock times.  While it runs, it believes a step of more
 * than ten minutes only after levee.clock.step.accept.ms (docs/operations.md); when it starts, it
 * believes any clock.  So after a step and a start everything may be over at once, also what it
 * knows of producers: then a batch that is sent again is stored again.  Here is the latest time
 * that a broker may have believed since some moment, a little generously: it looks when it likes.
 *
 * One per oracle, told of the clock at each event, and before and after it is set. */
#ifndef LEVEE_TESTS_ORACLE_AGE_H
#define LEVEE_TESTS_ORACLE_AGE_H

#include <stdbool.h>
#include <stdint.h>

struct oracle_age_time {
    uint64_t time_ns;
    int64_t wall_ms; /* of the lowest: negative */
};

/* The highest since any moment: falling with time. */
struct oracle_age_tops {
    struct oracle_age_time *at;
    uint64_t count;
    uint64_t capacity;
};

struct oracle_age {
    int64_t accept_ms; /* of a step, by a running broker */
    bool started;
    int64_t start_wall_ms; /* believed at start_ns */
    uint64_t start_ns;
    bool ahead; /* by more than is believed, since: */
    uint64_t ahead_ns;
    struct oracle_age_tops highest; /* believed */
    struct oracle_age_tops lowest;  /* any, negative */
};

void oracle_age_init(struct oracle_age *age);
void oracle_age_deinit(struct oracle_age *age);

/* A broker starts and believes what it sees. */
void oracle_age_start(struct oracle_age *age, uint64_t time_ns, int64_t wall_ms);

/* Its clock shows wall_ms; times rise from call to call. */
void oracle_age_look(struct oracle_age *age, uint64_t time_ns, int64_t wall_ms);

/* The latest time believed at since_ns or later; INT64_MIN / 2: none. */
int64_t oracle_age_highest_ms(const struct oracle_age *age, uint64_t since_ns);

/* May something of since_ns be so old? */
bool oracle_age_is_over(const struct oracle_age *age, uint64_t since_ns, int64_t age_ms);

#endif
