// What a Node application does with a broker, through kafkajs.
// Usage: node suite.js HOST:PORT [check ...]   (NODE_PATH names the directory of the packages)
'use strict'

const { isDeepStrictEqual } = require('util')
const {
  Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel,
} = require('kafkajs')

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
// its lz4 and zstd codecs need a compiler, so they are not asked for

const [bootstrap, ...only] = process.argv.slice(2)
const tag = 'n' + Date.now().toString(36) + Math.floor(Math.random() * 1e6).toString(36)
const kafka = new Kafka({ clientId: 'kafkajs 2.2.4', brokers: [bootstrap], logLevel: logLevel.NOTHING })
const admin = kafka.admin()
const checks = []
const check = (name, run) => checks.push({ name, run })
const name = (text) => text + '-' + tag
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

function same(got, want, what = 'value') {
  if (!isDeepStrictEqual(got, want)) {
    throw new Error(`${what} is ${JSON.stringify(got)}, should be ${JSON.stringify(want)}`)
  }
}

async function until(what, question, seconds = 40) {
  const end = Date.now() + seconds * 1000
  while (!(await question())) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`)
    await sleep(50)
  }
}

async function fails(type, what) {
  try {
    await what()
  } catch (error) {
    const found = error.type || (error.cause && error.cause.type) || (error.errors && error.errors[0] && error.errors[0].type)
      || (error.originalError && error.originalError.type)
      || (error.groups && error.groups[0].error && error.groups[0].error.type) || String(error)
    same(found, type, 'error')
    return
  }
  throw new Error('no ' + type)
}

async function topic(text, numPartitions = 1, configs = {}) {
  await admin.createTopics({
    topics: [{
      topic: name(text), numPartitions, replicationFactor: -1,
      configEntries: Object.entries(configs).map(([k, value]) => ({ name: k, value })),
    }],
  })
  return name(text)
}

async function send(to, messages, options = {}, conf = {}) {
  const producer = kafka.producer(conf)
  await producer.connect()
  try {
    return await producer.send({ topic: to, messages, ...options })
  } finally {
    await producer.disconnect()
  }
}

const numbers = (from, to, partition = 0) => Array.from({ length: to - from }, (_, i) => (
  { key: String((from + i) % 7), value: String(from + i), partition }))

// Read from the start as a group of one, until `count` records came.
async function read(from, count) {
  const consumer = kafka.consumer({ groupId: name('read-' + from), maxWaitTimeInMs: 200 })
  const found = []
  await consumer.connect()
  await consumer.subscribe({ topic: from, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => { found.push({ partition, ...message }) },
  })
  try {
    await until(count + ' records', () => found.length >= count)
  } finally {
    await consumer.disconnect()
  }
  same(found.length, count, 'number of records')
  return found
}

async function expectNumbers(from, count) {
  const found = await read(from, count)
  same(found.map((m) => m.value.toString()), numbers(0, count).map((m) => m.value), 'values')
  same(found.map((m) => m.offset), numbers(0, count).map((m) => m.value), 'offsets')
}

// ---- topics

const configOf = async (of, key) => {
  const found = await admin.describeConfigs({
    resources: [{ type: ConfigResourceTypes.TOPIC, name: of, configNames: [key] }],
  })
  return found.resources[0].configEntries.find((e) => e.configName === key).configValue
}

check('create_describe_and_delete_a_topic', async () => {
  const made = await topic('admin', 3, { 'retention.ms': '1000000' })
  const found = await admin.fetchTopicMetadata({ topics: [made] })
  same(found.topics[0].partitions.length, 3, 'partitions')
  same(await configOf(made, 'retention.ms'), '1000000')
  await admin.deleteTopics({ topics: [made] })
  await until('topic is gone', async () => !(await admin.listTopics()).includes(made))
})

check('alter_a_topic_config', async () => {
  const made = await topic('alter')
  await admin.alterConfigs({
    resources: [{
      type: ConfigResourceTypes.TOPIC, name: made,
      configEntries: [{ name: 'retention.ms', value: '77000' }],
    }],
  })
  await until('the new value shows', async () => (await configOf(made, 'retention.ms')) === '77000')
})

check('add_partitions', async () => {
  const made = await topic('grow')
  await admin.createPartitions({ topicPartitions: [{ topic: made, count: 3 }] })
  await until('three partitions', async () => (
    (await admin.fetchTopicMetadata({ topics: [made] })).topics[0].partitions.length === 3))
})

check('describe_the_cluster', async () => {
  const found = await admin.describeCluster()
  same(found.brokers.length, 1, 'brokers')
  same(Boolean(found.clusterId), true, 'has a cluster id')
})

check('errors_of_topic_admin', async () => {
  const made = await topic('there')
  same(await admin.createTopics({ topics: [{ topic: made }] }), false, 'made again')
  await fails('INVALID_TOPIC_EXCEPTION', () => admin.createTopics({ topics: [{ topic: 'bad name' }] }))
  await fails('INVALID_REPLICATION_FACTOR', () => admin.createTopics({
    topics: [{ topic: name('x'), replicationFactor: 3 }],
  }))
  await fails('UNKNOWN_TOPIC_OR_PARTITION', () => admin.deleteTopics({ topics: [name('nothing')] }))
})

// ---- records

const CODECS = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
}
for (const [text, compression] of Object.entries(CODECS)) {
  check('produce_and_consume_' + text, async () => {
    const made = await topic(text)
    await send(made, numbers(0, 500), { compression })
    await expectNumbers(made, 500)
  })
}

check('records_of_all_shapes_and_sizes', async () => {
  const made = await topic('shapes', 1, { 'max.message.bytes': '2097152' })
  const all = [
    { key: null, value: null }, { key: Buffer.alloc(0), value: Buffer.alloc(0) },
    { key: Buffer.from('k'), value: null },
    { key: null, value: Buffer.from('v'), headers: { a: ['1', '2'], b: '' } },
  ]
  for (let size = 1; size <= 1 << 20; size *= 4) {
    all.push({ key: Buffer.from('size'), value: Buffer.alloc(size, 'abcdefghijk') })
  }
  for (const message of all) await send(made, [{ ...message, partition: 0 }])
  const found = await read(made, all.length)
  all.forEach((want, i) => {
    same(found[i].key, want.key, 'key ' + i)
    same(found[i].value, want.value, 'value ' + i)
  })
  same(found[3].headers, { a: [Buffer.from('1'), Buffer.from('2')], b: Buffer.alloc(0) }, 'headers')
})

check('a_record_above_the_limit_is_refused', async () => {
  const made = await topic('limit')
  await fails('MESSAGE_TOO_LARGE', () => send(made, [{ value: Buffer.alloc(1200000) }]))
  await send(made, [{ value: Buffer.alloc(1000000) }])
})

for (const acks of [0, 1, -1]) {
  check('acks_' + (acks < 0 ? 'all' : acks), async () => {
    const made = await topic('acks' + acks)
    await send(made, numbers(0, 100), { acks })
    await expectNumbers(made, 100)
  })
}

check('idempotent_producer', async () => {
  const made = await topic('idempotent')
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let n = 0; n < 300; n += 10) {
    const done = await producer.send({ topic: made, messages: numbers(n, n + 10) })
    same(done[0].baseOffset, String(n), 'base offset')
  }
  await producer.disconnect()
  await expectNumbers(made, 300)
})

// ---- groups

// Commits each record before counting it: a commit that a rebalance refuses counts nothing.
async function member(groupId, of, seen, more = {}) {
  const consumer = kafka.consumer({
    groupId, maxWaitTimeInMs: 100, heartbeatInterval: 300, sessionTimeout: 10000, ...more,
  })
  const state = { consumer, partitions: 0 }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    state.partitions = (payload.memberAssignment[of] || []).length
  })
  await consumer.connect()
  await consumer.subscribe({ topic: of, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, isRunning, isStale, resolveOffset, heartbeat }) => {
      if (!isRunning() || isStale() || batch.messages.length === 0) return
      const next = String(Number(batch.lastOffset()) + 1)
      await consumer.commitOffsets([{ topic: of, partition: batch.partition, offset: next }])
      for (const message of batch.messages) seen.push(`${batch.partition}@${message.offset}`)
      resolveOffset(batch.lastOffset())
      await heartbeat()
    },
  })
  return state
}

const committed = async (groupId, of) => {
  const found = await admin.fetchOffsets({ groupId, topics: [of] })
  return found[0].partitions.sort((a, b) => a.partition - b.partition).map((p) => Number(p.offset))
}

check('two_members_rebalance', async () => {
  const made = await topic('rebalance', 4)
  const group = name('rebalance')
  const seen = []
  const produce = async (from, to) => {
    for (let p = 0; p < 4; p++) await send(made, numbers(from, to, p))
  }
  await produce(0, 50)
  const one = await member(group, made, seen)
  await until('the first round', () => seen.length === 200)
  const two = await member(group, made, seen)
  await until('two partitions for each', () => one.partitions === 2 && two.partitions === 2)
  await produce(50, 100)
  await until('the second round', () => seen.length === 400)
  await one.consumer.disconnect()
  await produce(100, 150)
  await until('the third round', () => seen.length === 600)
  await two.consumer.disconnect()
  same(new Set(seen).size, 600, 'different records')
  same(await committed(group, made), [150, 150, 150, 150], 'committed offsets')
})

check('manual_commit_and_resume', async () => {
  const made = await topic('resume')
  const group = name('resume')
  await send(made, numbers(0, 40))
  const first = []
  const one = await member(group, made, first)
  await until('forty records', () => first.length === 40)
  await one.consumer.disconnect()
  await send(made, numbers(40, 100))
  const rest = []
  const two = await member(group, made, rest)
  await until('sixty records', () => rest.length >= 60)
  await two.consumer.disconnect()
  same(rest, numbers(40, 100).map((m) => '0@' + m.value), 'records')
})

check('seek_by_time_and_ends', async () => {
  const made = await topic('time')
  const base = Date.now() - 3600000
  for (let n = 0; n < 10; n++) {
    await send(made, [{ value: String(n), timestamp: String(base + n * 1000), partition: 0 }])
  }
  const at = async (ms) => (await admin.fetchTopicOffsetsByTimestamp(made, base + ms))[0].offset
  same(await at(0), '0')
  same(await at(4500), '5')
  same(await at(9001), '10', 'after the last')
  const ends = await admin.fetchTopicOffsets(made)
  same([ends[0].low, ends[0].high], ['0', '10'], 'ends')
  await admin.setOffsets({
    groupId: name('time'), topic: made, partitions: [{ partition: 0, offset: '5' }],
  })
  const found = []
  const one = await member(name('time'), made, found)
  await until('five records', () => found.length >= 5)
  await one.consumer.disconnect()
  same(found, [5, 6, 7, 8, 9].map((n) => '0@' + n), 'records from the time on')
})

check('latest', async () => {
  const made = await topic('latest')
  await send(made, numbers(0, 5))
  const found = []
  const consumer = kafka.consumer({ groupId: name('latest'), maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic: made, fromBeginning: false })
  let joined = false
  consumer.on(consumer.events.FETCH, () => { joined = true })
  await consumer.run({ eachMessage: async ({ message }) => { found.push(message.offset) } })
  await until('a first fetch', () => joined)
  await send(made, numbers(5, 6))
  await until('the new record', () => found.length > 0)
  await consumer.disconnect()
  same(found, ['5'], 'records')
})

check('delete_records', async () => {
  const made = await topic('cut')
  await send(made, numbers(0, 20))
  await admin.fetchTopicOffsets(made) // it finds no leader of a topic that it has not asked about
  await admin.deleteTopicRecords({ topic: made, partitions: [{ partition: 0, offset: '7' }] })
  same((await admin.fetchTopicOffsets(made))[0].low, '7', 'low watermark')
  same((await read(made, 13)).map((m) => m.offset)[0], '7', 'first offset')
})

check('list_describe_and_delete_groups', async () => {
  const made = await topic('groups')
  const group = name('groups')
  await send(made, numbers(0, 3))
  const found = []
  const one = await member(group, made, found)
  await until('three records', () => found.length === 3)
  const listed = (await admin.listGroups()).groups
  same(listed.some((g) => g.groupId === group), true, 'group is listed')
  const described = (await admin.describeGroups([group])).groups[0]
  same([described.state, described.members.length], ['Stable', 1], 'group')
  await fails('NON_EMPTY_GROUP', () => admin.deleteGroups([group]))
  await one.consumer.disconnect()
  same(await committed(group, made), [3], 'committed')
  await admin.deleteGroups([group])
  await fails('GROUP_ID_NOT_FOUND', () => admin.deleteGroups([group]))
})

// ---- transactions

const transactional = (text) => kafka.producer({
  transactionalId: name(text), idempotent: true, maxInFlightRequests: 1,
})

check('transactions_committed_and_aborted', async () => {
  const made = await topic('turns')
  const producer = transactional('turns')
  await producer.connect()
  const want = []
  for (let n = 0; n < 300; n += 10) {
    const transaction = await producer.transaction()
    await transaction.send({ topic: made, messages: numbers(n, n + 10) })
    if (n % 30 === 10) {
      await transaction.abort()
    } else {
      await transaction.commit()
      want.push(...numbers(n, n + 10).map((m) => m.value))
    }
  }
  await producer.disconnect()
  same((await read(made, want.length)).map((m) => m.value.toString()), want, 'values')
})

check('offsets_in_a_transaction', async () => {
  const made = await topic('offsets')
  const group = name('offsets')
  const producer = transactional('offsets')
  await producer.connect()
  const send = async (offset, end) => {
    const transaction = await producer.transaction()
    await transaction.sendOffsets({
      consumerGroupId: group, topics: [{ topic: made, partitions: [{ partition: 0, offset }] }],
    })
    await transaction[end]()
  }
  const at = async () => (await committed(group, made))[0]
  await send('5', 'commit')
  await until('the offset', async () => (await at()) === 5)
  await send('9', 'abort')
  same(await at(), 5, 'offset after an abort')
  await producer.disconnect()
})

async function main() {
  let failed = 0
  await admin.connect()
  for (const { name: text, run } of checks) {
    if (only.length && !only.includes(text)) continue
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('took longer than a check may')), 90000)
    })
    try {
      await Promise.race([run(), late])
      console.log('ok ' + text)
    } catch (error) {
      failed++
      console.log(`FAIL ${text}: ${String(error).replace(/\s+/g, ' ')}`)
    }
    clearTimeout(timer)
  }
  await admin.disconnect()
  process.exit(failed ? 1 : 0)
}

main()
