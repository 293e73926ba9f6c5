/* sim_pipe: one direction of a simulated connection: bytes on their way and bytes that arrived.
 *
 * Owned by its sim_conn.  Positions count bytes from the start of the connection.
 *   SPP-1  read_pos <= arrived_pos <= sent_pos
 *   SPP-2  sent_pos - read_pos never passes what its users bound */
#ifndef LEVEE_TESTS_SIM_PIPE_H
#define LEVEE_TESTS_SIM_PIPE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct sim_pipe {
    uint8_t *bytes; /* from read_pos on, at `start` */
    size_t start;
    size_t capacity;
    uint64_t read_pos;
    uint64_t arrived_pos;
    uint64_t sent_pos;
};

void sim_pipe_deinit(struct sim_pipe *pipe);

/* The first size_bytes of vec behind what was sent. */
void sim_pipe_put(struct sim_pipe *pipe, const struct iovec *vec, uint64_t size_bytes);

/* Up to size_bytes of what has arrived. */
size_t sim_pipe_take(struct sim_pipe *pipe, void *bytes, size_t size_bytes);

/* Forget what has arrived. */
void sim_pipe_skip(struct sim_pipe *pipe);

/* Forget what has not arrived. */
void sim_pipe_drop(struct sim_pipe *pipe);

#endif
