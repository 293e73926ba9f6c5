/* Bit rot, at the end of all. */
#include "base/check.h"
#include "tests/sim/scenario_private.h"
#include "tests/sim/sim_image.h"

#include <stdio.h>
#include <string.h>

struct rot {
    uint64_t seen_count; /* logs with something in them */
    uint64_t chosen;
    char path[512];
    uint64_t size_bytes;
};

static void see_log(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    struct rot *rot = context;
    size_t length = strlen(path);

    if (is_dir || size_bytes == 0 || length < 4 || strcmp(path + length - 4, ".log") != 0 ||
        strstr(path, "/t") == NULL)
        return;
    if (rot->seen_count++ != rot->chosen)
        return;
    snprintf(rot->path, sizeof(rot->path), "%s", path);
    rot->size_bytes = size_bytes;
}

static bool never(struct scenario *s)
{
    return s->oracle->garbled;
}

/* A byte of a segment changes while the broker is down or lives; whatever is read then is right, or
 * an error.  What cannot be read is no complaint any more. */
void scenario_rot_run(struct scenario *s)
{
    struct sim_disk *disk = &s->broker.node->disk;
    struct rot rot = {.chosen = UINT64_MAX};
    bool while_down = s->rot.while_down;

    if (oracle_first(s->oracle) != NULL)
        return;
    sim_image_walk(disk, SIM_CACHED, see_log, &rot);
    if (rot.seen_count == 0)
        return;
    rot = (struct rot){.chosen = s->rot.log % rot.seen_count};
    sim_image_walk(disk, SIM_CACHED, see_log, &rot);
    s->oracle->rotten = true;
    if (while_down)
        sim_node_stop(s->broker.node);
    scenario_say(s, "rot in %s", rot.path);
    check(sim_image_flip(disk, rot.path, s->rot.pos % rot.size_bytes,
                         (uint8_t)(1U << s->rot.bit)) == 0);
    if (while_down)
        scenario_lives_start(s);
    model_consumer_audit(scenario_clients_auditor(s));
    scenario_lives_run_until(s, never, 5 * SIM_SECOND);
    if (s->broker.quarantined || !model_consumer_audit_is_done(scenario_clients_auditor(s)))
        sim_mark(MARK_ROT_SEEN);
}
