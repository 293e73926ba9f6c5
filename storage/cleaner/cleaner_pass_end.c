/* How a pass ends, whoever sees that it has to. */
#include "base/check.h"
#include "base/mem.h"
#include "storage/cleaner/cleaner_pass_private.h"
#include "storage/log/log_swap.h"

void cleaner_pass_end_free(struct cleaner_pass *pass)
{
    cleaner_batch_deinit(&pass->batch);
    compression_context_destroy(pass->batch.context);
    cleaner_group_deinit(&pass->group, pass->loop->io);
    cleaner_producers_deinit(&pass->producers);
    cleaner_transactions_deinit(&pass->transactions);
    cleaner_map_deinit(&pass->map);
    cleaner_bytes_deinit(&pass->out);
    mem_free(pass->in);
    mem_free(pass);
}

/* Nothing is in flight. */
void cleaner_pass_end(struct cleaner_pass *pass, enum err err)
{
    const struct cleaner_pass_events *events = pass->is_orphan ? NULL : pass->events;
    struct cleaner_pass_result result = pass->result;
    struct log *log = pass->log;
    void *context = pass->context;

    check(pass->step == STEP_NONE);
    timer_cancel(&pass->loop->timers, &pass->timer);
    loop_undefer(&pass->begin_task);
    if (pass->made != NULL)
        segment_free(pass->made);
    if (log != NULL && pass->group.count > 0 && !log->is_swapping)
        log_swap_abandon(log, pass->group.base_offset);
    result.err = err;
    result.counts = pass->batch.counts;
    cleaner_pass_end_free(pass);
    if (events != NULL)
        events->ended(context, log, &result);
}

/* After each operation.  True: the pass has ended. */
bool cleaner_pass_end_if_told(struct cleaner_pass *pass)
{
    bool is_wanted = pass->log != NULL && !pass->is_orphan;

    if (is_wanted && pass->env->state == STORE_RUNNING && !pass->env->stopping)
        return false;
    cleaner_pass_end(pass, ERR_CLOSED);
    return true;
}

struct log *cleaner_pass_log(const struct cleaner_pass *pass)
{
    return pass->log;
}

void cleaner_pass_forget_log(struct cleaner_pass *pass)
{
    if (pass->made != NULL) { /* its log's environment goes */
        segment_free(pass->made);
        pass->made = NULL;
    }
    pass->log = NULL;
    if (pass->step == STEP_NONE)
        cleaner_pass_end(pass, ERR_CLOSED);
}

void cleaner_pass_orphan(struct cleaner_pass *pass)
{
    pass->is_orphan = true;
    cleaner_pass_forget_log(pass);
}
