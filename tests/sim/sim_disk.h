/* sim_disk: one disk with a file system: names, inodes, faults, and what a crash leaves.
 *
 * One per node; it outlives the node's processes.  All calls act at once, in zero virtual time;
 * sim_io gives them latency with a sim_disk_job.  They return a count or a negative errno value.
 *
 * The persistence model:
 *   SDK-1  file data is kept in two views (sim_file).  A power loss leaves, of the units of 512
 *          bytes (or 4096) written since the file's last successful sync, any subset, new or old;
 *          lost units in never-written space hold zeros or garbage; the length may be ahead of or
 *          behind the data
 *   SDK-2  a successful sync covers the writes whose done had run before it started
 *   SDK-3  a failed sync is reported once; what it covered counts as clean, is perhaps not on disk,
 *       and no later sync brings it there
 *   SDK-4  a dsync write is durable, unit by unit, when it completes; before, any subset of its
 *          units
 *   SDK-5  creations, renames and removals of names since their directory's last sync: any subset
 *          is durable; a rename is one change (the old name may stay beside the new one)
 *   SDK-6  syncfs makes all data and names durable
 *   SDK-7  a killed process loses nothing that the page cache has; a write in flight is applied
 *       wholly, partly or not
 * Where a choice is left, a stream forked from the run's seed chooses. */
#ifndef LEVEE_TESTS_SIM_DISK_H
#define LEVEE_TESTS_SIM_DISK_H

#include "base/clock.h"
#include "base/list.h"
#include "base/prng.h"
#include "tests/sim/sim_file.h"
#include "tests/sim/sim_queue.h"
#include "tests/sim/sim_tree.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum sim_disk_op {
    SIM_READ,
    SIM_WRITE,
    SIM_SYNC,
    SIM_SYNCFS,
    SIM_UNLINK,
    SIM_OPEN, /* a creation too */
    SIM_TRUNCATE,
    SIM_RENAME,
    SIM_DIR_MAKE,
    SIM_DIR_REMOVE,
    SIM_DIR_SYNC,
    SIM_DISK_OP_COUNT
};

/* Nanoseconds, both ends included. */
struct sim_span {
    uint64_t min_ns;
    uint64_t max_ns;
};

/* Rates are millionths of the operations concerned. */
struct sim_disk_options {
    uint32_t unit_bytes;     /* SIM_SECTOR_BYTES (0 too) or SIM_PAGE_BYTES */
    uint64_t capacity_bytes; /* 0: 1 TiB */
    bool refuse_direct;      /* O_DIRECT fails with EINVAL, as on some file systems */
    struct sim_span read_time;
    struct sim_span write_time;
    struct sim_span sync_time; /* dsync writes too */
    struct sim_span stall_time;
    uint32_t stall_ppm;
    uint32_t read_error_ppm;
    uint32_t write_error_ppm;
    uint32_t sync_error_ppm;
    uint32_t space_error_ppm;
    uint32_t other_error_ppm; /* EIO of the calls on names, truncation and creation */
    uint32_t short_read_ppm;
    uint32_t short_write_ppm;
    uint32_t transient_ppm; /* EINTR or EAGAIN of reads and writes */
    uint32_t writeback_ppm; /* see sim_file_write */
    uint32_t evict_ppm;     /* of reads: what a failed sync left in memory is forgotten */
    struct sim_loss loss;
};

/* No faults, short latencies, and the whole persistence model. */
void sim_disk_options_init(struct sim_disk_options *options);

/* Draw unit, latencies, which faults exist at all (each with odds one half), and their rates. */
void sim_disk_options_draw(struct sim_disk_options *options, struct prng *prng);

/* An operation waiting for its turn at the device. */
struct sim_disk_job {
    struct sim_event event;
    struct list node; /* while held */
    struct sim_disk *disk;
    enum sim_disk_op op;
    void (*run)(struct sim_disk_job *job);
};

struct sim_disk {
    struct sim_queue *queue;
    struct clock *clock; /* for modification times */
    uint32_t id;         /* in the hash */
    struct sim_disk_options options;
    struct prng time_prng;
    struct prng fault_prng;
    struct prng image_prng; /* crash images, write-back */
    struct sim_tree tree;
    uint32_t syncfs_count;  /* in flight */
    uint64_t next_write_id; /* never used twice, whatever process writes */
    struct {
        int error; /* 0: none */
        uint64_t skip;
        bool capped;
        uint32_t cap_bytes;
    } planned[SIM_DISK_OP_COUNT];
    uint32_t held_ops; /* bit per sim_disk_op */
    struct list held;  /* of sim_disk_job.node */
    uint64_t stalled_until_ns;
    bool read_only;
    bool settled; /* what is in flight has had its effect, when the process dies (explore_image) */
};

void sim_disk_init(struct sim_disk *disk, uint32_t id, struct sim_queue *queue, struct clock *clock,
                   const struct sim_disk_options *options, const struct prng *seed);
void sim_disk_deinit(struct sim_disk *disk);

/* --- operations.  path: names between slashes, from the root; "." is skipped. --- */

enum sim_open_flags { SIM_OPEN_CREATE = 1, SIM_OPEN_EXCLUSIVE = 2, SIM_OPEN_TRUNCATE = 4 };

