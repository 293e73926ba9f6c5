/* load_room: what a client of a command needs to live: an io, a loop, a clock, memory for answers,
 * chance and names, as a client_env.
 *
 * One for each thread that has clients; used by that thread alone.  Everything made with its env is
 * destroyed before it.
 *   LRM-1  answers that arrive take answers_max_bytes of memory at most */
#ifndef LEVEE_TOOLS_LOAD_LOAD_ROOM_H
#define LEVEE_TOOLS_LOAD_LOAD_ROOM_H

#include "net/client/client_env.h"

#include <stdbool.h>

struct load_room {
    struct client_env env;
    struct loop loop;
    /* the rest is inside */
    struct clock clock;
    struct io *io;
    struct slab slab;
    struct prng prng;
    struct client_names *names;
    struct timer deadline;
};

/* client_id: outlives the room.  ERR_NOMEM, ERR_UNSUPPORTED and others: no io. */
must_use enum err load_room_create(const char *client_id, uint64_t answers_max_bytes,
                                   struct load_room **out);
void load_room_destroy(struct load_room *room); /* NULL is allowed */

/* Turn the loop until *is_done, or timeout_ms have passed (UINT64_MAX: without end): false then.
 * An error of the loop is final, and told as false.  What is there when the time is over is looked
 * at first; time in which this process was stopped beyond the deadline (SIGSTOP) gives timeout_ms
 * once more. */
bool load_room_run_until(struct load_room *room, const bool *is_done, uint64_t timeout_ms);

/* For the closed of client_cluster_destroy and the like: sets the bool that context points to. */
void load_room_note_closed(void *context);

#endif
