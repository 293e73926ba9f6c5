#include "base/check.h"
#include "base/clock_system.h"
#include "base/io_system.h"
#include "base/loop.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An io that never sleeps: it notes how long it may, and completes the ops that a test puts in. */
struct still_io {
    struct io io;
    uint64_t asked_ns;
    uint64_t *now_ns;
    uint32_t wake_count;
    enum err answer;
};

static enum err still_wait(struct io *io, uint64_t timeout_ns)
{
    struct still_io *still = container_of(io, struct still_io, io);

    still->asked_ns = timeout_ns;
    if (timeout_ns != UINT64_MAX)
        *still->now_ns += timeout_ns;
    return still->answer;
}

static void still_wake(struct io *io)
{
    container_of(io, struct still_io, io)->wake_count++;
}

static const struct io_vtable still_vtable = {.wait = still_wait, .wake = still_wake};

static uint64_t now_ns;
static struct clock hand_clock;
static struct still_io still;
static struct loop loop;
static char story[64]; /* a letter for each thing that happened */

static uint64_t hand_mono_ns(struct clock *clock)
{
    return now_ns;
}

static void note(char letter)
{
    size_t size = strlen(story);

    story[size] = letter;
    story[size + 1] = '\0';
}

static void setup(void)
{
    now_ns = 5000000000U;
    hand_clock.mono_ns = hand_mono_ns;
    still = (struct still_io){.io = {.v = &still_vtable}, .now_ns = &now_ns};
    list_init(&still.io.completed);
    loop_init(&loop, 3, &still.io, &hand_clock);
    story[0] = '\0';
}

static struct task task, second_task;
static struct mail mail;
static struct timer timer;
static struct io_op op;

static void on_task(struct task *t)
{
    note('t');
}

static void on_mail(struct mail *m)
{
    note('m');
}

static void on_timer(struct timer *t)
{
    note('w');
}

static void on_done(struct io_op *o, int32_t result)
{
    cr_assert(not(o->in_flight));
    cr_assert(eq(i32, result, 17));
    note('d');
}

static void complete_op(void)
{
    op = (struct io_op){.done = on_done, .result = 17, .in_flight = true};
    list_push_back(&still.io.completed, &op.node);
}

Test(loop, runs_completions_then_timers_then_mail_then_tasks, .init = setup)
{
    task.run = on_task;
    loop_defer(&loop, &task);
    mail.deliver = on_mail;
    loop_post(&loop, &mail);
    timer_init(&timer, on_timer);
    loop_set_timer_ms(&loop, &timer, 1);
    now_ns += 10000000;
    complete_op();
    cr_assert(eq(int, loop_turn(&loop, UINT64_MAX), OK));
    cr_assert(eq(str, story, "dwmt"));
    cr_assert(eq(u64, loop.turn_count, 1));
    cr_assert(eq(u64, loop_now_ns(&loop), now_ns));
}

static void post_and_defer(struct io_op *o, int32_t result)
{
    note('d');
    loop_post(&loop, &mail);
    loop_defer(&loop, &task);
    loop_defer(&loop, &task); /* stays where it is */
}

Test(loop, what_a_completion_posts_and_defers_happens_in_the_same_turn, .init = setup)
{
    task.run = on_task;
    mail.deliver = on_mail;
    complete_op();
    op.done = post_and_defer;
    cr_assert(eq(int, loop_turn(&loop, 0), OK));
    cr_assert(eq(str, story, "dmt"));
}

static void defer_again(struct task *t)
{
    note('a');
    if (strlen(story) < 3)
        loop_defer(&loop, t);
}

Test(loop, a_task_deferred_by_a_task_runs_in_the_next_turn_which_does_not_sleep, .init = setup)
{
    task.run = defer_again;
    second_task.run = on_task;
    loop_defer(&loop, &task);
    loop_defer(&loop, &second_task);
    cr_assert(eq(int, loop_turn(&loop, UINT64_MAX), OK));
    cr_assert(eq(str, story, "at"));
    cr_assert(eq(int, loop_turn(&loop, UINT64_MAX), OK));
    cr_assert(eq(u64, still.asked_ns, 0));
    cr_assert(eq(str, story, "ata"));
    cr_assert(eq(int, loop_turn(&loop, UINT64_MAX), OK));
    cr_assert(eq(u64, still.asked_ns, UINT64_MAX)); /* nothing left to do */
    cr_assert(eq(str, story, "ata"));
}

