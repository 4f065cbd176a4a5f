// SPDX-License-Identifier: BSD-3-Clause
// The server of the global set-up (vitest.config.mjs).
import { connect } from 'stet';
import { expect, test } from 'vitest';

test('the global set-up tells where its server is', async () => {
    const server = connect();
    await server.reset();
    expect(await server.call('PING')).toBe('PONG');
    expect(process.env.REDIS_URL).toBe(server.url);
    server.disconnect();
});
