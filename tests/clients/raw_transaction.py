"""A transactional producer by hand, for harnesses that need one transaction in a certain state.

It speaks TV2: a partition is added by writing to it, and each end gives the next epoch.
"""
import time

import raw

RETRIED = {14, 15, 16, 51}  # loading, not available, not the coordinator, concurrent transactions


class Refused(Exception):
    """The broker answered with an error; the text names request and code."""


class Producer:
    def __init__(self, bootstrap, transactional_id, timeout_ms=60000):
        self.id = transactional_id
        self.connection = raw.Connection(bootstrap, timeout_s=30)
        self.again("FindCoordinator", 4, {"KeyType": 1, "CoordinatorKeys": [self.id]},
                   lambda a: a["Coordinators"][0]["ErrorCode"])
        given = self.again("InitProducerId", 5, {"TransactionalId": self.id,
                                                 "TransactionTimeoutMs": timeout_ms})
        self.pid, self.epoch = given["ProducerId"], given["ProducerEpoch"]
        self.sequences = {}

    def again(self, api, version, body, code=lambda a: a["ErrorCode"], seconds=20):
        """Ask until the answer is no error that passes by itself."""
        end = time.monotonic() + seconds
        while True:
            answer = self.connection.ask(api, version, body)
            if code(answer) == 0:
                return answer
            if code(answer) not in RETRIED or time.monotonic() > end:
                raise Refused("%s: error %d" % (api, code(answer)))
            time.sleep(0.02)

    def send(self, topic, *values, partition=0, timestamp=None, codec=None, keys=None):
        """One batch; returns its base offset."""
        sequence = self.sequences.get((topic, partition), 0)
        records = raw.batch(values, timestamp=timestamp or int(time.time() * 1000), attributes=0x10,
                            producer_id=self.pid, producer_epoch=self.epoch, codec=codec, keys=keys,
                            base_sequence=sequence)
        answer = self.again("Produce", 12, {
            "TransactionalId": self.id, "Acks": -1, "TimeoutMs": 10000, "TopicData": [
                {"Name": topic, "PartitionData": [{"Index": partition, "Records": records}]}]},
            lambda a: a["Responses"][0]["PartitionResponses"][0]["ErrorCode"])
        self.sequences[topic, partition] = sequence + len(values)
        return answer["Responses"][0]["PartitionResponses"][0]["BaseOffset"]

    def commit_offset(self, group, topic, offset, partition=0):
        self.again("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [group]},
                   lambda a: a["Coordinators"][0]["ErrorCode"])
        self.again("TxnOffsetCommit", 5, {
            "TransactionalId": self.id, "GroupId": group, "ProducerId": self.pid,
            "ProducerEpoch": self.epoch, "Topics": [{"Name": topic, "Partitions": [
                {"PartitionIndex": partition, "CommittedOffset": offset}]}]},
            lambda a: a["Topics"][0]["Partitions"][0]["ErrorCode"])

    def end(self, commit):
        answer = self.again("EndTxn", 5, {"TransactionalId": self.id, "ProducerId": self.pid,
                                          "ProducerEpoch": self.epoch, "Committed": commit})
        self.pid, self.epoch = answer["ProducerId"], answer["ProducerEpoch"]
        self.sequences = {}

    def state(self):
        found = self.again("DescribeTransactions", 0, {"TransactionalIds": [self.id]},
                           lambda a: a["TransactionStates"][0]["ErrorCode"])
        return found["TransactionStates"][0]["TransactionState"]

    def moved(self, bootstrap):
        """The id's coordinator is there now."""
        self.connection.close()
        self.connection = raw.Connection(bootstrap, timeout_s=30)
        self.again("FindCoordinator", 4, {"KeyType": 1, "CoordinatorKeys": [self.id]},
                   lambda a: a["Coordinators"][0]["ErrorCode"])

    def close(self):
        self.connection.close()
