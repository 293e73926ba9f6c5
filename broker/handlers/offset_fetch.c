/* OffsetFetch (key 9; KIP-447, 709): each group is asked on its shard, into memory of the piece's
 * own, and the answer is put together at home. */
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_offsets.h"
#include "broker/coordinator/group_route.h"
#include "broker/coordinator/group_scatter.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_offset_fetch.h"

#include <stdlib.h>
#include <string.h>

typedef struct offset_fetch_response_topics answered_topic;
typedef struct offset_fetch_response_partitions answered_partition;

struct offset_fetch {
    struct group_scatter all;
    const struct offset_fetch_request_group *asked; /* count of them */
    struct offset_fetch_response_group *answers;
    int32_t count;
    bool by_id;
    bool require_stable;
};

/* One group that is asked. */
struct fetch_piece {
    struct arena *arena;
    uint32_t cost; /* offsets looked at */
    bool by_id;
    bool require_stable;
    bool too_large; /* the answer does not fit in the arena */
    const struct offset_fetch_request_group *asked;
    struct offset_fetch_response_group *answer;
};

/* A copy in the piece's memory; null when there is none left. */
static struct wire_string keep(struct fetch_piece *piece, const void *text, size_t size_bytes)
{
    char *copy = arena_strndup(piece->arena, text, size_bytes);

    piece->too_large = piece->too_large || copy == NULL;
    return (struct wire_string){copy, copy == NULL ? 0 : (int32_t)size_bytes};
}

/* NULL when there is no memory left; *count_out is what was got. */
static void *new_array(struct fetch_piece *piece, const struct struct_desc *element, int32_t count,
                       int32_t *count_out)
{
    void *items = codec_new_array(element, piece->arena, count < 0 ? 0 : (size_t)count);

    piece->too_large = piece->too_large || items == NULL;
    *count_out = items == NULL || count < 0 ? 0 : count;
    return items;
}

/* Committed, and of a topic that still exists. */
static bool is_told(const struct group_offset *offset, const struct shard *at)
{
    return offset->is_recorded && !group_offset_is_orphan(&offset->value, at->image);
}

/* offset NULL: none was committed (DUR-G4). */
static void fill_offset(struct fetch_piece *piece, const struct shard *at,
                        const struct group_offset *offset, int32_t index, answered_partition *out)
{
    out->partition_index = index;
    out->committed_offset = -1;
    out->committed_leader_epoch = -1;
    out->metadata = wire_string("");
    if (offset == NULL)
        return;
    if (piece->require_stable && group_offset_is_unstable(offset)) {
        out->error_code = KAFKA_UNSTABLE_OFFSET_COMMIT; /* KIP-447, DUR-G5 */
        return;
    }
    if (!is_told(offset, at))
        return;
    out->committed_offset = offset->value.offset;
    out->committed_leader_epoch = offset->value.leader_epoch;
    if (offset->value.metadata.size_bytes > 0)
        out->metadata =
            keep(piece, offset->value.metadata.bytes, (size_t)offset->value.metadata.size_bytes);
}

/* Also what is staged; NULL: nothing. */
static const struct group_offset *find(const struct shard *at, const struct group *group,
                                       const char *topic, int32_t partition)
{
    return group == NULL || topic == NULL
               ? NULL
               : group_find_entry(group, offset_topic_find(at->groups, topic), partition);
}

static void fill_asked(struct fetch_piece *piece, const struct shard *at, const struct group *group)
{
    piece->answer->topics.items =
        new_array(piece, &offset_fetch_response_topics_struct, piece->asked->topics.count,
                  &piece->answer->topics.count);
    for (int32_t t = 0; t < piece->answer->topics.count; t++) {
        const struct offset_fetch_request_topics *asked = &piece->asked->topics.items[t];
        answered_topic *out = &piece->answer->topics.items[t];
        int16_t topic_error;
        const struct image_topic *topic =
            topic_ref_find(at->image, piece->by_id, asked->name, &asked->topic_id, &topic_error);
        char name[256] = "";
        if (!piece->by_id && asked->name.size_bytes < (int32_t)sizeof(name))
            memcpy(name, asked->name.text, (size_t)asked->name.size_bytes);
        out->name = asked->name;
        out->topic_id = asked->topic_id;
        out->partitions.items = new_array(piece, &offset_fetch_response_partitions_struct,
                                          asked->partition_indexes.count, &out->partitions.count);
        piece->cost += (uint32_t)out->partitions.count + 1;
        for (int32_t p = 0; p < out->partitions.count; p++) {
            const char *known = !piece->by_id ? name : topic == NULL ? NULL : topic->name;
            int32_t index = asked->partition_indexes.items[p];
            fill_offset(piece, at, find(at, group, known, index), index, &out->partitions.items[p]);
            if (piece->by_id && topic == NULL)
                out->partitions.items[p].error_code = KAFKA_UNKNOWN_TOPIC_ID;
        }
    }
}

