#include "tools/load/load_pipes.h"

#include "base/mem.h"

enum err load_pipes_open(struct load_pipes *pipes, struct load_shared *shared,
                         struct load_stats *stats, struct load_room *room, uint32_t worker)
{
    const struct load_workload *workload = shared->workload;
    uint32_t total = workload->is_pipeline ? workload->topics_count * workload->producers_count : 0;
    enum err err = OK;

    *pipes = (struct load_pipes){0};
    if (total <= worker)
        return OK;
    pipes->pipes = mem_alloc(sizeof(*pipes->pipes) * (total / workload->threads_count + 1));
    for (uint32_t i = worker; i < total && err == OK; i += workload->threads_count)
        err = load_pipe_open(&pipes->pipes[pipes->count++], shared, stats, room, i);
    return err;
}

uint64_t load_pipes_turn(struct load_pipes *pipes, uint64_t now_ns)
{
    bool has_more = false;

    for (uint32_t i = 0; i < pipes->count; i++)
        has_more = load_pipe_turn(&pipes->pipes[i], now_ns) || has_more;
    return has_more ? 0 : UINT64_MAX;
}

bool load_pipes_are_ready(const struct load_pipes *pipes, bool *broken_out)
{
    bool is_ready = true;

    for (uint32_t i = 0; i < pipes->count; i++) {
        *broken_out = *broken_out || pipes->pipes[i].state == LOAD_PIPE_BROKEN;
        is_ready = is_ready && load_pipe_is_ready(&pipes->pipes[i]);
    }
    return is_ready;
}

void load_pipes_close(struct load_pipes *pipes)
{
    for (uint32_t i = 0; i < pipes->count; i++)
        load_pipe_close(&pipes->pipes[i]);
}

bool load_pipes_are_closed(const struct load_pipes *pipes)
{
    for (uint32_t i = 0; i < pipes->count; i++)
        if (!load_pipe_is_closed(&pipes->pipes[i]))
            return false;
    return true;
}

void load_pipes_deinit(struct load_pipes *pipes)
{
    for (uint32_t i = 0; i < pipes->count; i++)
        load_pipe_deinit(&pipes->pipes[i]);
    mem_free(pipes->pipes);
}
