/* OffsetFetch (key 9; KIP-447, 709): each group is asked on its shard, into memory of the piece's
 * own, and the answer is put together at home. */
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_route.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/scatter.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_offset_fetch.h"

#include <stdlib.h>
#include <string.h>

typedef struct offset_fetch_response_topics answered_topic;
typedef struct offset_fetch_response_partitions answered_partition;

struct fetch_piece {
    struct scatter_piece piece;
    struct arena arena; /* the group's shard writes here, not into the request's */
    bool by_id;
    bool too_large; /* the answer does not fit in the arena */
    const struct offset_fetch_request_group *asked;
    struct offset_fetch_response_group answer;
};

struct offset_fetch {
    struct scatter scatter;
    struct request *request;
    struct fetch_piece *pieces;
    int32_t count;
};

/* A copy in the piece's memory; null when there is none left. */
static struct wire_string keep(struct fetch_piece *piece, const void *text, size_t size_bytes)
{
    char *copy = arena_strndup(&piece->arena, text, size_bytes);

    piece->too_large = piece->too_large || copy == NULL;
    return (struct wire_string){copy, copy == NULL ? 0 : (int32_t)size_bytes};
}

/* NULL when there is no memory left; *count_out is what was got. */
static void *new_array(struct fetch_piece *piece, const struct struct_desc *element, int32_t count,
                       int32_t *count_out)
{
    void *items = codec_new_array(element, &piece->arena, count < 0 ? 0 : (size_t)count);

    piece->too_large = piece->too_large || items == NULL;
    *count_out = items == NULL || count < 0 ? 0 : count;
    return items;
}

/* offset NULL: none was committed (G4). */
static void fill_offset(struct fetch_piece *piece, const struct group_offset *offset, int32_t index,
                        answered_partition *out)
{
    out->partition_index = index;
    out->committed_offset = -1;
    out->committed_leader_epoch = -1;
    out->metadata = wire_string("");
    if (offset == NULL)
        return;
    out->committed_offset = offset->offset;
    out->committed_leader_epoch = offset->leader_epoch;
    if (offset->metadata.size_bytes > 0)
        out->metadata = keep(piece, offset->metadata.bytes, (size_t)offset->metadata.size_bytes);
}

