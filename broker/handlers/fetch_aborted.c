/* What a reader of committed data is told to leave out: the aborted transactions that reach into
 * what was read of a part (KIP-98).
 *
 * The walk: fetch_aborted_list counts them (list) → there are some: make_room → list again, into
 * it. Memory: a list counts in the budget of what was read.  The lists of one fetch have a part of
 * that; where they would pass it, less is read: half of the batches, and again, down to one batch,
 * whose list is no longer than there are producers; or nothing of this part, and the next fetch
 * begins with it. */
#include "base/sometimes.h"
#include "broker/handlers/fetch_private.h"
#include "record/batch.h"
#include "storage/log/log_loan.h"

enum { LISTS_PART = 64 }; /* of the budget of what is read, at most, in one fetch */

static struct slab *reads_of(const struct fetch *fetch)
{
    return memory_slab(&fetch->call.target->memory, MEMORY_COLD_READS);
}

static uint64_t list_bytes(const struct log_aborted *aborted)
{
    return (uint64_t)aborted->count * sizeof(struct aborted_transaction);
}

/* ---- what was read */

/* The next batch of what was read, whole; its header is right, as log_read gave it out. */
static uint32_t parse(const uint8_t *bytes, uint32_t size_bytes, struct batch_header *out)
{
    return batch_parse_header(bytes, size_bytes, out) == OK && out->size_bytes <= size_bytes
               ? out->size_bytes
               : size_bytes;
}

static int64_t first_offset(const struct log_read *read)
{
    struct batch_header header = {.base_offset = read->offset};

    if (read->loan != NULL)
        (void)parse(read->loan->parts[0].bytes, read->loan->parts[0].size_bytes, &header);
    else
        (void)parse(read->bytes, read->size_bytes, &header);
    return header.base_offset;
}

/* Nothing of it is given out. */
static void drop(struct fetch *fetch, uint64_t need_bytes)
{
    buf_unref(fetch->aborted_buf);
    fetch->aborted_buf = NULL;
    partition_read_release(&fetch->read);
    fetch->read = (struct log_read){.need_bytes = need_bytes};
}

static bool shorten_loan(struct fetch *fetch)
{
    struct log_read *read = &fetch->read;
    struct batch_header header = {.base_offset = 0};

    if (fetch->loan_count < 2)
        return false;
    fetch->loan_count /= 2;
    read->size_bytes = 0;
    for (uint32_t i = 0; i < fetch->loan_count; i++)
        read->size_bytes +=
            parse(read->loan->parts[i].bytes, read->loan->parts[i].size_bytes, &header);
    read->end_offset = batch_last_offset(&header) + 1;
    return true;
}

/* The first half of its batches, by their bytes.  False: it is one. */
static bool shorten(struct fetch *fetch)
{
    struct log_read *read = &fetch->read;
    struct batch_header header = {.base_offset = 0};
    uint32_t size_bytes;

    if (read->loan != NULL)
        return shorten_loan(fetch);
    size_bytes = parse(read->bytes, read->size_bytes, &header);
    if (size_bytes == read->size_bytes)
        return false;
    read->end_offset = batch_last_offset(&header) + 1;
    for (;;) {
        uint32_t more = parse(read->bytes + size_bytes, read->size_bytes - size_bytes, &header);
        if (size_bytes + more > read->size_bytes / 2)
            break;
        size_bytes += more;
        read->end_offset = batch_last_offset(&header) + 1;
    }
    read->size_bytes = size_bytes;
    return true;
}

/* ---- its list */

static void on_listed(struct log_aborted *aborted, enum err err);

/* To be asked for, into buf; NULL: how many are there? */
static void prepare(struct fetch *fetch, struct buf *buf, uint32_t max)
{
    buf_unref(fetch->aborted_buf);
    fetch->aborted_buf = buf;
    fetch->aborted = (struct log_aborted){.from = first_offset(&fetch->read),
                                          .bound = fetch->read.end_offset,
                                          .out = buf == NULL ? NULL : (void *)buf->bytes,
                                          .max = max,
                                          .done = on_listed};
}

/* Less was read: how many are there now?  False: it is one batch. */
static bool count_less(struct fetch *fetch)
{
    if (!shorten(fetch))
        return false;
    SOMETIMES("fetch: less was read for want of room for what was aborted in it", true);
    prepare(fetch, NULL, 0);
    return true;
}

/* ERR_FULL: they are to be asked for again, with this room or of less that was read. */
static enum err make_room(struct fetch *fetch)
{
    struct slab *reads = reads_of(fetch);
    uint32_t count = fetch->aborted.count;
    uint64_t bytes = list_bytes(&fetch->aborted);
    bool is_much = fetch->aborted_bytes + bytes > reads->budget.max_bytes / LISTS_PART;
    struct buf *buf = NULL;

    fetch->lists_are_full |= is_much; /* the others would only be counted for nothing */
    fetch->must_answer |= is_much;
    if (is_much && count_less(fetch))
        return ERR_FULL;
    if (is_much && fetch->total_bytes > 0) {
        drop(fetch, 0);
        return OK;
    }
    if (bytes <= UINT32_MAX)
        buf = buf_create(reads, (uint32_t)bytes, _Alignof(struct aborted_transaction));
    if (buf != NULL)
        prepare(fetch, buf, count);
    else if (!count_less(fetch)) {
        drop(fetch, bytes);
        return ERR_NOMEM;
    }
    return ERR_FULL;
}

/* They were listed, or counted.  ERR_FULL: once more. */
static enum err take(struct fetch *fetch, enum err err)
{
    if (err != OK)
        drop(fetch, 0);
    else if (fetch->aborted.count > fetch->aborted.max)
        err = make_room(fetch);
    else if (fetch->aborted_buf != NULL)
        fetch->aborted_bytes += list_bytes(&fetch->aborted);
    return err;
}

static enum err ask(struct fetch *fetch, struct partition *partition)
{
    enum err err;

    do {
        err = partition_read_aborted(partition, &fetch->aborted);
        if (err == ERR_AGAIN)
            return ERR_AGAIN;
        err = take(fetch, err);
    } while (err == ERR_FULL); /* ever less was read, or there is room for as many as there are */
    return err;
}

static void on_listed(struct log_aborted *aborted, enum err err)
{
    struct fetch *fetch = container_of(aborted, struct fetch, aborted);
    struct partition *partition = fetch_round_partition(fetch);

    err = take(fetch, partition == NULL && err == OK ? ERR_NOT_FOUND : err);
    if (err == ERR_FULL)
        err = ask(fetch, partition);
    if (err != ERR_AGAIN)
        fetch_round_aborted(fetch, err);
}

enum err fetch_aborted_list(struct fetch *fetch, struct partition *partition)
{
    prepare(fetch, NULL, 0);
    return ask(fetch, partition);
}
