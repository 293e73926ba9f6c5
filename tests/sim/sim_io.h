/* sim_io: the io seam over a simulated disk and network, in virtual time.
 *
 * One per shard of a sim_process.  Operations take effect and complete by events of the queue; the
 * loop finds them in io.completed after io_wait, as with a ring.  What it insists on, by check():
 *   SIO-1  an io_op is not started again, nor its memory changed, while it is in flight
 *   SIO-2  bytes to be written or sent do not change until done; bytes to be read into are spoilt
 *          at the start, and the bytes of a struct io_recv after its call
 *   SIO-3  a socket has at most one reading, one sending, one accepting and one connecting
 *          operation
 *   SIO-4  O_DIRECT alignment
 *   SIO-5  a descriptor is closed once
 * An operation on a descriptor that is not open completes with -EBADF. */
#ifndef LEVEE_TESTS_SIM_IO_H
#define LEVEE_TESTS_SIM_IO_H

#include "base/io.h"
#include "tests/sim/sim_process.h"

enum { SIM_RECV_BYTES = 16384 };

struct sim_io {
    struct io io;
    struct sim_process *process;
    uint32_t shard;
    struct list ops;   /* of sim_op.node: in flight or not yet done, oldest first */
    struct list ready; /* of sim_op.ready_node: completed, not yet given to the loop */
    bool woken;
    bool destroyed; /* by the program */
    uint8_t *recv_bytes;
};

struct sim_io *sim_io_create(struct sim_process *process, uint32_t shard);
void sim_io_destroy(struct sim_io *sim);

/* Has the loop anything to fetch? */
bool sim_io_is_ready(const struct sim_io *sim);

/* The process dies: see sim_process_die. */
void sim_io_die(struct sim_io *sim);

/* Operations whose done has not run. */
uint64_t sim_io_pending_count(const struct sim_io *sim);

#endif
