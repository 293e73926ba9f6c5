#include "tools/load/load_room.h"

#include "base/clock_system.h"
#include "base/io_choose.h"
#include "base/mem.h"
#include "net/client/client_names.h"

#include <malloc.h>
#include <sys/random.h>

enum { MAPPED_BYTES = 32 << 20, IDLE_BYTES = 128 << 20 };

/* Whoever wakes so much after a deadline was stopped (SIGSTOP, a machine that slept). */
#define STOPPED_NS 1000000000ULL

static void on_deadline(struct timer *timer)
{
    (void)timer; /* the loop has woken */
}

enum err load_room_create(const char *client_id, uint64_t answers_max_bytes, struct load_room **out)
{
    struct load_room *room = mem_try_alloc(sizeof(*room));
    struct io_choice choice;
    uint64_t seed = 0;
    enum err err;

    if (room == NULL)
        return ERR_NOMEM;
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES); /* or pages of each answer are fetched anew */
    mallopt(M_TRIM_THRESHOLD, IDLE_BYTES);
    clock_system_init(&room->clock);
    err = io_choose(IO_WANTED_AUTO, &choice);
    if (err == OK)
        err = io_choice_create(&choice, &room->io);
    if (err != OK) {
        mem_free(room);
        return err;
    }
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed = clock_mono_ns(&room->clock);
    prng_init(&room->prng, seed);
    slab_init_named(&room->slab, "answers", answers_max_bytes);
    loop_init(&room->loop, 0, room->io, &room->clock);
    room->loop.now_ns = clock_mono_ns(&room->clock);
    timer_init(&room->deadline, on_deadline);
    err = client_names_system_create(&room->names);
    room->env = (struct client_env){.loop = &room->loop,
                                    .slab = &room->slab,
                                    .prng = &room->prng,
                                    .names = room->names,
                                    .client_id = client_id};
    if (err != OK) {
        load_room_destroy(room);
        return err;
    }
    *out = room;
    return OK;
}

void load_room_destroy(struct load_room *room)
{
    if (room == NULL)
        return;
    if (room->names != NULL)
        client_names_system_destroy(room->names);
    loop_deinit(&room->loop);
    slab_deinit(&room->slab);
    room->io->v->destroy(room->io);
    mem_free(room);
}

bool load_room_run_until(struct load_room *room, const bool *is_done, uint64_t timeout_ms)
{
    uint64_t until_ns = clock_deadline_ns(clock_mono_ns(&room->clock), timeout_ms);

    timer_set(&room->loop.timers, &room->deadline, until_ns);
    while (!*is_done) {
        uint64_t now_ns = clock_mono_ns(&room->clock);
        if (now_ns >= until_ns && now_ns - until_ns < STOPPED_NS) {
            enum err err = loop_turn(&room->loop, 0); /* what came while nobody looked */
            (void)err;                                /* it is over in any case */
            break;
        }
        if (now_ns >= until_ns) {
            until_ns = clock_deadline_ns(now_ns, timeout_ms);
            timer_set(&room->loop.timers, &room->deadline, until_ns);
        }
        if (loop_turn(&room->loop, LOOP_WAIT_FOREVER) != OK)
            break;
    }
    loop_cancel_timer(&room->loop, &room->deadline);
    return *is_done;
}

void load_room_note_closed(void *context)
{
    *(bool *)context = true;
}
