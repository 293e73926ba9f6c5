package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// produceMain writes values NAME-0, NAME-1, ... and prints `ack PARTITION OFFSET VALUE` for each
// acknowledged one, until its standard input is closed; then it flushes and ends.
func produceMain(bootstrap string, args []string) int {
	flags := flag.NewFlagSet("produce", flag.ExitOnError)
	topic := flags.String("topic", "", "topic")
	who := flags.String("name", "go", "first part of every value")
	rate := flags.Int("rate", 2000, "records a second, at most")
	size := flags.Int("size", 100, "bytes of a value, at least")
	flags.Parse(args)
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.DefaultProduceTopic(*topic),
		kgo.ProducerBatchCompression(kgo.NoCompression()), // the audit reads batches as they are
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(2*time.Millisecond),
		kgo.MaxBufferedRecords(2000), kgo.RecordDeliveryTimeout(60*time.Second),
		kgo.RecordPartitioner(kgo.UniformBytesPartitioner(2000, false, false, nil)),
		kgo.ProducerBatchMaxBytes(16384), kgo.RetryTimeout(50*time.Second))
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	out := bufio.NewWriter(os.Stdout)
	var lock sync.Mutex
	stop := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString(0)
		close(stop)
	}()
	pad := make([]byte, *size)
	for i := range pad {
		pad[i] = '.'
	}
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for n := 0; ; {
		select {
		case <-stop:
			ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
			defer cancel()
			err := client.Flush(ctx)
			lock.Lock()
			defer lock.Unlock()
			fmt.Fprintf(out, "end %d\n", n)
			out.Flush()
			if err != nil {
				fmt.Fprintln(os.Stderr, "flush:", err)
				return 1
			}
			return 0
		case <-pause.C:
			lock.Lock()
			out.Flush()
			lock.Unlock()
		}
		for i := 0; i < *rate/100; i++ {
			value := fmt.Sprintf("%s-%d-", *who, n)
			if len(value) < *size {
				value += string(pad[len(value):])
			}
			n++
			client.Produce(context.Background(), &kgo.Record{Value: []byte(value)},
				func(r *kgo.Record, err error) {
					lock.Lock()
					defer lock.Unlock()
					if err != nil {
						fmt.Fprintf(out, "failed %s %v\n", r.Value, err)
					} else {
						fmt.Fprintf(out, "ack %d %d %s\n", r.Partition, r.Offset, r.Value)
					}
				})
		}
	}
}

// consumeMain reads a topic as a member of a group, prints one line a record
// (`PARTITION OFFSET KEY VALUE`, key and value in base64), commits what it has printed after each
// poll, and ends after -count records or when nothing came for -idle seconds.
func consumeMain(bootstrap string, args []string) int {
	flags := flag.NewFlagSet("consume", flag.ExitOnError)
	topic := flags.String("topic", "", "topic")
	group := flags.String("group", "", "group")
	count := flags.Int("count", 1<<40, "records")
	idle := flags.Int("idle", 20, "seconds")
	committed := flags.Bool("committed", false, "committed records only")
	flags.Parse(args)
	level := kgo.ReadUncommitted()
	if *committed {
		level = kgo.ReadCommitted()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(*group),
		kgo.ConsumeTopics(*topic), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(30*time.Second),
		kgo.FetchMaxPartitionBytes(65536), kgo.FetchIsolationLevel(level))
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	defer client.CloseAllowingRebalance()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for n := 0; n < *count; {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*idle)*time.Second)
		fetches := client.PollRecords(ctx, min(*count-n, 1000))
		cancel()
		records := fetches.Records()
		for _, r := range records {
			fmt.Fprintf(out, "%d %d %s %s\n", r.Partition, r.Offset,
				base64.StdEncoding.EncodeToString(r.Key), base64.StdEncoding.EncodeToString(r.Value))
		}
		n += len(records)
		if len(records) == 0 && errors.Is(fetches.Err0(), context.DeadlineExceeded) {
			return 0
		}
		if err := out.Flush(); err != nil {
			return 1
		}
		if err := commit(client, records); err != nil {
			fmt.Fprintln(os.Stderr, "commit:", err)
			return 3
		}
		client.AllowRebalance()
	}
	return 0
}

// commit tries again while the broker is away.
func commit(client *kgo.Client, records []*kgo.Record) error {
	if len(records) == 0 {
		return nil
	}
	for end := time.Now().Add(80 * time.Second); ; time.Sleep(300 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err := client.CommitRecords(ctx, records...)
		cancel()
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}
