/* log_codes: every code that a log line may carry, in rising order.
 *
 * No include guard: included by whoever needs the list, with LOG_CODE(code, text, advice) defined.
 *   code    "LVE-" and four digits; never reused, never renumbered.
 *           1xxx process and base, 2xxx storage, 3xxx network, 4xxx topics and metadata,
 *           5xxx groups and transactions, 6xxx access, 7xxx replication, 8xxx tools
 *   text    what happened, one line
 *   advice  cause, effect and next step, as `levee explain` prints it and the manual has it */

LOG_CODE(
    "LVE-1001", "a check of our own code failed and the process stopped",
    "Cause: a defect in levee, or memory damaged by hardware. Effect: the broker ends at once, "
    "so that nothing wrong is written; records acknowledged as durable are safe. Next step: "
    "start it again, keep the log and the core file, and report both.")
LOG_CODE("LVE-1002", "the kernel refused memory and the process stopped",
         "Cause: the machine or the container has less memory than the configured limits add up "
         "to. Effect: the broker ends at once; records acknowledged as durable are safe. Next "
         "step: raise the memory limit or lower the configured ones, then start it again.")
LOG_CODE("LVE-1003", "log lines were suppressed",
         "Cause: one event happened very often. Effect: only some of its lines were written; the "
         "field suppressed has the number of the others, about_code their code. Next step: look "
         "at the lines of that code.")
LOG_CODE(
    "LVE-5001", "the groups of a partition are not served",
    "Cause: a partition of __consumer_offsets is quarantined, or holds a record that cannot be "
    "read or is of a kind that this version does not know (transactional commits). Effect: "
    "its groups are answered COORDINATOR_NOT_AVAILABLE; nothing in it is changed. Next step: "
    "look at the lines about that partition, and at the log with the dump tool; restore it "
    "from a copy, or delete and re-create the topic if its offsets may be lost.")
LOG_CODE(
    "LVE-5003", "a member was not heard of for its session timeout",
    "Cause: the client ended without leaving, is stuck, or cannot reach the broker. Effect: it "
    "is out of its group, whose partitions are dealt out anew. Next step: none if the client "
    "was meant to end; otherwise look at the client, or raise its session.timeout.ms.")
LOG_CODE("LVE-5004", "time passed without a turn of the loop",
         "Cause: the process was stopped, its machine was frozen, or it was without CPU time. "
         "Effect: no member is put out for what it could not say meanwhile; every session begins "
         "anew. Next step: look at the machine if this was not intended.")
LOG_CODE("LVE-5005", "members did not ask for their assignment",
         "Cause: clients joined a group and did not send SyncGroup within the rebalance timeout. "
         "Effect: they are out of the group, which rebalances. Next step: look at those clients.")
LOG_CODE("LVE-5006", "the wall clock jumped: committed offsets do not expire",
         "Cause: the system's clock was set by more than ten minutes. Effect: no committed offset "
         "expires until the clock agrees again with the time that has passed, or the broker is "
         "started anew. Next step: set the clock right; if it is right now, restart when "
         "convenient.")
