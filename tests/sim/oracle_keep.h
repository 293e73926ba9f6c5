/* oracle_keep: what may be gone: a part of the oracle.
 *
 * The log start may move over records that are older than retention.ms (by the latest time that the
 * broker ever had), when retention.bytes remain behind it, or as far as DeleteRecords asked.  In
 * the mode cache a power loss puts the records of the last minute in doubt: the next sight of such
 * an offset decides for it and for all below it, another value there for all above it. */
#ifndef LEVEE_TESTS_ORACLE_KEEP_H
#define LEVEE_TESTS_ORACLE_KEEP_H

#include "tests/sim/oracle_private.h"

/* event->low was seen as the log start: judge what lies below it. */
void oracle_keep_take_start(struct oracle *oracle, const struct history_event *event);

void oracle_keep_take_power_lost(struct oracle *oracle, const struct history_event *event);

/* What event tells was perhaps true before a power loss only. */
bool oracle_keep_is_stale(const struct oracle *oracle, const struct history_event *event);

/* Could its log start move at all? */
bool oracle_keep_trims(const struct oracle_partition *partition);

/* What is in doubt at offset and behind it is lost. */
void oracle_keep_cut(struct oracle *oracle, struct oracle_partition *partition, int64_t offset);

/* offset was seen again: it and all below it are there. */
void oracle_keep_confirm(struct oracle_partition *partition, int64_t offset);

#endif
