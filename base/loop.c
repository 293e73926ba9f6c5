#include "base/loop.h"

#include "base/check.h"

void loop_init(struct loop *loop, uint32_t index, struct io *io, struct clock *clock)
{
    *loop = (struct loop){.io = io, .clock = clock, .index = index};
    loop->now_ns = clock_mono_ns(clock);
    timer_wheel_init(&loop->timers, loop->now_ns);
    mailbox_init(&loop->mailbox);
    list_init(&loop->deferred);
}

void loop_deinit(struct loop *loop)
{
    loop->io = NULL;
    loop->clock = NULL;
}

/* How long the io may sleep: not at all with work at hand, otherwise until the next timer.  A mail
 * that is posted after the look into the mailbox wakes the io (loop_post). */
static uint64_t wait_limit_ns(struct loop *loop, uint64_t max_wait_ns)
{
    uint64_t deadline_ns;
    uint64_t now_ns;

    if (max_wait_ns == 0 || !list_is_empty(&loop->deferred) ||
        !list_is_empty(&loop->io->completed) || !mailbox_is_empty(&loop->mailbox))
        return 0;
    deadline_ns = timer_wheel_next_deadline(&loop->timers);
    if (deadline_ns == TIMER_NEVER)
        return max_wait_ns;
    now_ns = clock_mono_ns(loop->clock);
    if (deadline_ns <= now_ns)
        return 0;
    return deadline_ns - now_ns < max_wait_ns ? deadline_ns - now_ns : max_wait_ns;
}

static void run_completed(struct loop *loop)
{
    struct list ready;
    struct list *node;

    list_init(&ready);
    list_splice_back(&ready, &loop->io->completed);
    while ((node = list_pop_front(&ready)) != NULL) {
        struct io_op *op = container_of(node, struct io_op, node);

        op->in_flight = false;
        op->done(op, op->result);
    }
}

static void deliver_mails(struct loop *loop)
{
    struct mail *mail = mailbox_take_all(&loop->mailbox);

    while (mail != NULL) {
        struct mail *next = mail->next; /* deliver may post this mail again, or free it */

        mail->deliver(mail);
        mail = next;
    }
}

static void run_deferred(struct loop *loop)
{
    struct list ready;
    struct list *node;

    list_init(&ready);
    list_splice_back(&ready, &loop->deferred);
    while ((node = list_pop_front(&ready)) != NULL) {
        struct task *task = container_of(node, struct task, node);

        task->run(task);
    }
}

enum err loop_turn(struct loop *loop, uint64_t max_wait_ns)
{
    enum err err = loop->io->v->wait(loop->io, wait_limit_ns(loop, max_wait_ns));

    if (err)
        return err;
    loop->now_ns = clock_mono_ns(loop->clock);
    loop->turn_count++;
    run_completed(loop);
    timer_wheel_advance(&loop->timers, loop->now_ns);
    deliver_mails(loop);
    run_deferred(loop);
    if (loop->turn_end != NULL)
        loop->turn_end(loop, loop->turn_end_context);
    return OK;
}

enum err loop_run(struct loop *loop)
{
    enum err err = OK;

    while (err == OK && !loop->stopping)
        err = loop_turn(loop, LOOP_WAIT_FOREVER);
    loop->stopping = false;
    return err;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

void loop_set_turn_end(struct loop *loop, void (*turn_end)(struct loop *loop, void *context),
                       void *context)
{
    loop->turn_end = turn_end;
    loop->turn_end_context = context;
}

void loop_defer(struct loop *loop, struct task *task)
{
    if (!list_is_linked(&task->node))
        list_push_back(&loop->deferred, &task->node);
}

void loop_post(struct loop *loop, struct mail *mail)
{
    if (mailbox_post(&loop->mailbox, mail))
        loop->io->v->wake(loop->io);
}
