// SPDX-License-Identifier: BSD-3-Clause
// resp - a connection that sends commands and gets RESP2 replies: what the TEST commands need.
'use strict';
const net = require('node:net');

class ReplyError extends Error {
    constructor(text) {
        super(text);
        this.name = 'ReplyError';
    }
}

function encode(words) {
    const parts = [`*${words.length}\r\n`];
    for (const word of words) {
        const data = Buffer.isBuffer(word) ? word : Buffer.from(String(word));
        parts.push(`$${data.length}\r\n`, data, '\r\n');
    }
    return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

// One reply from `at` on: {value, end}, or null if it is not whole yet.
function parse(buffer, at) {
    const end = buffer.indexOf('\r\n', at);
    if (end < 0) return null;
    const text = buffer.toString('utf8', at + 1, end), next = end + 2, n = Number(text);
    switch (String.fromCharCode(buffer[at])) {
    case '+': return {value: text, end: next};
    case '-': return {value: new ReplyError(text), end: next};
    case ':': return {value: n, end: next};
    case '$': return parseBulk(buffer, next, n);
    case '*': return parseArray(buffer, next, n);
    default: throw new Error(`stet: not a RESP2 reply: ${JSON.stringify(text)}`);
    }
}

function parseBulk(buffer, at, n) {
    if (n < 0) return {value: null, end: at};
    if (buffer.length < at + n + 2) return null;
    return {value: buffer.toString('utf8', at, at + n), end: at + n + 2};
}

function parseArray(buffer, at, n) {
    if (n < 0) return {value: null, end: at};
    const value = [];
    for (let i = 0; i < n; i++) {
        const one = parse(buffer, at);
        if (!one) return null;
        value.push(one.value);
        at = one.end;
    }
    return {value, end: at};
}

class Connection {
    constructor(host, port) {
        this.waiting = [];
        this.pending = Buffer.alloc(0);
        this.error = null;
        this.socket = net.connect(port, host);
        this.socket.setNoDelay(true);
        this.socket.unref(); // an idle connection does not keep the test process
        this.socket.on('data', (data) => this.receive(data));
        this.socket.on('error', (error) => this.fail(error));
        this.socket.on('close', () => this.fail(new Error('stet: the server has closed the connection')));
    }

    // The reply; an error reply rejects with a ReplyError.
    call(...words) {
        return new Promise((resolve, reject) => {
            if (this.error) return reject(this.error);
            this.waiting.push({resolve, reject});
            this.socket.ref(); // until the reply is there
            this.socket.write(encode(words));
        });
    }

    receive(data) {
        this.pending = Buffer.concat([this.pending, data]);
        try {
            for (let got; this.pending.length && (got = parse(this.pending, 0));) {
                this.pending = this.pending.subarray(got.end);
                const {resolve, reject} = this.waiting.shift();
                got.value instanceof ReplyError ? reject(got.value) : resolve(got.value);
            }
        } catch (error) {
            this.fail(error);
        }
        if (!this.waiting.length) this.socket.unref();
    }

    fail(error) {
        this.error = this.error || error;
        this.socket.destroy();
        for (const {reject} of this.waiting.splice(0)) reject(this.error);
    }

    close() {
        this.fail(new Error('stet: the connection is closed'));
    }
}

module.exports = {Connection, ReplyError};