Test(loop, sleeps_until_the_next_timer_but_no_longer_than_allowed, .init = setup)
{
    timer_init(&timer, on_timer);
    loop_set_timer_ms(&loop, &timer, 20);
    cr_assert(eq(int, loop_turn(&loop, 3000000), OK));
    cr_assert(eq(u64, still.asked_ns, 3000000));
    for (int turns = 0; timer_is_set(&timer); turns++) {
        cr_assert(lt(int, turns, 5));
        cr_assert(eq(int, loop_turn(&loop, UINT64_MAX), OK));
        cr_assert(le(u64, still.asked_ns, 20000000));
    }
    cr_assert(eq(str, story, "w"));
    cr_assert(ge(u64, now_ns, 5020000000U));
    cr_assert(lt(u64, now_ns, 5022000000U));
}

Test(loop, does_not_sleep_with_mail_and_wakes_the_io_once_for_several, .init = setup)
{
    struct mail other = {.deliver = on_mail};

    mail.deliver = on_mail;
    loop_post(&loop, &mail);
    loop_post(&loop, &other);
    cr_assert(eq(u32, still.wake_count, 1));
    cr_assert(eq(int, loop_turn(&loop, UINT64_MAX), OK));
    cr_assert(eq(u64, still.asked_ns, 0));
    cr_assert(eq(str, story, "mm"));
}

static void post_itself(struct mail *m)
{
    note('p');
    if (strlen(story) < 2)
        loop_post(&loop, m);
}

Test(loop, a_mail_may_post_itself_from_its_delivery, .init = setup)
{
    mail.deliver = post_itself;
    loop_post(&loop, &mail);
    cr_assert(eq(int, loop_turn(&loop, 0), OK));
    cr_assert(eq(str, story, "p"));
    cr_assert(eq(int, loop_turn(&loop, 0), OK));
    cr_assert(eq(str, story, "pp"));
}

static void stop_on_task(struct task *t)
{
    note('s');
    loop_stop(&loop);
}

Test(loop, run_ends_with_the_turn_that_stopped_it_and_can_begin_again, .init = setup)
{
    task.run = stop_on_task;
    for (uint64_t i = 1; i <= 2; i++) {
        loop_defer(&loop, &task);
        cr_assert(eq(int, loop_run(&loop), OK));
        cr_assert(eq(u64, loop.turn_count, i));
    }
    cr_assert(eq(str, story, "ss"));
}

Test(loop, a_failed_wait_ends_run_with_its_error, .init = setup)
{
    still.answer = ERR_IO;
    cr_assert(eq(int, loop_run(&loop), ERR_IO));
}

/* ---- two loops on rings, each in a thread, throwing one mail to and fro */

enum { THROW_COUNT = 2000 };

struct player {
    struct io *io;
    struct loop loop;
    pthread_t thread;
    enum err result;
};

static struct player players[2];
static struct clock real_clock;
static struct mail ball;
static uint32_t thrown;

static void stop_player(struct mail *m)
{
    loop_stop(&players[0].loop);
}

static struct mail stop_mail = {.deliver = stop_player};

static void catch_ball(struct mail *m)
{
    uint32_t other = ++thrown % 2;

    if (thrown == THROW_COUNT) {
        loop_post(&players[0].loop, &stop_mail);
        loop_stop(&players[1].loop);
    } else {
        loop_post(&players[other].loop, m);
    }
}

static void *play(void *argument)
{
    struct player *player = argument;

    player->result = loop_run(&player->loop);
    return NULL;
}

Test(loop, two_loops_in_two_threads_exchange_mails_while_sleeping_between, .timeout = 600)
{
    clock_system_init(&real_clock);
    for (int i = 0; i < 2; i++) {
        struct io_uring_options options = {0};

        cr_assert(eq(int, io_uring_create(&options, &players[i].io), OK));
        loop_init(&players[i].loop, (uint32_t)i, players[i].io, &real_clock);
    }
    ball.deliver = catch_ball;
    loop_post(&players[0].loop, &ball); /* to 0: before its thread has begun */
    for (int i = 0; i < 2; i++)
        pthread_create(&players[i].thread, NULL, play, &players[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(players[i].thread, NULL);
    cr_assert(eq(u32, thrown, THROW_COUNT));
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(int, players[i].result, OK));
        loop_deinit(&players[i].loop);
        players[i].io->v->destroy(players[i].io);
    }
}

static void post_stop(int signal_number)
{
    loop_post(&players[0].loop, &stop_mail);
}

Test(loop, a_signal_handler_can_end_a_sleeping_loop, .timeout = 30)
{
    struct io_uring_options options = {0};

    clock_system_init(&real_clock);
    cr_assert(eq(int, io_uring_create(&options, &players[0].io), OK));
    loop_init(&players[0].loop, 0, players[0].io, &real_clock);
    signal(SIGALRM, post_stop);
    ualarm(50000, 0);
    cr_assert(eq(int, loop_run(&players[0].loop), OK));
    players[0].io->v->destroy(players[0].io);
}