static void fill_asked(struct fetch_piece *piece, const struct shard *at, const struct group *group)
{
    piece->answer.topics.items = new_array(piece, &offset_fetch_response_topics_struct,
                                           piece->asked->topics.count, &piece->answer.topics.count);
    for (int32_t t = 0; t < piece->answer.topics.count; t++) {
        const struct offset_fetch_request_topics *asked = &piece->asked->topics.items[t];
        answered_topic *out = &piece->answer.topics.items[t];
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
        for (int32_t p = 0; p < out->partitions.count; p++) {
            const char *known = !piece->by_id ? name : topic == NULL ? NULL : topic->name;
            int32_t index = asked->partition_indexes.items[p];
            fill_offset(piece,
                        group == NULL || known == NULL ? NULL
                                                       : group_find_offset(group, known, index),
                        index, &out->partitions.items[p]);
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
    answered_topic *topic = &piece->answer.topics.items[piece->answer.topics.count];
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
        fill_offset(piece, offsets[i], offsets[i]->partition, &topic->partitions.items[i]);
    piece->answer.topics.count++;
    return own;
}

/* Everything that the group has, by rising topic and partition. */
static void fill_all(struct fetch_piece *piece, const struct shard *at, const struct group *group)
{
    uint32_t total = group == NULL ? 0 : (uint32_t)hash_map_count(&group->offsets);
    const struct group_offset **offsets =
        arena_alloc_array(&piece->arena, total, sizeof(const struct group_offset *));
    uint32_t count = 0;
    int32_t filled;
    size_t cursor = 0;

    piece->answer.topics.items =
        new_array(piece, &offset_fetch_response_topics_struct, (int32_t)total, &filled);
    piece->answer.topics.count = 0;
    if (offsets == NULL || filled == 0) {
        piece->too_large = piece->too_large || offsets == NULL;
        return;
    }
    while (count < total)
        offsets[count++] = hash_map_next(&group->offsets, &cursor);
    qsort(offsets, total, sizeof(const struct group_offset *), by_topic);
    for (uint32_t i = 0; i < total;)
        i += fill_topic(piece, at, &offsets[i], total - i);
}

static void ask_group(struct scatter_piece *scattered, struct shard *at)
{
    struct fetch_piece *piece = container_of(scattered, struct fetch_piece, piece);
    struct group *group = coordinator_find(at->groups, piece->asked->group_id);
    int32_t index;

    piece->answer.error_code = coordinator_check(at->groups, piece->asked->group_id, &index);
    if (piece->answer.error_code == KAFKA_NONE && piece->asked->topics.count < 0)
        fill_all(piece, at, group);
    else if (piece->answer.error_code == KAFKA_NONE)
        fill_asked(piece, at, group);
    if (piece->too_large) {
        piece->answer.topics.count = 0;
        piece->answer.error_code = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    scatter_finish(scattered);
}

/* Versions below 8 ask for one group, in other structs. */
static void answer_old(struct offset_fetch *all)
{
    struct request *request = all->request;
    struct offset_fetch_response *response = request->response;
    const struct offset_fetch_response_group *group = &all->pieces[0].answer;
    const struct offset_fetch_request *body = request->body;

    response->error_code = group->error_code;
    if (group->error_code != KAFKA_NONE && request->api_version < 2) {
        /* no place for it but in each partition */
        response->topics.items =
            request_new_array(request, &offset_fetch_response_topic_struct, body->topics.count);
        response->topics.count = body->topics.count;
        for (int32_t t = 0; t < body->topics.count; t++) {
            int32_t count = body->topics.items[t].partition_indexes.count;
            response->topics.items[t].name = body->topics.items[t].name;
            response->topics.items[t].partitions.items =
                request_new_array(request, &offset_fetch_response_partition_struct, count);
            response->topics.items[t].partitions.count = count;
            for (int32_t p = 0; p < count; p++) {
                struct offset_fetch_response_partition *out =
                    &response->topics.items[t].partitions.items[p];
                out->partition_index = body->topics.items[t].partition_indexes.items[p];
                out->committed_offset = -1;
                out->metadata = wire_string("");
                out->error_code = group->error_code;
            }
        }
        request_answer(request);
        return;
    }
    response->topics.items =
        request_new_array(request, &offset_fetch_response_topic_struct, group->topics.count);
    response->topics.count = group->topics.count;
    for (int32_t t = 0; t < group->topics.count; t++) {
        const answered_topic *from = &group->topics.items[t];
        struct offset_fetch_response_topic *to = &response->topics.items[t];
        to->name = from->name;
        to->partitions.items = request_new_array(request, &offset_fetch_response_partition_struct,
                                                 from->partitions.count);
        to->partitions.count = from->partitions.count;
        for (int32_t p = 0; p < from->partitions.count; p++)
            to->partitions.items[p] = (struct offset_fetch_response_partition){
                .partition_index = from->partitions.items[p].partition_index,
                .committed_offset = from->partitions.items[p].committed_offset,
                .committed_leader_epoch = from->partitions.items[p].committed_leader_epoch,
                .metadata = from->partitions.items[p].metadata,
                .error_code = from->partitions.items[p].error_code};
    }
    request_answer(request);
}

static void all_answered(struct scatter *scatter)
{
    struct offset_fetch *all = container_of(scatter, struct offset_fetch, scatter);
    struct request *request = all->request;
    struct offset_fetch_response *response = request->response;

    if (request->api_version < 8) {
        answer_old(all);
        return;
    }
    response->groups.items =
        request_new_array(request, &offset_fetch_response_group_struct, all->count);
    response->groups.count = all->count;
    for (int32_t i = 0; i < all->count; i++)
        response->groups.items[i] = all->pieces[i].answer;
    request_answer(request);
}

static void free_pieces(void *context)
{
    struct offset_fetch *all = context;

    for (int32_t i = 0; i < all->count; i++)
        arena_deinit(&all->pieces[i].arena);
}

/* The one group of an old request in the shape of the new ones. */
static struct offset_fetch_request_group *as_group(struct request *request)
{
    const struct offset_fetch_request *body = request->body;
    struct offset_fetch_request_group *group =
        request_new_array(request, &offset_fetch_request_group_struct, 1);

    group->group_id = body->group_id;
    group->topics.count = body->topics.count;
    group->topics.items =
        request_new_array(request, &offset_fetch_request_topics_struct, body->topics.count);
    for (int32_t t = 0; t < body->topics.count; t++) {
        group->topics.items[t].name = body->topics.items[t].name;
        group->topics.items[t].partition_indexes.items =
            body->topics.items[t].partition_indexes.items;
        group->topics.items[t].partition_indexes.count =
            body->topics.items[t].partition_indexes.count;
    }
    return group;
}

void handle_offset_fetch(struct request *request)
{
    const struct offset_fetch_request *body = request->body;
    struct offset_fetch *all = request_alloc(request, 1, sizeof(*all));
    const struct offset_fetch_request_group *asked =
        request->api_version >= 8 ? body->groups.items : as_group(request);

    all->request = request;
    all->count = request->api_version >= 8 ? body->groups.count : 1;
    all->pieces = request_alloc(request, (size_t)all->count, sizeof(*all->pieces));
    for (int32_t i = 0; i < all->count; i++)
        arena_init(&all->pieces[i].arena, (size_t)1 << 30);
    request_on_release(request, free_pieces, all);
    scatter_begin(&all->scatter, request->home, all_answered);
    for (int32_t i = 0; i < all->count; i++) {
        struct fetch_piece *piece = &all->pieces[i];
        piece->asked = &asked[i];
        piece->by_id = request->api_version >= 10;
        codec_set_struct_defaults(&offset_fetch_response_group_struct, &piece->answer);
        piece->answer.group_id = asked[i].group_id;
        piece->answer.error_code =
            group_may(request, asked[i].group_id, KAFKA_ACL_OPERATION_DESCRIBE);
        if (piece->answer.error_code == KAFKA_NONE)
            scatter_start(&all->scatter, &piece->piece, group_shard(request, asked[i].group_id),
                          ask_group);
    }
    scatter_end(&all->scatter);
}