static int by_topic(const void *a, const void *b)
{
    const struct group_offset *const *left = a;
    const struct group_offset *const *right = b;
    int order = strcmp((*left)->topic, (*right)->topic);

    return order != 0 ? order
                      : ((*left)->partition > (*right)->partition) -
                            ((*left)->partition < (*right)->partition);
}

/* The offsets of one topic, which stand together; the number of them. */
static uint32_t fill_topic(struct fetch_piece *piece, const struct shard *at,
                           const struct group_offset *const *offsets, uint32_t count)
{
    const char *name = offsets[0]->topic;
    const struct image_topic *known = image_topic_by_name(at->image, name, strlen(name));
    answered_topic *topic = &piece->answer->topics.items[piece->answer->topics.count];
    uint32_t own = 1;

    while (own < count && strcmp(offsets[own]->topic, name) == 0)
        own++;
    if (piece->by_id && known == NULL)
        return own;
    topic->name = keep(piece, name, strlen(name));
    if (known != NULL)
        topic->topic_id = known->id;
    topic->partitions.items = new_array(piece, &offset_fetch_response_partitions_struct,
                                        (int32_t)own, &topic->partitions.count);
    for (int32_t i = 0; i < topic->partitions.count; i++)
        fill_offset(piece, at, offsets[i], offsets[i]->partition, &topic->partitions.items[i]);
    piece->answer->topics.count++;
    return own;
}

static uint32_t count_topics(const struct group_offset *const *offsets, uint32_t count)
{
    uint32_t topics = 0;

    for (uint32_t i = 0; i < count; i++)
        topics += i == 0 || strcmp(offsets[i - 1]->topic, offsets[i]->topic) != 0;
    return topics;
}

/* Everything that the group has, by rising topic and partition. */
static void fill_all(struct fetch_piece *piece, const struct shard *at, const struct group *group)
{
    uint32_t total = group == NULL ? 0 : group->offset_count;
    const struct group_offset *offset;
    const struct group_offset **offsets =
        arena_alloc_array(piece->arena, total, sizeof(const struct group_offset *));
    uint32_t count = 0;
    int32_t filled;
    size_t cursor = 0;

    piece->too_large = offsets == NULL;
    piece->cost += total;
    if (offsets == NULL || total == 0)
        return;
    while ((offset = group_next_offset(group, &cursor)) != NULL)
        if (is_told(offset, at))
            offsets[count++] = offset;
    qsort(offsets, count, sizeof(const struct group_offset *), by_topic);
    piece->answer->topics.items = new_array(piece, &offset_fetch_response_topics_struct,
                                            (int32_t)count_topics(offsets, count), &filled);
    for (uint32_t i = 0; i < count && filled > 0;)
        i += fill_topic(piece, at, &offsets[i], count - i);
}

static uint32_t ask_group(struct group_scatter_piece *shard_piece, uint32_t index)
{
    const struct offset_fetch *fetch = container_of(shard_piece->all, struct offset_fetch, all);
    struct shard *at = shard_piece->at;
    struct fetch_piece one = {.arena = &shard_piece->arena,
                              .cost = 1,
                              .by_id = fetch->by_id,
                              .require_stable = fetch->require_stable,
                              .asked = &fetch->asked[index],
                              .answer = &fetch->answers[index]};
    struct group *group = coordinator_find(at->groups, one.asked->group_id);
    int32_t partition_index;

    one.answer->error_code = coordinator_check(at->groups, one.asked->group_id, &partition_index);
    if (one.answer->error_code == KAFKA_NONE && one.asked->topics.count < 0)
        fill_all(&one, at, group);
    else if (one.answer->error_code == KAFKA_NONE)
        fill_asked(&one, at, group);
    if (one.too_large) {
        one.answer->topics.count = 0;
        one.answer->error_code = group_scatter_refusal(shard_piece);
    }
    return one.cost;
}

