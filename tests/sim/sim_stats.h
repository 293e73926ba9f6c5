/* sim_stats: what a simulated run did and what was done to it.
 *
 * One per sim_queue; whoever does or injects something counts it. */
#ifndef LEVEE_TESTS_SIM_STATS_H
#define LEVEE_TESTS_SIM_STATS_H

#include <stddef.h>
#include <stdint.h>

#define SIM_STATS_LIST(X)                                                             \
    X(operations, "operations started, files and sockets")                            \
    X(events, "events of the queue")                                                  \
    X(turns, "turns of loops")                                                        \
    X(read_errors, "fault: reads failed")                                             \
    X(write_errors, "fault: writes failed")                                           \
    X(sync_errors, "fault: syncs failed")                                             \
    X(space_errors, "fault: writes and creations refused for want of space")          \
    X(other_errors, "fault: other file calls failed")                                 \
    X(short_reads, "fault: reads cut short")                                          \
    X(short_writes, "fault: writes cut short")                                        \
    X(transient_errors, "fault: EINTR or EAGAIN")                                     \
    X(stalls, "fault: disk stalls")                                                   \
    X(bit_flips, "fault: bytes changed at rest")                                      \
    X(stream_cuts, "fault: connections reset")                                        \
    X(stream_silences, "fault: connections gone silent")                              \
    X(stream_holds, "fault: links or connections held")                               \
    X(connect_refusals, "fault: connections refused by chance")                       \
    X(short_sends, "fault: sends cut short")                                          \
    X(pauses, "fault: nodes paused")                                                  \
    X(clock_jumps, "fault: wall clocks moved")                                        \
    X(process_crashes, "crash: kill -9")                                              \
    X(power_crashes, "crash: power loss")                                             \
    X(units_lost, "unsynced units that a power loss left old")                        \
    X(units_kept, "unsynced units that a power loss left new")                        \
    X(units_garbage, "unsynced units that a power loss filled with zeros or garbage") \
    X(units_damaged, "unsynced units in which a power loss changed a byte")           \
    X(names_lost, "unsynced names that a power loss undid")                           \
    X(names_kept, "unsynced names that a power loss kept")                            \
    X(restarts, "nodes started again")

struct sim_stats {
#define SIM_STATS_FIELD(name, text) uint64_t name;
    SIM_STATS_LIST(SIM_STATS_FIELD)
#undef SIM_STATS_FIELD
};

/* All counters whose text begins with "fault:". */
uint64_t sim_stats_faults(const struct sim_stats *stats);

/* "simulated N operations, M faults, K crashes, V virtual hours"; text is NUL-terminated. */
void sim_stats_format(const struct sim_stats *stats, uint64_t virtual_ns, char *text,
                      size_t text_bytes);

/* Every counter that is not zero, "name=value " each. */
void sim_stats_format_all(const struct sim_stats *stats, char *text, size_t text_bytes);

/* into += from, field by field. */
void sim_stats_add(struct sim_stats *into, const struct sim_stats *from);

#endif
