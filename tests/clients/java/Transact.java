import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApplicationRecoverableException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Transactional load for the transactional job and the kill audit.
 * pipe HOST:PORT topic=T id=I size=N  key TAB value lines from standard input, N records a
 *     transaction; each fifth transaction is one of records that are marked and aborted
 * copy HOST:PORT from=T to=U group=G id=I  what is committed in one topic, into the other, with
 *     the offsets in the transaction, until it is killed
 * produce HOST:PORT topic=T name=N  small transactions until standard input closes; says
 *     `begin N`, then `committed N`, `aborted N` or `unknown N`
 */
public final class Transact {
    private static final PrintStream OUT =
        new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true);
    /** What tells the values that nobody may ever see. */
    private static final String ABORTED = "aborted:";

    public static void main(String[] args) throws Exception {
        Map<String, String> options = new HashMap<>();
        Arrays.stream(args).skip(2).forEach(a -> options.put(a.split("=", 2)[0], a.split("=", 2)[1]));
        int code = switch (args[0]) {
            case "pipe" -> pipe(args[1], options);
            case "copy" -> copy(args[1], options);
            case "produce" -> produce(args[1], options);
            default -> 2;
        };
        System.exit(code);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** A transactional producer that lives through a broker that is away for a while. */
    private static Producer<byte[], byte[]> producer(String bootstrap, String id) {
        Producer<byte[], byte[]> producer = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap,
            "transactional.id", id, "linger.ms", 2, "delivery.timeout.ms", 80000,
            "request.timeout.ms", 10000, "max.block.ms", 30000L, "reconnect.backoff.max.ms", 300L,
            "transaction.timeout.ms", 60000),
            new ByteArraySerializer(), new ByteArraySerializer());
        try {
            until(producer::initTransactions);
        } catch (RuntimeException error) {
            producer.close(Duration.ZERO);
            throw error;
        }
        return producer;
    }

    /** Calls again what says that it took too long: the documentation asks for that. */
    private static void until(Runnable call) {
        long stop = System.nanoTime() + 90_000_000_000L;
        while (true) {
            try {
                call.run();
                return;
            } catch (TimeoutException | InterruptException late) {
                if (System.nanoTime() > stop) {
                    throw late;
                }
            }
        }
    }

    // ---- the data set in transactions

    private static int pipe(String bootstrap, Map<String, String> options) throws IOException {
        int size = Integer.parseInt(options.getOrDefault("size", "500"));
        String topic = options.get("topic");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        int committed = 0;
        int aborted = 0;
        int again = 0;
        try (Producer<byte[], byte[]> producer = producer(bootstrap, options.get("id"))) {
            for (List<String> lines = read(in, size); !lines.isEmpty(); lines = read(in, size)) {
                if ((committed + aborted) % 5 == 4) {
                    producer.beginTransaction();
                    send(producer, topic, lines, ABORTED);
                    if (aborted % 2 == 0) {
                        producer.flush(); // each second one is aborted with records under way
                    }
                    until(producer::abortTransaction);
                    aborted++;
                }
                while (!commit(producer, topic, lines)) {
                    again++;
                }
                committed++;
            }
        }
        OUT.println("committed " + committed + " aborted " + aborted + " again " + again);
        return 0;
    }

    private static List<String> read(BufferedReader in, int size) throws IOException {
        List<String> lines = new ArrayList<>();
        for (String line; lines.size() < size && (line = in.readLine()) != null;) {
            lines.add(line);
        }
        return lines;
    }

    private static void send(Producer<byte[], byte[]> producer, String topic, List<String> lines,
            String mark) {
        for (String line : lines) {
            int tab = line.indexOf('\t');
            producer.send(new ProducerRecord<>(topic, bytes(line.substring(0, tab)),
                bytes(mark + line.substring(tab + 1))));
        }
    }

    /** False: the transaction was aborted, and is to be made again. */
    private static boolean commit(Producer<byte[], byte[]> producer, String topic, List<String> lines) {
        try {
            producer.beginTransaction();
            send(producer, topic, lines, "");
            until(producer::commitTransaction);
            return true;
        } catch (ApplicationRecoverableException fatal) {
            throw fatal;
        } catch (KafkaException error) {
            System.err.println("abort: " + error);
            until(producer::abortTransaction); // throws when the producer can do no more
            return false;
        }
    }

    // ---- consume, transform, produce

    private static int copy(String bootstrap, Map<String, String> options) {
        Map<String, Object> conf = Map.of("bootstrap.servers", bootstrap,
            "group.id", options.get("group"), "group.instance.id", options.get("id"),
            "enable.auto.commit", false, "auto.offset.reset", "earliest", "max.poll.records", 400,
            "isolation.level", "read_committed", "session.timeout.ms", 30000,
            "reconnect.backoff.max.ms", 300L, "default.api.timeout.ms", 30000);
        int done = 0;
        try (Producer<byte[], byte[]> producer = producer(bootstrap, options.get("id"));
                Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(conf,
                    new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(options.get("from")));
            while (true) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(300));
                if (records.isEmpty()) {
                    continue;
                }
                if (copy(producer, consumer, records, options.get("to"))) {
                    done += records.count();
                    OUT.println("copied " + done);
                } else {
                    rewind(consumer);
                }
            }
        }
    }

    private static boolean copy(Producer<byte[], byte[]> producer, Consumer<byte[], byte[]> consumer,
            ConsumerRecords<byte[], byte[]> records, String to) {
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        try {
            producer.beginTransaction();
            for (ConsumerRecord<byte[], byte[]> r : records) {
                producer.send(new ProducerRecord<>(to, r.key(), r.value()));
                next.put(new TopicPartition(r.topic(), r.partition()),
                    new OffsetAndMetadata(r.offset() + 1));
            }
            producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
            until(producer::commitTransaction);
            return true;
        } catch (ApplicationRecoverableException fatal) {
            throw fatal; // whoever started this starts it again
        } catch (KafkaException error) {
            System.err.println("abort: " + error);
            until(producer::abortTransaction);
            return false;
        }
    }

    /** After an abort: on from what is committed. */
    private static void rewind(Consumer<byte[], byte[]> consumer) {
        consumer.committed(consumer.assignment()).forEach((place, offset) -> {
            if (offset == null) {
                consumer.seekToBeginning(List.of(place));
            } else {
                consumer.seek(place, offset.offset());
            }
        });
    }

    // ---- the kill audit

    private static int produce(String bootstrap, Map<String, String> options) throws Exception {
        AtomicBoolean stop = new AtomicBoolean();
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    continue;
                }
            } catch (IOException gone) {
                // as good as closed
            }
            stop.set(true);
        });
        watch.setDaemon(true);
        watch.start();
        String name = options.get("name");
        Producer<byte[], byte[]> producer = producer(bootstrap, "audit-" + name);
        int n = 0;
        for (; !stop.get(); n++) {
            boolean commit = n % 4 != 3;
            OUT.println("begin " + n);
            try {
                producer.beginTransaction();
                for (int i = 0; i < 6; i++) {
                    producer.send(new ProducerRecord<>(options.get("topic"), i % 3, null,
                        bytes(name + "-" + n + "-" + i)));
                }
                until(commit ? producer::commitTransaction : producer::abortTransaction);
                OUT.println((commit ? "committed " : "aborted ") + n);
            } catch (KafkaException error) {
                OUT.println("unknown " + n + " " + error);
                producer.close(Duration.ZERO);
                producer = producer(bootstrap, "audit-" + name);
            }
        }
        producer.close();
        OUT.println("end " + n);
        return 0;
    }
}
