import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.properties.*;
import org.apache.kafka.server.common.*;
import org.apache.kafka.storage.internals.checkpoint.*;
import org.apache.kafka.storage.internals.epoch.*;
import org.apache.kafka.storage.internals.log.*;

/** Writes, with Apache Kafka's own classes, the files that tests/unit/storage reads. */
public class Generate {
    static Path out;

    static byte[] text(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    /** The records that expect_golden_records() in test_batch_golden.c knows. */
    static void batch(String name, Compression codec, int count) throws Exception {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
        MemoryRecordsBuilder b = new MemoryRecordsBuilder(buffer, (byte) 2, codec,
                TimestampType.CREATE_TIME, 1000L, -1L, 7000L, (short) 3, 2147483600,
                false, false, 5, 1 << 20);
        for (int i = 0; i < count; i++) {
            Header[] headers = i % 5 != 0 ? new Header[0] : new Header[] {
                new RecordHeader("h" + i, text("x")), new RecordHeader("", (byte[]) null)};
            String value = i % 7 == 3 ? null : ("value-" + i + " ").repeat(i % 100);
            b.append(1700000000000L + (i * 37L) % 1000, i % 3 == 1 ? null : text("key-" + i),
                    text(value), headers);
        }
        save(name, b.build().buffer());
    }

    static void save(String name, ByteBuffer bytes) throws Exception {
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        Files.write(out.resolve(name), copy);
    }

    static MemoryRecords data(long offset, long producer, short epoch, int sequence, int count,
                              boolean transactional, long time) {
        SimpleRecord[] records = new SimpleRecord[count];
        for (int i = 0; i < count; i++)
            records[i] = new SimpleRecord(time + i, text("k"), text("v"));
        return transactional
            ? MemoryRecords.withTransactionalRecords((byte) 2, offset, Compression.NONE, producer,
                    epoch, sequence, 0, records)
            : MemoryRecords.withIdempotentRecords((byte) 2, offset, Compression.NONE, producer,
                    epoch, sequence, 0, records);
    }

    static void apply(ProducerStateManager state, MemoryRecords records) {
        for (RecordBatch batch : records.batches()) {
            ProducerAppendInfo info = state.prepareUpdate(batch.producerId(), AppendOrigin.CLIENT);
            info.append(batch, Optional.empty(), (short) 0).ifPresent(txn -> state.completeTxn(txn));
            state.update(info);
            state.updateMapEndOffset(batch.lastOffset() + 1);
        }
    }

    static MemoryRecords marker(long offset, long producer, short epoch, boolean commit, int coordinator) {
        return MemoryRecords.withEndTransactionMarker(offset, 1700000005000L, 0, producer, epoch,
                new EndTransactionMarker(commit ? ControlRecordType.COMMIT : ControlRecordType.ABORT,
                        coordinator));
    }

    static void snapshot(Path dir) throws Exception {
        ProducerStateManager state = new ProducerStateManager(new TopicPartition("t", 0), dir.toFile(),
                900000, new ProducerStateManagerConfig(86400000, false), Time.SYSTEM);
        MemoryRecords[] log = {
            data(0, 10, (short) 0, 0, 3, false, 1700000000000L),
            data(3, 10, (short) 0, 3, 1, false, 1700000001000L),
            data(4, 11, (short) 2, 5, 4, true, 1700000002000L),
            data(8, 12, (short) 1, 0, 2, true, 1700000003000L),
            marker(10, 11, (short) 2, true, 4),
            marker(11, 13, (short) 0, false, 9),
            data(12, 14, (short) 0, 2147483647, 2, false, 1700000004000L),
        };
        ByteBuffer all = ByteBuffer.allocate(1 << 16);
        for (MemoryRecords records : log) {
            apply(state, records);
            all.put(records.buffer().duplicate());
        }
        all.flip();
        save("producers.log", all);
        state.takeSnapshot();
        Files.copy(dir.resolve("00000000000000000014.snapshot"), out.resolve("producers.snapshot"));
    }

    public static void main(String[] arguments) throws Exception {
        out = Path.of(arguments[0]);
        Path dir = Files.createTempDirectory("generate");
        batch("batch_none.bin", Compression.NONE, 40);
        batch("batch_gzip.bin", Compression.gzip().build(), 300);
        batch("batch_snappy.bin", Compression.snappy().build(), 300);
        batch("batch_lz4.bin", Compression.lz4().build(), 300);
        batch("batch_zstd.bin", Compression.zstd().build(), 300);
        save("batch_marker.bin", marker(77, 4242, (short) 9, true, 31).buffer());
        snapshot(dir);

        new CheckpointFile<>(out.resolve("leader-epoch-checkpoint").toFile(), 0,
                LeaderEpochCheckpointFile.FORMATTER)
            .write(List.of(new EpochEntry(0, 0), new EpochEntry(3, 1000), new EpochEntry(7, 5000000000L)));
        OffsetIndex offsets = new OffsetIndex(out.resolve("offsets.index").toFile(), 100, 80);
        offsets.append(105, 4096);
        offsets.append(230, 9000);
        offsets.append(2147483747L, 2147483647);
        offsets.trimToValidSize();
        offsets.close();
        TimeIndex times = new TimeIndex(out.resolve("times.timeindex").toFile(), 100, 120);
        times.maybeAppend(1700000000000L, 105);
        times.maybeAppend(1700000000001L, 105);
        times.maybeAppend(1700000009999L, 300);
        times.trimToValidSize();
        times.close();
        PartitionMetadataFile metadata = new PartitionMetadataFile(
            out.resolve("partition.metadata").toFile(), null);
        metadata.record(Uuid.fromString("AAECAwQFBgcICQoLDA0ODw"));
        metadata.maybeFlush();
        OffsetCheckpointFile checkpoint = new OffsetCheckpointFile(
            out.resolve("recovery-point-offset-checkpoint").toFile(), null);
        java.util.TreeMap<TopicPartition, Long> entries = new java.util.TreeMap<>(
            (a, b) -> a.toString().compareTo(b.toString()));
        entries.put(new TopicPartition("__consumer_offsets", 49), 12L);
        entries.put(new TopicPartition("a.b_c-d", 0), 5000000000L);
        checkpoint.write(entries);
        PropertiesUtils.writePropertiesFile(new MetaProperties.Builder()
            .setVersion(MetaPropertiesVersion.V1).setClusterId("Q-luster_id0123456789A").setNodeId(7)
            .setDirectoryId(Uuid.fromString("AAECAwQFBgcICQoLDA0ODw")).build().toProperties(),
            out.resolve("meta.properties").toString(), false);
        System.exit(0);
    }
}
