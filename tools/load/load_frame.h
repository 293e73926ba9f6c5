/* load_frame: messages between a driver and its agents, on TCP.
 *
 * Each is  u32 size of what follows | u8 type | bytes,  big-endian.  Blocking, for one thread a
 * direction; deadlines are the caller's.  Nothing from the other side is trusted: a size above the
 * caller's limit ends the connection.
 *
 *   driver -> agent   HELLO     u32 magic "LVAG" | u32 version
 *                     WORKLOAD  u32 number of the agent | u32 number of all | settings as lines
 *                               "name=value" of load_option
 *                     PING      u64 any
 *                     START     u64 time of the agent's monotonic clock, nanoseconds
 *                     STOP      end what is measured now
 *   agent -> driver   HELLO     as above, and the name of the machine
 *                     READY     its clients know their topics
 *                     PONG      u64 as asked | u64 its monotonic clock
 *                     RESULT    JSON of load_json
 *                     PROBLEM   u32 enum err | text */
#ifndef LEVEE_TOOLS_LOAD_LOAD_FRAME_H
#define LEVEE_TOOLS_LOAD_LOAD_FRAME_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define LOAD_FRAME_MAGIC 0x4c564147U
#define LOAD_FRAME_VERSION 1U

enum load_frame_type {
    LOAD_FRAME_HELLO = 1,
    LOAD_FRAME_WORKLOAD,
    LOAD_FRAME_READY,
    LOAD_FRAME_PING,
    LOAD_FRAME_PONG,
    LOAD_FRAME_START,
    LOAD_FRAME_STOP,
    LOAD_FRAME_RESULT,
    LOAD_FRAME_PROBLEM,
};

struct load_frame {
    uint8_t type;
    uint32_t size_bytes;
    uint8_t *bytes; /* size_bytes and a NUL behind; for load_frame_free */
};

/* "HOST:PORT", "[ADDRESS]:PORT".  ERR_INVALID: it is none; ERR_NOT_FOUND: no such host;
 * ERR_REFUSED, ERR_TIMEOUT, ERR_IN_USE, ERR_PERMISSION, ERR_IO. */
must_use enum err load_frame_connect(const char *address, int timeout_ms, int *fd_out);
must_use enum err load_frame_listen(const char *address, int *fd_out);

/* ERR_CLOSED: the other side has gone. */
must_use enum err load_frame_send(int fd, enum load_frame_type type, const void *bytes,
                                  size_t size_bytes);

/* Wait for the next one at most timeout_ms (-1: without end); one that has begun has 10 s to come.
 * ERR_TIMEOUT: nothing has come; ERR_CLOSED; ERR_TOO_LARGE, ERR_MALFORMED: close it; ERR_NOMEM. */
must_use enum err load_frame_receive(int fd, int timeout_ms, uint32_t max_bytes,
                                     struct load_frame *out);
void load_frame_free(struct load_frame *frame); /* a zeroed one is accepted */

#endif
