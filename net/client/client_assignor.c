#include "net/client/client_assignor.h"

#include <stdlib.h>
#include <string.h>

enum { NOBODY = -1, SEVERAL = -2 };

const char *client_assignor_name(enum client_assignor assignor)
{
    static const char *const names[] = {
        [CLIENT_ASSIGNOR_RANGE] = "range",
        [CLIENT_ASSIGNOR_ROUNDROBIN] = "roundrobin",
        [CLIENT_ASSIGNOR_COOPERATIVE_STICKY] = "cooperative-sticky",
    };

    return names[assignor];
}

struct work {
    const struct client_assignor_group *group;
    uint32_t *order;     /* of members, as Kafka's MemberInfo sorts them */
    uint32_t *first;     /* of each topic: where its partitions begin in owners */
    uint32_t *loads;     /* partitions of each member */
    int32_t *owners;     /* the result */
    int32_t *claimants;  /* who is believed; NOBODY, SEVERAL (of one generation) */
    int32_t *generation; /* of that claim */
    uint32_t partitions_count;
};

/* ---- members in their order: static ones first, by instance id, then by member id */

struct ranked {
    const struct client_assignor_member *member;
    uint32_t index;
};

static int compare_text(const struct wire_string *a, const struct wire_string *b)
{
    size_t shorter = (size_t)(a->size_bytes < b->size_bytes ? a->size_bytes : b->size_bytes);
    int order = memcmp(a->text, b->text, shorter);

    return order != 0 ? order : (a->size_bytes > b->size_bytes) - (a->size_bytes < b->size_bytes);
}

static int by_rank(const void *a, const void *b)
{
    const struct client_assignor_member *one = ((const struct ranked *)a)->member;
    const struct client_assignor_member *other = ((const struct ranked *)b)->member;

    if (one->instance_id.text != NULL && other->instance_id.text != NULL)
        return compare_text(&one->instance_id, &other->instance_id);
    if (one->instance_id.text != NULL || other->instance_id.text != NULL)
        return one->instance_id.text != NULL ? -1 : 1;
    return compare_text(&one->id, &other->id);
}

static enum err rank(struct work *work, struct arena *arena)
{
    uint32_t count = work->group->members_count;
    struct ranked *ranked = arena_alloc_array(arena, count, sizeof(*ranked));

    work->order = arena_alloc_array(arena, count, sizeof(*work->order));
    if (ranked == NULL || work->order == NULL)
        return ERR_NOMEM;
    for (uint32_t m = 0; m < count; m++)
        ranked[m] = (struct ranked){.member = &work->group->members[m], .index = m};
    qsort(ranked, count, sizeof(*ranked), by_rank);
    for (uint32_t m = 0; m < count; m++)
        work->order[m] = ranked[m].index;
    return OK;
}

static bool subscribes(const struct work *work, uint32_t member, uint32_t topic)
{
    return work->group->members[member].subscribes[topic];
}

/* ---- range: RangeAssignor without racks */

static void assign_range(struct work *work)
{
    for (uint32_t t = 0; t < work->group->topics_count; t++) {
        uint32_t partitions = (uint32_t)work->group->topics[t].partitions_count;
        uint32_t next = work->first[t];
        uint32_t readers = 0;
        uint32_t place = 0;
        for (uint32_t m = 0; m < work->group->members_count; m++)
            readers += subscribes(work, m, t);
        for (uint32_t i = 0; i < work->group->members_count; i++) {
            uint32_t member = work->order[i];
            uint32_t share;
            if (!subscribes(work, member, t))
                continue;
            share = partitions / readers + (place++ < partitions % readers);
            while (share-- > 0)
                work->owners[next++] = (int32_t)member;
        }
    }
}

/* ---- roundrobin: RoundRobinAssignor */

static void assign_roundrobin(struct work *work)
{
    uint32_t count = work->group->members_count;
    uint32_t turn = 0;

    for (uint32_t t = 0; t < work->group->topics_count; t++)
        for (int32_t p = 0; p < work->group->topics[t].partitions_count; p++)
            for (uint32_t tried = 0; tried < count; tried++) {
                uint32_t member = work->order[turn];
                turn = (turn + 1) % count;
                if (!subscribes(work, member, t))
                    continue;
                work->owners[work->first[t] + (uint32_t)p] = (int32_t)member;
                break;
            }
}

/* ---- cooperative-sticky */

static void take_claim(struct work *work, uint32_t member, const struct client_assignor_place *of)
{
    int32_t generation = work->group->members[member].generation;
    uint32_t at;

    if (of->topic >= work->group->topics_count || of->partition < 0 ||
        of->partition >= work->group->topics[of->topic].partitions_count)
        return;
    at = work->first[of->topic] + (uint32_t)of->partition;
    if (work->claimants[at] == NOBODY || generation > work->generation[at]) {
        work->claimants[at] = (int32_t)member;
        work->generation[at] = generation;
    } else if (generation == work->generation[at] && work->claimants[at] != (int32_t)member) {
        work->claimants[at] = SEVERAL;
    }
}

static void take_claims(struct work *work)
{
    for (uint32_t m = 0; m < work->group->members_count; m++)
        for (uint32_t i = 0; i < work->group->members[m].owned_count; i++)
            take_claim(work, m, &work->group->members[m].owned[i]);
}

