import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Load for the main job and the kill audit; says the same as go/load.go and load.py.
 * pipe HOST:PORT topic=T            key TAB value lines from standard input, default settings
 * produce HOST:PORT topic=T name=N  counted values until standard input closes; `ack P O VALUE`
 * consume HOST:PORT topic=T group=G [count=N] [idle=S] [isolation=L]  `P O KEY VALUE`, committed
 *     after each poll
 */
public final class Load {
    private static final PrintStream OUT =
        new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false);

    public static void main(String[] args) throws Exception {
        Map<String, String> options = new HashMap<>();
        Arrays.stream(args).skip(2).forEach(a -> options.put(a.split("=", 2)[0], a.split("=", 2)[1]));
        int code = switch (args[0]) {
            case "pipe" -> pipe(args[1], options);
            case "produce" -> produce(args[1], options);
            case "consume" -> consume(args[1], options);
            default -> 2;
        };
        OUT.flush();
        System.exit(code);
    }

    private static BufferedReader input() {
        return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Producer<byte[], byte[]> producer(Map<String, Object> conf) {
        return new KafkaProducer<>(conf, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static int pipe(String bootstrap, Map<String, String> options) throws IOException {
        AtomicLong acked = new AtomicLong();
        AtomicLong failed = new AtomicLong();
        try (Producer<byte[], byte[]> producer = producer(Map.of("bootstrap.servers", bootstrap))) {
            BufferedReader in = input();
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                int tab = line.indexOf('\t');
                producer.send(new ProducerRecord<>(options.get("topic"), bytes(line.substring(0, tab)),
                    bytes(line.substring(tab + 1))), (metadata, error) -> {
                        if (error == null) {
                            acked.incrementAndGet();
                        } else if (failed.incrementAndGet() == 1) {
                            System.err.println(error);
                        }
                    });
            }
        }
        OUT.println("acked " + acked + " failed " + failed);
        return failed.get() == 0 ? 0 : 1;
    }

    private static int produce(String bootstrap, Map<String, String> options) throws Exception {
        int rate = Integer.parseInt(options.getOrDefault("rate", "2000"));
        int size = Integer.parseInt(options.getOrDefault("size", "100"));
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
        long n = 0;
        try (Producer<byte[], byte[]> producer = producer(Map.of("bootstrap.servers", bootstrap,
                "acks", "all", "linger.ms", 2, "batch.size", 4000, "buffer.memory", 4000000L,
                "delivery.timeout.ms", 80000, "request.timeout.ms", 10000,
                "max.block.ms", 80000L, "reconnect.backoff.max.ms", 300L))) {
            while (!stop.get()) {
                for (int i = 0; i < rate / 100 && !stop.get(); i++) {
                    StringBuilder value = new StringBuilder(options.get("name") + "-" + n++ + "-");
                    while (value.length() < size) {
                        value.append('.');
                    }
                    producer.send(new ProducerRecord<>(options.get("topic"), bytes(value.toString())),
                        (metadata, error) -> {
                            synchronized (OUT) {
                                OUT.println(error == null
                                    ? "ack " + metadata.partition() + " " + metadata.offset() + " " + value
                                    : "failed " + value + " " + error);
                            }
                        });
                }
                Thread.sleep(10);
                synchronized (OUT) {
                    OUT.flush();
                }
            }
            producer.flush();
        }
        OUT.println("end " + n);
        return 0;
    }

    private static int consume(String bootstrap, Map<String, String> options) {
        long left = Long.parseLong(options.getOrDefault("count", "1000000000000"));
        long idle = Long.parseLong(options.getOrDefault("idle", "20")) * 1_000_000_000L;
        Base64.Encoder base64 = Base64.getEncoder();
        Map<String, Object> conf = Map.of("bootstrap.servers", bootstrap,
            "group.id", options.get("group"), "enable.auto.commit", false,
            "auto.offset.reset", "earliest", "max.poll.records", 500,
            "session.timeout.ms", 30000, "default.api.timeout.ms", 80000,
            "isolation.level", options.getOrDefault("isolation", "read_uncommitted"));
        try (Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(conf,
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(options.get("topic")));
            long last = System.nanoTime();
            while (left > 0 && System.nanoTime() - last < idle) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(500));
                for (ConsumerRecord<byte[], byte[]> r : records) {
                    OUT.println(r.partition() + " " + r.offset() + " "
                        + base64.encodeToString(r.key() == null ? new byte[0] : r.key()) + " "
                        + base64.encodeToString(r.value()));
                }
                if (!records.isEmpty()) {
                    OUT.flush();
                    consumer.commitSync();
                    left -= records.count();
                    last = System.nanoTime();
                }
            }
        }
        return 0;
    }
}
