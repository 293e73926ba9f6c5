/* cleaner_pass_private: a pass as it lies in memory, and its steps across files; for
 * cleaner_pass*.c alone. */
#ifndef LEVEE_STORAGE_CLEANER_CLEANER_PASS_PRIVATE_H
#define LEVEE_STORAGE_CLEANER_CLEANER_PASS_PRIVATE_H

#include "storage/cleaner/cleaner_pass.h"

enum cleaner_phase {
    PHASE_NOTE,   /* what became of transactions */
    PHASE_MAP,    /* which keys are newer */
    PHASE_FILTER, /* what is left, a group at a time */
};

enum cleaner_step {
    STEP_NONE,
    STEP_READ,
    STEP_WORK,
    STEP_WRITE,
    STEP_SYNC,
    STEP_DECIDE,
    STEP_INSTALL
};

struct cleaner_pass {
    struct loop *loop;
    struct log_environment *env; /* not once it is an orphan */
    struct log *log;             /* NULL: it has gone */
    const struct cleaner_pass_events *events;
    void *context;
    struct offload *offload;
    int32_t dir_fd;
    struct cleaner_section section;
    struct store_cleaning cleaning;
    struct cleaner_pass_result result;
    void (*go_on)(struct cleaner_pass *pass); /* with the next slice */
    struct task begin_task;
    struct timer timer; /* until the next slice may be read */
    uint64_t due_ns;
    enum cleaner_phase phase;
    enum cleaner_step step; /* in flight (CPS-1) */
    bool is_orphan;
    bool ignores_transactions; /* none was met yet: nothing was noted */
    /* where it is */
    int64_t segment_base;
    uint64_t generation; /* 0: the segment was not begun */
    uint64_t pos;        /* of the next batch in it */
    uint32_t group_at;   /* of the segment in the group */
    int64_t filter_end;
    /* what is in flight */
    struct io_op io;
    struct log *read_log; /* of the read: lives until that has ended */
    struct segment *read_segment;
    struct offload_job job;
    enum err job_err;
    bool job_met_transactions;
    bool job_is_full; /* of the map, or of the transactions: the phase ends */
    uint64_t job_pos; /* behind the last batch that was looked at */
    uint8_t *in;
    uint32_t in_capacity;
    uint32_t in_bytes;
    uint64_t in_pos; /* of in[0] in the file */
    struct cleaner_bytes out;
    size_t out_done;
    size_t unsynced_bytes;
    struct iovec vec;
    int sync_file;
    /* the rule */
    struct cleaner_map map;
    struct cleaner_transactions transactions;
    struct cleaner_producers producers;
    struct cleaner_batch batch;
    struct cleaner_group group;
    uint64_t group_changed; /* counts.changed_batches before it */
    struct segment *made;   /* nobody's yet */
    int64_t made_base;      /* installed, and still .swap */
};

/* ---- cleaner_pass_end.c */

void cleaner_pass_end_free(struct cleaner_pass *pass);          /* of one that never began */
void cleaner_pass_end(struct cleaner_pass *pass, enum err err); /* nothing is in flight */
/* After each operation.  True: the pass has ended. */
bool cleaner_pass_end_if_told(struct cleaner_pass *pass);

/* ---- cleaner_pass_write.c */

void cleaner_pass_write_next_group(struct cleaner_pass *pass); /* or the end of the pass */
void cleaner_pass_write_out(struct cleaner_pass *pass);        /* what was made, then go on */
void cleaner_pass_write_end_group(struct cleaner_pass *pass);  /* all of it is written: swap it */

#endif
