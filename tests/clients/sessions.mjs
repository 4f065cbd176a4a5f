// SPDX-License-Identifier: BSD-3-Clause
// Sessions of express kept by connect-redis. Arguments: port, folder with node_modules. Silent if
// all is well.
import assert from "node:assert";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(process.argv[3] + "/");
const express = require("express");
const session = require("express-session");
const { createClient } = require("redis");
const { RedisStore } = require("connect-redis");
const client = createClient({ url: `redis://127.0.0.1:${process.argv[2]}` });
await client.connect();
const store = new RedisStore({ client, prefix: "sess:", ttl: 100 });

const app = express();
app.use(session({ store, secret: "not secret", resave: false, saveUninitialized: false }));
app.get("/count", (q, r) => r.json({ n: (q.session.n = (q.session.n ?? 0) + 1), id: q.sessionID }));
app.get("/look", (q, r) => r.json({ n: q.session.n ?? 0 }));
app.get("/fresh", (q, r) => q.session.regenerate(() => ((q.session.n = 100), r.json({ id: q.sessionID }))));
app.get("/leave", (q, r) => q.session.destroy(() => r.json({})));
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");

async function visit(path, cookie) {
  const r = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers: cookie ? { cookie } : {} });
  assert.equal(r.status, 200);
  return { ...(await r.json()), cookie: r.headers.get("set-cookie")?.split(";")[0] ?? cookie };
}

const first = await visit("/count");
assert.equal(first.n, 1);
assert.equal((await visit("/count", first.cookie)).n, 2);
assert.equal((await visit("/look")).n, 0);
const ttl = await client.ttl("sess:" + first.id);
assert.ok(ttl > 90 && ttl <= 100);
assert.equal(JSON.parse(await client.get("sess:" + first.id)).n, 2);
const fresh = await visit("/fresh", first.cookie);
assert.notEqual(fresh.id, first.id);
assert.equal((await visit("/look", first.cookie)).n, 0);
assert.equal((await visit("/look", fresh.cookie)).n, 100);
const many = await Promise.all(Array.from({ length: 50 }, () => visit("/count")));
assert.equal(new Set(many.map((v) => v.id)).size, 50);
const counts = await Promise.all([store.length(), store.ids(), store.all()].map((p) => p.catch((e) => e)));
assert.equal(counts[0], 51);
assert.equal(counts[1].length, 51);
assert.equal(counts[2].length, 51);
await visit("/leave", fresh.cookie);
assert.equal(await store.length(), 50);
await store.clear();
assert.equal(await store.length(), 0);
server.closeAllConnections();
server.close();
await client.close();
