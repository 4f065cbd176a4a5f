// SPDX-License-Identifier: BSD-3-Clause
// The cluster client of node-redis. Arguments: the ports. Silent if all is well.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.STET_NODE_MODULES + "/x.js");
const { createClient, createCluster } = require("redis");
const ports = process.argv.slice(2).map(Number);
const rootNodes = ports.map((port) => ({ url: "redis://127.0.0.1:" + port }));

for (const RESP of [2, 3]) {
    const r = createCluster({ rootNodes, RESP, useReplicas: true });
    await r.connect();
    assert.equal(r.masters.length, ports.length > 1 ? 3 : 1);
    assert.equal(r.replicas.length, ports.length > 1 ? 3 : 0);
    for (let i = 0; i < 200; i++) await r.set("k" + i, String(i));
    for (let i = 0; i < 200; i++) assert.equal(await r.get("k" + i), String(i));
    await r.del("{t}n");
    assert.deepEqual(await r.mGet(["{t}1", "{t}2"]), [null, null]);
    assert.deepEqual(await r.multi().incr("{t}n").incr("{t}n").exec(), [1, 2]);
    assert.equal(await r.eval("return redis.call('get', KEYS[1])", { keys: ["k5"] }), "5");

    let resolve;
    const heard = new Promise((f) => (resolve = f));
    await r.sSubscribe("news", (text) => resolve(text));
    await r.sPublish("news", "x");
    assert.equal(await heard, "x");
    await r.sUnsubscribe("news");

    if (ports.length > 1) {
        const admin = createClient({ url: "redis://127.0.0.1:" + ports[0] });
        await admin.connect();
        const slot = await admin.sendCommand(["CLUSTER", "KEYSLOT", "foo"]);
        await r.set("foo", "0");
        for (let i = 0; i < 3; i++) {
            await admin.sendCommand(["TEST", "CLUSTER", "MOVE", String(slot), String(ports[i])]);
            assert.equal(await r.incr("foo"), i + 1);
        }
        await admin.sendCommand(["TEST", "CLUSTER", "ASK", String(slot), String(ports[1])]);
        assert.equal(await r.set("{foo}new", "1"), "OK");
        assert.equal(await r.get("{foo}new"), "1");
        await admin.sendCommand(["TEST", "CLUSTER", "STABLE", String(slot)]);
        await admin.sendCommand(["TEST", "RESET"]);
        await admin.close();
    }
    await r.close();
}
