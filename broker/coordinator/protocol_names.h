/* protocol_names: the names of protocols that the members of one group have, each there once.
 *
 * Owned by its group; on the coordinator's loop.  Terms of members hold names, also those that wait
 * to become a member's or were one's (group_rename.c): so members change theirs without memory.
 *   PNM-1  a name stays while holder_count > 0
 *   PNM-2  member_count is how many members of the group have it, each once */
#ifndef LEVEE_BROKER_COORDINATOR_PROTOCOL_NAMES_H
#define LEVEE_BROKER_COORDINATOR_PROTOCOL_NAMES_H

#include "base/hash_map.h"

#include <stdbool.h>

struct protocol_name {
    uint32_t holder_count; /* places in terms */
    uint32_t member_count;
    uint32_t votes;
    uint64_t marked; /* with the newest number of protocol_names that looked at it */
    char text[];
};

struct protocol_names {
    struct hash_map by_text; /* of protocol_name */
    uint64_t mark;
};

void protocol_names_init(struct protocol_names *names, uint64_t seed);

/* Nobody holds one any more. */
void protocol_names_deinit(struct protocol_names *names);

/* One holder more.  It ends at a NUL, if there is one among its bytes.  NULL: there is no memory.
 */
must_use struct protocol_name *protocol_names_hold(struct protocol_names *names, const char *text,
                                                   size_t text_bytes);

/* One holder less; NULL is accepted. */
void protocol_names_release(struct protocol_names *names, struct protocol_name *name);

/* NULL: nobody has it. */
struct protocol_name *protocol_names_find(const struct protocol_names *names, const char *text,
                                          size_t text_bytes);

/* Begin to look at names; then each is new once. */
void protocol_names_begin_marks(struct protocol_names *names);
bool protocol_names_mark(struct protocol_names *names, struct protocol_name *name);

#endif
