// SPDX-License-Identifier: BSD-3-Clause
'use strict';

module.exports = async function teardown() {
    await globalThis.stetOfJest.stop();
};
