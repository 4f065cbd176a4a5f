#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// The program itself, for scripts: npx stet-server --port 7777
'use strict';
const {spawn} = require('node:child_process');
const {binary} = require('../index.js');

const child = spawn(binary(), process.argv.slice(2), {stdio: 'inherit'});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
    console.error(error.message);
    process.exit(127);
});
child.on('exit', (code, signal) => process.exit(signal ? 1 : code));
