/* A known instance comes under a new id (KIP-345, KIP-814).
 *
 * In a stable group whose protocol stays the same it keeps its assignment: the new id is recorded,
 * then answered.  When it cannot be recorded, the member is again all that it was. */
#include "broker/coordinator/group_rename.h"

#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_answer.h"
#include "broker/coordinator/group_join.h"
#include "broker/coordinator/group_rebalance.h"
#include "broker/coordinator/group_records.h"

#include <string.h>

struct rename_write {
    struct group_write write; /* once it is begun */
    struct list node;         /* in group.renames */
    struct group *group;
    struct request *request;
    int32_t generation;
    char *new_id;
    char *was_id; /* and what it joined with, before; until it has begun, the new ones */
    struct group_terms was_terms;
    uint64_t counted_bytes; /* of the groups' budget */
};

static void free_rename(struct rename_write *renamed)
{
    group_terms_deinit(&renamed->was_terms);
    mem_free(renamed->was_id);
    mem_free(renamed->new_id);
    mem_free(renamed);
}

/* All the memory that it takes, and nothing has changed (GRP-4).  NULL: there is none. */
static struct rename_write *make_rename(struct group_member *member, struct request *request,
                                        const char *new_id)
{
    struct rename_write *renamed = mem_try_alloc(sizeof(*renamed));

    if (renamed == NULL)
        return NULL;
    renamed->group = member->group;
    renamed->request = request;
    renamed->generation = member->group->generation;
    renamed->new_id = mem_try_strdup(new_id);
    renamed->was_id = mem_try_strdup(new_id);
    if (renamed->new_id != NULL && renamed->was_id != NULL &&
        group_terms_of(&member->group->protocol_names, request, &renamed->was_terms))
        return renamed;
    free_rename(renamed);
    return NULL;
}

static void swap_terms(struct group_member *member, struct rename_write *renamed)
{
    renamed->was_id = group_rename_member(member, renamed->was_id);
    group_swap_terms(member, &renamed->was_terms);
}

/* The member has the new id and terms, and the rename keeps what it was; or the other way round.
 * What is kept is counted meanwhile. */
static void begin(struct group_member *member, struct rename_write *renamed)
{
    renamed->counted_bytes = member->counted_bytes;
    budget_force(renamed->group->budget, renamed->counted_bytes);
    swap_terms(member, renamed);
}

static void end(struct rename_write *renamed)
{
    budget_give(renamed->group->budget, renamed->counted_bytes);
    free_rename(renamed);
}

/* Its answer, unless a rebalance that began meanwhile has answered it, or will. */
static void answer(struct group_member *member, const struct rename_write *renamed,
                   const char *old_id, int16_t error_code)
{
    struct group *group = member->group;
    bool leads = group_is_leader(member);
    bool skips;

    if (member->join != renamed->request)
        return; /* and the request perhaps gone */
    skips = leads && renamed->request->api_version >= 9;
    member->join = NULL;
    if (error_code != KAFKA_NONE) {
        group_touch(member);
        group_refuse_join(renamed->request, error_code, NULL);
    } else if (leads && !skips) { /* as if another were the leader: it must not assign anew */
        group_answer_join(member, renamed->request, old_id, false, false);
    } else {
        group_answer_join(member, renamed->request, group_leader_id(group), leads, skips);
    }
}

/* It has got yet another id, which is being recorded: should that fail too, it is not our new id
 * to which it goes back. */
static void hand_on(struct rename_write *failed)
{
    list_for_each(node, &failed->group->renames)
    {
        struct rename_write *later = container_of(node, struct rename_write, node);
        if (strcmp(later->was_id, failed->new_id) == 0) {
            char *id = later->was_id;
            struct group_terms terms = later->was_terms;
            uint64_t bytes = later->counted_bytes;
            later->was_id = failed->was_id;
            later->was_terms = failed->was_terms;
            later->counted_bytes = failed->counted_bytes;
            failed->was_id = id;
            failed->was_terms = terms;
            failed->counted_bytes = bytes;
            return;
        }
    }
}

static void on_recorded(struct group_write *write, enum err err)
{
    struct rename_write *renamed = container_of(write, struct rename_write, write);
    struct group *group = renamed->group;
    struct group_member *member = group_find(group, wire_string(renamed->new_id));
    bool is_current = group->state == GROUP_STABLE && group->generation == renamed->generation;

    list_remove(&renamed->node);
    if (member != NULL && is_current) {
        const char *old_id = renamed->was_id;
        if (err != OK) {
            swap_terms(member, renamed);
            old_id = member->id;
        }
        answer(member, renamed, old_id, coordinator_record_error(err));
    } else if (member == NULL && err != OK) {
        hand_on(renamed);
    } /* else: the rebalance that began records the new id itself, before anybody is told */
    group_write_end(write);
    end(renamed); /* counts in the group's budget, so before the group may go */
    coordinator_drop_if_idle(group);
}

/* Begin to record the new id.  False: the partition is not served. */
static bool record(struct rename_write *renamed)
{
    struct group *group = renamed->group;

    if (!group_write_begin(&renamed->write, group, on_recorded))
        return false;
    list_push_back(&group->renames, &renamed->node);
    group_records_metadata(&renamed->write, NULL);
    runtime_write_start(&renamed->write.records);
    return true;
}

void group_replace_static(struct group_member *member, struct request *request,
                          const char *member_id)
{
    struct group *group = member->group;
    struct request *sync = member->sync;
    struct request *join = member->join;
    struct rename_write *renamed = make_rename(member, request, member_id);
    const char *vote;

    if (renamed == NULL) {
        group_refuse_join(request, KAFKA_COORDINATOR_LOAD_IN_PROGRESS, NULL);
        return;
    }
    member->sync = NULL;
    member->join = NULL;
    if (sync != NULL)
        group_refuse_sync(sync, KAFKA_FENCED_INSTANCE_ID);
    if (join != NULL)
        group_refuse_join(join, KAFKA_FENCED_INSTANCE_ID, NULL);
    begin(member, renamed);
    group_wait_to_join(member, request);
    vote = group->state == GROUP_STABLE ? group_vote(group) : NULL;
    if (vote != NULL && strcmp(vote, group->protocol) == 0 && record(renamed))
        return;
    end(renamed);
    if (group->state == GROUP_PREPARING)
        group_try_complete(group);
    else
        group_prepare_rebalance(group);
}