/* A file (not a directory); 0 and its inode, which stays until sim_disk_release. */
int sim_disk_open(struct sim_disk *disk, const char *path, uint32_t flags, uint64_t *inode_out);
void sim_disk_retain(struct sim_disk *disk, uint64_t inode);
void sim_disk_release(struct sim_disk *disk, uint64_t inode);

int32_t sim_disk_read(struct sim_disk *disk, uint64_t inode, bool direct, void *bytes,
                      uint32_t size_bytes, uint64_t pos);

struct sim_disk_write {
    const struct iovec *vec;
    uint32_t vec_count;
    uint64_t pos;
    bool direct;
    bool dsync;
    uint64_t write_id; /* see sim_file_write */
};
int32_t sim_disk_write(struct sim_disk *disk, uint64_t inode, const struct sim_disk_write *write);

/* The process dies while the write runs: SDK-7. */
void sim_disk_write_interrupted(struct sim_disk *disk, uint64_t inode,
                                const struct sim_disk_write *write);

typedef bool sim_disk_unfinished_fn(void *context, uint64_t write_id);

/* Begin and end a sync of one inode.  end frees the capture. */
void sim_disk_sync_begin(struct sim_disk *disk, uint64_t inode, sim_disk_unfinished_fn *unfinished,
                         void *context, struct sim_capture *out);
int sim_disk_sync_end(struct sim_disk *disk, uint64_t inode, struct sim_capture *capture);

/* The power goes (or the process dies) meanwhile: some of it is durable.  Frees the capture. */
void sim_disk_sync_interrupted(struct sim_disk *disk, uint64_t inode, struct sim_capture *capture);

struct sim_syncfs {
    struct sim_capture *captures; /* by inode */
    uint64_t count;
    uint64_t change_sequence;
};
void sim_disk_syncfs_begin(struct sim_disk *disk, sim_disk_unfinished_fn *unfinished, void *context,
                           struct sim_syncfs *out);
int sim_disk_syncfs_end(struct sim_disk *disk, struct sim_syncfs *syncfs);
void sim_disk_syncfs_interrupted(struct sim_disk *disk, struct sim_syncfs *syncfs);

int sim_disk_truncate(struct sim_disk *disk, uint64_t inode, uint64_t size_bytes);
uint64_t sim_disk_size(const struct sim_disk *disk, uint64_t inode);
int sim_disk_unlink(struct sim_disk *disk, const char *path);
int sim_disk_rename(struct sim_disk *disk, const char *from, const char *to);
int sim_disk_dir_make(struct sim_disk *disk, const char *path);
int sim_disk_dir_remove(struct sim_disk *disk, const char *path);
int sim_disk_dir_sync(struct sim_disk *disk, const char *path);

/* In an order drawn anew each time. */
int sim_disk_dir_list(struct sim_disk *disk, const char *path,
                      void (*entry)(void *context, const char *name, bool is_dir), void *context);

struct sim_disk_stat {
    uint64_t size_bytes;
    int64_t mtime_ms;
    bool is_dir;
};
int sim_disk_stat(const struct sim_disk *disk, const char *path, struct sim_disk_stat *out);

/* One lock per inode, by an owner that is not 0; -EWOULDBLOCK when another one has it. */
int sim_disk_lock(struct sim_disk *disk, uint64_t inode, uint64_t owner);
void sim_disk_unlock(struct sim_disk *disk, uint64_t inode, uint64_t owner);

uint64_t sim_disk_free_bytes(const struct sim_disk *disk);
uint64_t sim_disk_capacity_bytes(const struct sim_disk *disk);

/* --- time --- */

/* Run job after a latency drawn for op (a stalled or held disk makes it later). */
void sim_disk_submit(struct sim_disk *disk, struct sim_disk_job *job, enum sim_disk_op op,
                     bool dsync, void (*run)(struct sim_disk_job *job));

/* It will not run.  Not submitted is allowed. */
void sim_disk_forget(struct sim_disk *disk, struct sim_disk_job *job);

/* --- crashes; sim_io has interrupted what was in flight --- */

void sim_disk_process_killed(struct sim_disk *disk);
void sim_disk_power_lost(struct sim_disk *disk);

/* --- faults from a test --- */

/* The next operation of that kind (after skip others) fails with errno value error.  A failing
 * write leaves any subset of its bytes when error is EIO; a failing sync follows SDK-3. */
void sim_disk_fail_next(struct sim_disk *disk, enum sim_disk_op op, int error);
void sim_disk_fail_nth(struct sim_disk *disk, enum sim_disk_op op, uint64_t skip, int error);

/* The next read or write moves at most that many bytes. */
void sim_disk_cap_next(struct sim_disk *disk, enum sim_disk_op op, uint32_t size_bytes);

/* Operations of that kind stay in flight until released; then they run in an order by chance. */
void sim_disk_hold(struct sim_disk *disk, enum sim_disk_op op);
void sim_disk_unhold(struct sim_disk *disk, enum sim_disk_op op);

/* Nothing completes for that long. */
void sim_disk_stall(struct sim_disk *disk, uint64_t time_ns);

/* EROFS for whatever would change something. */
void sim_disk_set_read_only(struct sim_disk *disk, bool read_only);

/* No faults by chance or plan any more, nothing is held or stalled; writable again. */
void sim_disk_heal(struct sim_disk *disk);

#endif