/* Versions below 8 ask for one group, in other structs.  False: there is no memory. */
static bool fill_old(struct offset_fetch *all)
{
    struct request *request = all->all.request;
    struct offset_fetch_response *response = request->response;
    const struct offset_fetch_response_group *group = &all->answers[0];

    response->topics.items =
        request_try_array(request, &offset_fetch_response_topic_struct, group->topics.count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = group->topics.count;
    for (int32_t t = 0; t < group->topics.count; t++) {
        const answered_topic *from = &group->topics.items[t];
        struct offset_fetch_response_topic *to = &response->topics.items[t];
        to->name = from->name;
        to->partitions.items = request_try_array(request, &offset_fetch_response_partition_struct,
                                                 from->partitions.count);
        if (to->partitions.items == NULL)
            return false;
        to->partitions.count = from->partitions.count;
        for (int32_t p = 0; p < from->partitions.count; p++)
            to->partitions.items[p] = (struct offset_fetch_response_partition){
                .partition_index = from->partitions.items[p].partition_index,
                .committed_offset = from->partitions.items[p].committed_offset,
                .committed_leader_epoch = from->partitions.items[p].committed_leader_epoch,
                .metadata = from->partitions.items[p].metadata,
                .error_code = from->partitions.items[p].error_code};
    }
    return true;
}

static void all_answered(struct group_scatter *scattered)
{
    struct offset_fetch *fetch = container_of(scattered, struct offset_fetch, all);
    struct request *request = scattered->request;
    struct offset_fetch_response *response = request->response;

    if (request->api_version >= 8) {
        response->groups.items = fetch->answers;
        response->groups.count = fetch->count;
        request_answer(request);
    } else if (fetch->answers[0].error_code != KAFKA_NONE) {
        request_answer_error(request, fetch->answers[0].error_code, NULL);
    } else if (fill_old(fetch)) {
        request_answer(request);
    } else {
        request_refuse_memory(request);
    }
}

/* The one group of an old request in the shape of the new ones.  NULL: there is no memory. */
static struct offset_fetch_request_group *as_group(struct request *request)
{
    const struct offset_fetch_request *body = request->body;
    struct offset_fetch_request_group *group =
        request_try_array(request, &offset_fetch_request_group_struct, 1);
    struct offset_fetch_request_topics *topics =
        request_try_array(request, &offset_fetch_request_topics_struct, body->topics.count);

    if (group == NULL || topics == NULL)
        return NULL;
    group->group_id = body->group_id;
    group->topics.count = body->topics.count;
    group->topics.items = topics;
    for (int32_t t = 0; t < body->topics.count; t++) {
        topics[t].name = body->topics.items[t].name;
        topics[t].partition_indexes.items = body->topics.items[t].partition_indexes.items;
        topics[t].partition_indexes.count = body->topics.items[t].partition_indexes.count;
    }
    return group;
}

/* False: there is no memory. */
static bool prepare(struct offset_fetch *fetch, struct request *request)
{
    const struct offset_fetch_request *body = request->body;
    bool is_old = request->api_version < 8;

    fetch->asked = is_old ? as_group(request) : body->groups.items;
    fetch->count = is_old ? 1 : body->groups.count;
    fetch->by_id = request->api_version >= 10;
    fetch->require_stable = body->require_stable;
    if (is_old && fetch->asked == NULL)
        return false;
    fetch->answers = request_try_array(request, &offset_fetch_response_group_struct, fetch->count);
    return fetch->answers != NULL &&
           group_scatter_begin(&fetch->all, request, fetch->count, ask_group, all_answered);
}

void handle_offset_fetch(struct request *request)
{
    struct offset_fetch *fetch = request_try_alloc(request, 1, sizeof(*fetch));

    if (fetch == NULL || !prepare(fetch, request)) {
        request_refuse_memory(request);
        return;
    }
    for (int32_t i = 0; i < fetch->count; i++) {
        struct wire_string id = fetch->asked[i].group_id;
        struct offset_fetch_response_group *answer = &fetch->answers[i];
        answer->group_id = id;
        answer->error_code = group_may(request, id, KAFKA_ACL_OPERATION_DESCRIBE);
        if (answer->error_code == KAFKA_NONE)
            answer->error_code = group_scatter_add(&fetch->all, (uint32_t)i, id);
    }
    group_scatter_end(&fetch->all);
}
