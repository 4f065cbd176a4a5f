// SPDX-License-Identifier: BSD-3-Clause
// The cluster client of ioredis. Arguments: the ports. Silent if all is well.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.STET_NODE_MODULES + "/x.js");
const Redis = require("ioredis");
const ports = process.argv.slice(2).map(Number);
const at = ports.map((port) => ({ host: "127.0.0.1", port }));

const r = new Redis.Cluster(at);
for (let i = 0; i < 200; i++) await r.set("k" + i, i);
for (let i = 0; i < 200; i++) assert.equal(await r.get("k" + i), String(i));
assert.equal(r.nodes("all").length, ports.length);
const sizes = await Promise.all(r.nodes("master").map((n) => n.dbsize()));
assert.equal(sizes.reduce((a, b) => a + b), 200);
assert.deepEqual(await r.mget("{t}1", "{t}2"), [null, null]);
await assert.rejects(r.mget("k1", "k2"), /CROSSSLOT|slot/);
assert.deepEqual(await r.multi().incr("k0").incr("k0").exec(), [[null, 1], [null, 2]]);
assert.deepEqual(await r.pipeline().get("{t}1").set("{t}2", 1).exec(), [[null, null], [null, "OK"]]);
assert.equal(await r.eval("return redis.call('get', KEYS[1])", 1, "k5"), "5");

const heard = new Redis.Cluster(at);
await heard.subscribe("news");
const said = new Promise((resolve) => heard.on("message", (channel, text) => resolve(channel + " " + text)));
await r.publish("news", "x");
assert.equal(await said, "news x");

const slaves = new Redis.Cluster(at, { scaleReads: ports.length > 1 ? "slave" : "master" });
for (let i = 1; i < 50; i++) assert.equal(await slaves.get("k" + i), String(i));

if (ports.length > 1) {
    const admin = new Redis(ports[0]);
    const slot = await admin.cluster("KEYSLOT", "foo");
    await r.set("foo", 0);
    for (let i = 0; i < 3; i++) {
        await admin.call("TEST", "CLUSTER", "MOVE", slot, ports[i]);
        assert.equal(await r.incr("foo"), i + 1);
    }
    await admin.call("TEST", "CLUSTER", "ASK", slot, ports[1]);
    assert.equal(await r.set("{foo}new", 1), "OK");
    assert.equal(await r.get("{foo}new"), "1");
    await admin.call("TEST", "CLUSTER", "MOVE", slot, ports[1]);
    await admin.call("TEST", "CLUSTER", "FAIL", ports[1]);
    assert.equal(await r.incr("foo"), 4);
    admin.disconnect();
}
for (const c of [r, heard, slaves]) c.disconnect();
