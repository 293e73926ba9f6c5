/* A journal and its marks over a simulated disk that loses, tears and delays: crash after crash,
 * at random moments and in the middle of starting, against the list of what was appended. */
#include "base/mem.h"
#include "storage/dir/marks.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_scan.h"
#include "tests/sim/sim_io.h"
#include "tests/sim/sim_world.h"
#include "tests/support/replay_list.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* What outlives the crashes: the truth. */
static struct {
    uint64_t seed;
    struct prng prng;
    uint64_t appended;  /* groups are numbered by it */
    uint64_t committed; /* told as such, ever */
    uint64_t written;   /* told as such, in this life */
    uint32_t starts;
    uint32_t recoveries_with_groups;
    bool power_lost; /* since that life */
} model;

/* One incarnation. */
struct program {
    struct loop loop;
    struct slab slab;
    struct journal *journal;
    struct marks_writer *writer;
    struct timer tick;
    uint32_t epoch;
    uint64_t sealed; /* to be checkpointed once committed; 0: none */
    bool marking;
    bool attached;
};

static struct program *program;

static const struct uuid topic = {.bytes = "sim"};

static void fill(uint8_t *bytes, uint32_t size_bytes, uint64_t sequence)
{
    for (uint32_t i = 0; i < size_bytes; i++)
        bytes[i] = (uint8_t)(sequence * 7 + i);
}

static uint32_t size_of(uint64_t sequence)
{
    return (uint32_t)(sequence * 2654435761U % 5000);
}

static void append_one(bool relaxed)
{
    uint8_t bytes[5000];
    uint64_t sequence = 0;
    uint64_t guess = journal_seal(program->journal) + 1; /* a group each */
    uint32_t size_bytes = size_of(guess);
    struct journal_entry entry = {.topic_id = topic,
                                  .kind = JOURNAL_APPEND,
                                  .offset = (int64_t)guess,
                                  .end_offset = program->epoch,
                                  .payload_bytes = size_bytes};
    enum err err;

    fill(bytes, size_bytes, guess);
    err = journal_append(program->journal, &entry,
                         &(struct iovec){.iov_base = bytes, .iov_len = size_bytes}, 1, relaxed,
                         NULL, NULL, &sequence);
    if (err)
        return;
    cr_assert(eq(u64, sequence, guess));
    model.appended = sequence;
}

static void on_marked(void *context, enum err err)
{
    struct program *self = context;
    uint64_t sealed = self->sealed;

    self->marking = false;
    self->sealed = 0;
    if (err == OK)
        journal_release(self->journal, sealed);
}

static void checkpoint_if_committed(struct program *self)
{
    struct marks marks = {.recovery_epoch = self->epoch, .first_sequence = self->sealed + 1};

    if (self->sealed == 0 || self->marking ||
        journal_committed_sequence(self->journal) < self->sealed)
        return;
    self->marking = true;
    marks_write(self->writer, &marks, on_marked, self);
}

static void on_written(void *context, uint64_t sequence)
{
    model.written = sequence;
}

static void on_committed(void *context, uint64_t sequence)
{
    cr_assert(le(u64, sequence, model.appended));
    model.committed = sequence;
    checkpoint_if_committed(context);
}

static void on_half_full(void *context)
{
    struct program *self = context;

    if (self->sealed == 0)
        self->sealed = journal_seal(self->journal);
    checkpoint_if_committed(self);
}

static void on_tick(struct timer *timer)
{
    struct program *self = container_of(timer, struct program, tick);
    uint64_t count = prng_below(&model.prng, 4);

    for (uint64_t i = 0; i < count; i++)
        append_one(prng_chance(&model.prng, 1, 3));
    if (prng_chance(&model.prng, 1, 20))
        journal_sync(self->journal);
    if (prng_chance(&model.prng, 1, 50))
        on_half_full(self);
    loop_set_timer_ms(&self->loop, &self->tick, prng_below(&model.prng, 3));
}

/* The run is a prefix of what was appended, with all that was committed. */
static void check_scan(const struct journal_scan *scan, const struct listed_replay *replay,
                       uint64_t first, uint64_t last)
{
    uint8_t expected[5000];
    uint64_t sequence = first;

    cr_assert(ge(u64, last, model.committed),
              "seed %lu: group %lu was committed, the run ends at %lu", model.seed, model.committed,
              last);
    if (!model.power_lost)
        cr_assert(ge(u64, last, model.written), "seed %lu: kill -9 lost a written group",
                  model.seed);
    cr_assert(le(u64, last, model.appended), "seed %lu", model.seed);
    for (; replay != NULL; replay = replay->next, sequence++) {
        uint32_t size_bytes = size_of(sequence);
        cr_assert(eq(u64, (uint64_t)replay->entry.offset, sequence), "seed %lu", model.seed);
        cr_assert(eq(u32, replay->entry.payload_bytes, size_bytes), "seed %lu", model.seed);
        fill(expected, size_bytes, sequence);
        cr_assert(eq(int, memcmp(replay->payload, expected, size_bytes), 0), "seed %lu",
                  model.seed);
    }
    cr_assert(eq(u64, sequence, last + 1), "seed %lu", model.seed);
    cr_assert(eq(u64, journal_scan_stats(scan)->lost_groups, 0), "seed %lu", model.seed);
    model.recoveries_with_groups += last >= first;
}

