// SPDX-License-Identifier: BSD-3-Clause
// The ordinary life of bullmq queues. Arguments: port, folder with node_modules. Silent if all is
// well.
import assert from "node:assert";
import { createRequire } from "node:module";
import { once } from "node:events";

const require = createRequire(process.argv[3] + "/");
const { Queue, Worker, QueueEvents, FlowProducer } = require("bullmq");
const connection = { host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const jobs = Number(process.env.STET_JOBS ?? 1000);
const ends = [];
const opened = (x) => (ends.push(x), x);

async function until(what, ok) {
  for (let i = 0; i < 2500; i++) {
    if (await ok()) return;
    await new Promise((r) => setTimeout(r, 20));
  }
  throw new Error("waited in vain for " + what);
}

async function manyJobs() {
  const q = opened(new Queue("many", { connection }));
  const seen = new Set();
  await q.addBulk(Array.from({ length: jobs }, (_, i) => ({ name: "n", data: { i } })));
  const w = opened(new Worker("many", async (job) => (seen.add(job.data.i), job.data.i * 2),
    { connection, concurrency: 20 }));
  await until(jobs + " jobs", async () => (await q.getCompletedCount()) === jobs);
  assert.equal(seen.size, jobs);
  await w.close();
}

async function results() {
  const q = opened(new Queue("results", { connection }));
  const events = opened(new QueueEvents("results", { connection }));
  await events.waitUntilReady();
  opened(new Worker("results", async (job) => {
    if (job.name === "bad") throw new Error("as asked");
    await job.updateProgress(50);
    return { sum: job.data.a + job.data.b };
  }, { connection }));
  const good = await q.add("good", { a: 1, b: 2 });
  assert.deepEqual(await good.waitUntilFinished(events, 5000), { sum: 3 });
  const bad = await q.add("bad", {}, { attempts: 2, backoff: { type: "fixed", delay: 20 } });
  await assert.rejects(bad.waitUntilFinished(events, 5000), /as asked/);
  assert.equal((await q.getJob(bad.id)).attemptsMade, 2);
}

async function delayedAndFirst() {
  const q = opened(new Queue("delayed", { connection }));
  const order = [];
  await q.add("late", {}, { delay: 300 });
  await q.add("low", {}, { priority: 10 });
  await q.add("high", {}, { priority: 1 });
  assert.equal(await q.getDelayedCount(), 1);
  opened(new Worker("delayed", async (job) => void order.push(job.name), { connection }));
  await until("delayed jobs", async () => order.length === 3);
  assert.deepEqual(order, ["high", "low", "late"]);
}

async function repeated() {
  const q = opened(new Queue("repeated", { connection }));
  let n = 0;
  opened(new Worker("repeated", async () => void n++, { connection }));
  await q.upsertJobScheduler("tick", { every: 100 }, { name: "tick" });
  await until("three ticks", async () => n >= 3);
  assert.ok(await q.removeJobScheduler("tick"));
}

async function limited() {
  const q = opened(new Queue("limited", { connection }));
  const times = [];
  for (let i = 0; i < 4; i++) await q.add("n", {});
  opened(new Worker("limited", async () => void times.push(Date.now()),
    { connection, limiter: { max: 2, duration: 300 } }));
  await until("limited jobs", async () => times.length === 4);
  assert.ok(times[2] - times[0] >= 200);
}

async function flows() {
  const flow = opened(new FlowProducer({ connection }));
  const q = opened(new Queue("parents", { connection }));
  let sum;
  opened(new Worker("children", async (job) => job.data.v, { connection }));
  opened(new Worker("parents", async (job) => {
    sum = Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0);
  }, { connection }));
  await flow.add({ name: "p", queueName: "parents", children: [1, 2, 3].map((v) =>
    ({ name: "c", data: { v }, queueName: "children" })) });
  await until("the parent", async () => (await q.getCompletedCount()) === 1);
  assert.equal(sum, 6);
}

async function stalled() {
  const q = opened(new Queue("stalled", { connection }));
  const lost = new Worker("stalled", null, { connection, lockDuration: 200 });
  await q.add("n", {});
  await lost.getNextJob("gone"); // takes it and is never heard of again
  let done = 0;
  opened(new Worker("stalled", async () => void done++,
    { connection, stalledInterval: 300, lockDuration: 200 }));
  await until("the stalled job", async () => done === 1);
  await lost.close();
}

async function upkeep() {
  const q = opened(new Queue("upkeep", { connection }));
  await q.add("a", {}, { jobId: "x" });
  await q.add("a", {}, { jobId: "x" });
  assert.equal(await q.getWaitingCount(), 1);
  await q.pause();
  assert.ok(await q.isPaused());
  await q.resume();
  assert.equal(await q.remove("x"), 1);
  await q.addBulk([{ name: "a", data: {} }, { name: "b", data: {} }]);
  await q.drain();
  assert.equal(await q.getWaitingCount(), 0);
  await q.obliterate({ force: true });
}

for (const part of [manyJobs, results, delayedAndFirst, repeated, limited, flows, stalled, upkeep]) await part();
await Promise.all(ends.map((x) => x.close(true)));
process.exit(0);
