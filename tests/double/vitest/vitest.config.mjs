// SPDX-License-Identifier: BSD-3-Clause
export default { test: { globalSetup: ['stet/vitest'] } };
