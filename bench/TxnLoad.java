import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * Transactions as Kafka's own producer makes them, timed: bench_txn.py runs it.
 *
 * <p>TxnLoad BOOTSTRAP TOPIC PARTITIONS ping|txn PRODUCERS SECONDS RECORDS BYTES. ping: one record
 * after the other, each waited for, without a transaction. txn: begin, RECORDS records over the
 * partitions, all of them acknowledged, commit. Prints one line: count, seconds, then p50 and p99 in
 * microseconds of the commit (of the record), and of a transaction from begin to begin.
 */
public final class TxnLoad {
    private static final int WARM_SECONDS = 3;

    private static final class Worker extends Thread {
        final KafkaProducer<byte[], byte[]> producer;
        final String topic;
        final int partitions;
        final int records;
        final byte[] value;
        final boolean transactional;
        final long warmUntil;
        final long until;
        final List<long[]> times = new ArrayList<>();
        Exception failure;

        Worker(String[] args, int index, long start) {
            Properties p = new Properties();
            transactional = args[3].equals("txn");
            p.put("bootstrap.servers", args[0]);
            p.put("acks", "all");
            p.put("linger.ms", "0");
            if (transactional) {
                p.put("transactional.id", "bench-" + args[1] + "-" + index);
            }
            String bytes = "org.apache.kafka.common.serialization.ByteArraySerializer";
            p.put("key.serializer", bytes);
            p.put("value.serializer", bytes);
            producer = new KafkaProducer<>(p);
            topic = args[1];
            partitions = Integer.parseInt(args[2]);
            records = Integer.parseInt(args[6]);
            value = new byte[Integer.parseInt(args[7])];
            warmUntil = start + WARM_SECONDS * 1_000_000_000L;
            until = warmUntil + Long.parseLong(args[5]) * 1_000_000_000L;
        }

        private void note(long begin, long commit, long end) {
            if (begin >= warmUntil) {
                times.add(new long[] {(end - commit) / 1000, (end - begin) / 1000});
            }
        }

        private void ping() throws Exception {
            long begin = System.nanoTime();
            producer.send(new ProducerRecord<>(topic, 0, null, value)).get();
            note(begin, begin, System.nanoTime());
        }

        private void transaction() throws Exception {
            long begin = System.nanoTime();
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            producer.beginTransaction();
            for (int i = 0; i < records; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, i % partitions, null, value)));
            }
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
            long commit = System.nanoTime();
            producer.commitTransaction();
            note(begin, commit, System.nanoTime());
        }

        @Override
        public void run() {
            try {
                if (transactional) {
                    producer.initTransactions();
                }
                while (System.nanoTime() < until) {
                    if (transactional) {
                        transaction();
                    } else {
                        ping();
                    }
                }
            } catch (Exception e) {
                failure = e;
            } finally {
                producer.close();
            }
        }
    }

    private static long at(long[] sorted, double part) {
        return sorted[(int) Math.min(sorted.length - 1, sorted.length * part)];
    }

    public static void main(String[] args) throws Exception {
        long start = System.nanoTime();
        List<Worker> workers = new ArrayList<>();
        for (int i = 0; i < Integer.parseInt(args[4]); i++) {
            workers.add(new Worker(args, i, start));
        }
        for (Worker worker : workers) {
            worker.start();
        }
        List<long[]> all = new ArrayList<>();
        for (Worker worker : workers) {
            worker.join();
            if (worker.failure != null) {
                throw worker.failure;
            }
            all.addAll(worker.times);
        }
        if (all.isEmpty()) {
            throw new IllegalStateException("nothing was done in time");
        }
        long[] commits = all.stream().mapToLong(t -> t[0]).sorted().toArray();
        long[] wholes = all.stream().mapToLong(t -> t[1]).sorted().toArray();
        System.out.println(String.join(" ", Arrays.asList("" + all.size(), args[5],
                "" + at(commits, 0.5), "" + at(commits, 0.99), "" + at(wholes, 0.5),
                "" + at(wholes, 0.99))));
    }
}