static enum err open_all(struct io *io)
{
    static const struct journal_events events = {
        .on_written = on_written, .on_committed = on_committed, .on_half_full = on_half_full};
    struct journal_options options = {.dir = "d",
                                      .extent_bytes = 128 << 10,
                                      .max_bytes = 512 << 10,
                                      .group_max_bytes = 32 << 10,
                                      .second_in_flight_bytes = 4 << 10,
                                      .pending_max_bytes = 128 << 10,
                                      .slab = &program->slab};
    struct marks_set *set = NULL;
    struct journal_scan *scan = NULL;
    const struct listed_replay *replay;
    struct marks marks = {0};
    uint64_t first = 1;
    uint64_t last = 0;
    uint64_t generation;
    uint32_t epoch = 0;
    enum err err = io->v->dir_make(io, "d");

    if (err == OK)
        err = io->v->dir_sync(io, "/");
    if (err && err != ERR_EXISTS)
        return err;
    err = marks_load(io, "d", &set);
    if (err)
        return err;
    if (marks_set_of(set, 0) != NULL)
        first = marks_set_of(set, 0)->first_sequence;
    generation = marks_set_generation(set);
    err = journal_scan_open(io, "d", set, &program->slab, 0, &scan);
    if (err) {
        marks_set_free(set);
        return err;
    }
    journal_scan_position(scan, 0, &epoch, &last);
    replay = replay_list_of(scan, &topic, 0, &err);
    if (err == OK)
        check_scan(scan, replay, first, last);
    journal_scan_close(scan);
    if (err) {
        marks_set_free(set);
        return err;
    }
    marks_set_free(set);
    /* what it held counts as durable elsewhere only if the marks get through */
    marks.recovery_epoch = epoch + 1;
    marks.first_sequence = last + 1;
    err = marks_writer_open(&program->loop, "d", 0, generation + 1, &program->writer);
    if (!err)
        err = marks_write_now(program->writer, &marks);
    if (err)
        return err;
    model.appended = last;
    model.committed = last;
    model.written = last;
    model.power_lost = false;
    program->epoch = epoch + 1;
    options.recovery_epoch = epoch + 1;
    options.first_sequence = last + 1;
    options.salt = prng_u64(&model.prng);
    return journal_open(&program->loop, &options, &events, program, &program->journal);
}

static void program_start(struct sim_node *node)
{
    struct io *io = sim_node_io(node, 0);
    enum err err;

    model.starts++;
    program = mem_alloc(sizeof(*program));
    loop_init(&program->loop, 0, io, sim_node_clock(node));
    slab_init(&program->slab, 16 << 20);
    timer_init(&program->tick, on_tick);
    err = open_all(io);
    /* a crash in the middle is the only way to fail */
    cr_assert(err == OK || !sim_node_is_running(node), "seed %lu: start failed: %s", model.seed,
              err_name(err));
    if (err)
        return;
    sim_node_attach(node, 0, &program->loop);
    program->attached = true;
    loop_set_timer_ms(&program->loop, &program->tick, 1);
}

static void program_end(struct sim_node *node, enum sim_crash kind)
{
    model.power_lost = model.power_lost || kind == SIM_POWER_LOSS;
    loop_cancel_timer(&program->loop, &program->tick);
    if (program->attached)
        cr_assert(sim_node_drain(node, 1000), "seed %lu", model.seed);
    journal_close(program->journal);
    marks_writer_close(program->writer);
    loop_cancel_timer(&program->loop, &program->tick);
    slab_deinit(&program->slab);
    loop_deinit(&program->loop);
    mem_free(program);
    program = NULL;
}

static void run(uint64_t seed, enum sim_crash only)
{
    struct sim_world *world;
    struct sim_disk_options disk;
    struct sim_node *node;
    struct prng prng;

    memset(&model, 0, sizeof(model));
    model.seed = seed;
    prng_init(&model.prng, seed);
    prng_fork(&model.prng, "crashes", &prng);
    world = sim_world_create(&(struct sim_world_options){.seed = seed});
    sim_disk_options_init(&disk);
    disk.unit_bytes = seed % 2 == 0 ? 512 : 4096;
    if (seed % 3 == 0) {
        disk.short_write_ppm = 50000;
        disk.short_read_ppm = 50000;
        disk.transient_ppm = 20000;
    }
    disk.refuse_direct = seed % 5 == 0;
    node = sim_node_create(
        world, &(struct sim_node_options){
                   .name = "a", .disk = &disk, .start = program_start, .end = program_end});
    for (uint32_t i = 0; i < 12; i++) {
        enum sim_crash kind = only != SIM_NO_CRASH       ? only
                              : prng_chance(&prng, 1, 2) ? SIM_KILL
                                                         : SIM_POWER_LOSS;
        if (prng_chance(&prng, 1, 3))
            sim_node_crash_at_call(node, 1 + prng_below(&prng, 60), kind);
        sim_node_start(node);
        sim_world_run_for(world, prng_below(&prng, 200) * SIM_MS);
        sim_node_crash(node, kind);
    }
    sim_node_start(node);
    sim_node_crash(node, SIM_KILL);
    cr_assert(lt(u32, 0, model.recoveries_with_groups), "seed %lu", seed);
    cr_assert(eq(u64, sim_world_destroy(world), 0), "seed %lu: memory", seed);
}

TestSuite(journal_sim, .timeout = 100);

Test(journal_sim, every_recovery_is_a_prefix_with_all_that_was_committed)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        run(seed, SIM_NO_CRASH);
}

Test(journal_sim, power_loss_only)
{
    for (uint64_t seed = 1000; seed < 1030; seed++)
        run(seed, SIM_POWER_LOSS);
}
