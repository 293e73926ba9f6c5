/* bug_bank: known defects that a test build can put back in, to prove that the tests catch them.
 *
 * All are 0 in every build for use; `meson setup -Dbug=NAME` makes exactly one of them 1.  Code
 * says `if (BUG_ACK_ON_SUBMISSION)`, so every build compiles both ways.  Source: durability.md 4.4.
 */
#ifndef LEVEE_STORAGE_BUG_BANK_H
#define LEVEE_STORAGE_BUG_BANK_H

#ifndef LEVEE_BUG_NO_DIR_FSYNC
#define LEVEE_BUG_NO_DIR_FSYNC 0
#endif
#ifndef LEVEE_BUG_ACK_ON_SUBMISSION
#define LEVEE_BUG_ACK_ON_SUBMISSION 0
#endif
#ifndef LEVEE_BUG_MARK_BEFORE_SYNC
#define LEVEE_BUG_MARK_BEFORE_SYNC 0
#endif
#ifndef LEVEE_BUG_SERVE_BEFORE_SYNC
#define LEVEE_BUG_SERVE_BEFORE_SYNC 0
#endif

enum {
    BUG_NONE,
    BUG_NO_DIR_FSYNC = LEVEE_BUG_NO_DIR_FSYNC, /* a new file's directory is not synced */
    BUG_ACK_ON_SUBMISSION =
        LEVEE_BUG_ACK_ON_SUBMISSION,                   /* committed when the write is handed over */
    BUG_MARK_BEFORE_SYNC = LEVEE_BUG_MARK_BEFORE_SYNC, /* marks are written before the syncfs */
    BUG_SERVE_BEFORE_SYNC = LEVEE_BUG_SERVE_BEFORE_SYNC, /* recovered bytes are served unsynced */
};

#endif