/* Of those who subscribe to it the one with the fewest partitions, the first of several in order;
 * NOBODY. */
static int32_t idlest(const struct work *work, uint32_t topic)
{
    int32_t found = NOBODY;

    for (uint32_t i = 0; i < work->group->members_count; i++) {
        uint32_t member = work->order[i];
        if (subscribes(work, member, topic) &&
            (found == NOBODY || work->loads[member] < work->loads[found]))
            found = (int32_t)member;
    }
    return found;
}

static void give(struct work *work, uint32_t at, int32_t member)
{
    if (work->owners[at] >= 0)
        work->loads[work->owners[at]]--;
    work->owners[at] = member;
    if (member >= 0)
        work->loads[member]++;
}

static void keep_owned(struct work *work)
{
    for (uint32_t t = 0; t < work->group->topics_count; t++)
        for (int32_t p = 0; p < work->group->topics[t].partitions_count; p++) {
            uint32_t at = work->first[t] + (uint32_t)p;
            if (work->claimants[at] >= 0 && subscribes(work, (uint32_t)work->claimants[at], t))
                give(work, at, work->claimants[at]);
        }
}

/* Topics with the fewest readers first: the others can go anywhere later. */
static void give_free(struct work *work)
{
    for (uint32_t readers = 1; readers <= work->group->members_count; readers++)
        for (uint32_t t = 0; t < work->group->topics_count; t++) {
            uint32_t count = 0;
            for (uint32_t m = 0; m < work->group->members_count; m++)
                count += subscribes(work, m, t);
            for (int32_t p = 0; count == readers && p < work->group->topics[t].partitions_count;
                 p++)
                if (work->owners[work->first[t] + (uint32_t)p] < 0)
                    give(work, work->first[t] + (uint32_t)p, idlest(work, t));
        }
}

/* From those who have so many, move to others who can read it and have at least two fewer. */
static bool level_from(struct work *work, uint32_t load)
{
    bool any = false;

    for (uint32_t t = 0; t < work->group->topics_count; t++)
        for (int32_t p = work->group->topics[t].partitions_count - 1; p >= 0; p--) {
            uint32_t at = work->first[t] + (uint32_t)p;
            int32_t owner = work->owners[at];
            int32_t other;
            if (owner < 0 || work->loads[owner] != load)
                continue;
            other = idlest(work, t);
            if (work->loads[other] + 1 >= load)
                continue;
            give(work, at, other);
            any = true;
        }
    return any;
}

/* Those with most give first, so that nobody gives what he then gets back from another.  Where not
 * all read the same, one who has given may take from those above; each move brings two loads nearer
 * to each other, so there is an end. */
static void level(struct work *work)
{
    bool any = true;

    while (any) {
        uint32_t most = 0;
        any = false;
        for (uint32_t m = 0; m < work->group->members_count; m++)
            most = work->loads[m] > most ? work->loads[m] : most;
        for (; most > 1; most--)
            any = level_from(work, most) || any;
    }
}

/* CooperativeStickyAssignor.adjustAssignment: what another member claims is revoked first. */
static void hold_back(struct work *work)
{
    for (uint32_t at = 0; at < work->partitions_count; at++)
        if (work->claimants[at] != NOBODY && work->claimants[at] != work->owners[at])
            work->owners[at] = NOBODY; /* CAS-3 */
}

static void assign_sticky(struct work *work)
{
    take_claims(work);
    keep_owned(work);
    give_free(work);
    level(work);
    hold_back(work);
}

/* ---- */

static enum err prepare(struct work *work, const struct client_assignor_group *group,
                        struct arena *arena)
{
    work->group = group;
    work->first = arena_alloc_array(arena, group->topics_count, sizeof(*work->first));
    if (work->first == NULL)
        return ERR_NOMEM;
    for (uint32_t t = 0; t < group->topics_count; t++) {
        work->first[t] = work->partitions_count;
        work->partitions_count += (uint32_t)group->topics[t].partitions_count;
    }
    work->loads = arena_alloc_array(arena, group->members_count, sizeof(*work->loads));
    work->owners = arena_alloc_array(arena, work->partitions_count, sizeof(*work->owners));
    work->claimants = arena_alloc_array(arena, work->partitions_count, sizeof(*work->claimants));
    work->generation = arena_alloc_array(arena, work->partitions_count, sizeof(*work->generation));
    if (work->loads == NULL || work->owners == NULL || work->claimants == NULL ||
        work->generation == NULL)
        return ERR_NOMEM;
    for (uint32_t at = 0; at < work->partitions_count; at++) {
        work->owners[at] = NOBODY;
        work->claimants[at] = NOBODY;
    }
    return rank(work, arena);
}

enum err client_assignor_run(enum client_assignor assignor,
                             const struct client_assignor_group *group, struct arena *arena,
                             const int32_t **owners_out)
{
    struct work work = {0};
    enum err err = prepare(&work, group, arena);

    if (err != OK)
        return err;
    switch (assignor) {
    case CLIENT_ASSIGNOR_RANGE:
        assign_range(&work);
        break;
    case CLIENT_ASSIGNOR_ROUNDROBIN:
        assign_roundrobin(&work);
        break;
    case CLIENT_ASSIGNOR_COOPERATIVE_STICKY:
        assign_sticky(&work);
        break;
    }
    *owners_out = work.owners;
    return OK;
}
