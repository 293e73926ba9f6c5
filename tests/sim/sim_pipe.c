#include "tests/sim/sim_pipe.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_heap.h"

#include <string.h>

void sim_pipe_deinit(struct sim_pipe *pipe)
{
    mem_free(pipe->bytes);
    *pipe = (struct sim_pipe){0};
}

static void make_room(struct sim_pipe *pipe, size_t size_bytes)
{
    size_t used = (size_t)(pipe->sent_pos - pipe->read_pos);

    if (pipe->start + used + size_bytes <= pipe->capacity)
        return;
    if (used > 0)
        memmove(pipe->bytes, pipe->bytes + pipe->start, used);
    pipe->start = 0;
    if (used + size_bytes > pipe->capacity) {
        pipe->capacity = (used + size_bytes) * 2;
        pipe->bytes = sim_heap_own_realloc(pipe->bytes, pipe->capacity);
    }
}

void sim_pipe_put(struct sim_pipe *pipe, const struct iovec *vec, uint64_t size_bytes)
{
    make_room(pipe, (size_t)size_bytes);
    for (; size_bytes > 0; vec++) {
        size_t part = vec->iov_len < size_bytes ? vec->iov_len : (size_t)size_bytes;
        if (part > 0)
            memcpy(pipe->bytes + pipe->start + (pipe->sent_pos - pipe->read_pos), vec->iov_base,
                   part);
        pipe->sent_pos += part;
        size_bytes -= part;
    }
}

size_t sim_pipe_take(struct sim_pipe *pipe, void *bytes, size_t size_bytes)
{
    size_t part = (size_t)(pipe->arrived_pos - pipe->read_pos);

    check(pipe->read_pos <= pipe->arrived_pos && pipe->arrived_pos <= pipe->sent_pos); /* SPP-1 */
    if (part > size_bytes)
        part = size_bytes;
    if (part == 0)
        return 0;
    memcpy(bytes, pipe->bytes + pipe->start, part);
    pipe->start += part;
    pipe->read_pos += part;
    return part;
}

void sim_pipe_skip(struct sim_pipe *pipe)
{
    pipe->start += (size_t)(pipe->arrived_pos - pipe->read_pos);
    pipe->read_pos = pipe->arrived_pos;
}

void sim_pipe_drop(struct sim_pipe *pipe)
{
    pipe->sent_pos = pipe->arrived_pos;
}
