// SPDX-License-Identifier: BSD-3-Clause
// What /events sends, shown. Everything from the server is set as text, never as markup.
"use strict";

const $ = id => document.getElementById(id);
const HISTORY = 300; // seconds
const history = [];
let sortBy = "usec", previous = null, last = null, now = null, paused = false, heardAt = 0;

// ---- numbers; a blank before a unit does not break a line

const NB = "\u00a0";

const grouped = n => Math.round(n).toLocaleString("en-US");

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  n = Number(n);
  while (Math.abs(n) >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return (i && n < 100 ? n.toFixed(n < 10 ? 2 : 1) : Math.round(n)) + NB + units[i];
}

function short(n) {
  if (n < 10) return n < 0.05 ? "0" : n.toFixed(1).replace(/\.0$/, "");
  if (n < 10000) return grouped(n);
  return n < 1e6 ? (n / 1e3).toFixed(1) + NB + "k" : (n / 1e6).toFixed(2) + NB + "M";
}

function micros(us) {
  us = Number(us);
  if (us < 1000) return (us < 10 ? us.toFixed(1) : Math.round(us)) + NB + "µs";
  return us < 1e6 ? (us / 1e3).toFixed(us < 1e4 ? 2 : 1) + NB + "ms" : (us / 1e6).toFixed(2) + NB + "s";
}

function duration(s) {
  s = Math.max(0, Math.floor(s));
  if (s < 60) return s + NB + "s";
  if (s < 3600) return [Math.floor(s / 60), "min", s % 60, "s"].join(NB);
  if (s < 86400) return [Math.floor(s / 3600), "h", Math.floor(s % 3600 / 60), "min"].join(NB);
  return [Math.floor(s / 86400), "d", Math.floor(s % 86400 / 3600), "h"].join(NB);
}

const ago = s => s < 2 ? "just now" : duration(s) + " ago";
const percent = x => (x * 100).toFixed(x > 0.0995 && x < 0.9995 ? 0 : 1).replace(/\.0$/, "") + NB + "%";
const field = (d, name) => Number(d.info[name] || 0);

// "count=1,avg=2,p50=3..." as numbers
function parts(text) {
  const found = {};
  for (const item of (text || "").split(",")) {
    const [name, value] = item.split("=");
    found[name] = Number(value);
  }
  return found;
}

// ---- elements

function element(tag, text, className) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

function list(id, rows) {
  const dl = $(id);
  dl.replaceChildren();
  for (const [name, value] of rows) {
    if (value === null) continue;
    dl.append(element("dt", name), element("dd", value));
  }
}

// columns: {name, cell: row => text or element, n: is a number, minor: not on a telephone, sort: key}
function table(id, columns, rows, empty) {
  const t = $(id);
  if (!rows.length) {
    const caption = element("tbody"), row = element("tr"), cell = element("td", empty, "empty");
    row.append(cell);
    caption.append(row);
    t.replaceChildren(caption);
    return;
  }
  if (!t.tHead || t.dataset.sort !== sortBy) makeHead(t, columns);
  const body = element("tbody");
  for (const r of rows) {
    const row = element("tr");
    for (const c of columns) {
      const what = c.cell(r), cell = element("td", undefined, classes(c));
      cell.append(what);
      row.append(cell);
    }
    body.append(row);
  }
  if (t.tBodies[0]) t.tBodies[0].replaceWith(body); else t.append(body);
}

const classes = c => [c.n ? "n" : "", c.minor ? "minor" : "", c.text ? "text" : ""].join(" ").trim();

// The head stays as long as the order does, so that its buttons keep the keyboard's focus.
function makeHead(t, columns) {
  const focused = t.contains(document.activeElement) ? document.activeElement.dataset.sort : null;
  const head = element("thead"), row = element("tr");
  for (const c of columns) {
    const cell = element("th", c.sort ? undefined : c.name, classes(c));
    cell.scope = "col";
    if (c.sort) {
      const b = element("button", c.name);
      b.type = "button";
      b.dataset.sort = c.sort;
      b.addEventListener("click", () => { sortBy = c.sort; if (last) showCommands(last); });
      if (c.sort === sortBy) cell.setAttribute("aria-sort", "descending");
      cell.append(b);
    }
    row.append(cell);
  }
  head.append(row);
  t.replaceChildren(head);
  t.dataset.sort = sortBy;
  if (focused) { const b = t.querySelector(`button[data-sort="${focused}"]`); if (b) b.focus(); }
}

function code(text) {
  return element("code", text);
}

function share(part, whole) {
  const box = element("span", undefined, "share"), bar = element("i");
  bar.style.width = (whole ? Math.min(100, part / whole * 100) : 0) + "%";
  box.append(bar);
  return box;
}

function verdict(id, level, text) {
  $(id).className = "verdict " + level;
  const sign = { good: "✓ ", warn: "! ", bad: "✗ " }[level];
  if ($(id + "-answer").textContent !== sign + text) $(id + "-answer").textContent = sign + text;
}

// ---- is it safe?

function atRisk(d) {
  if (d.level === "synced") return 0;
  return Math.max(0, field(d, "aof_written_position") - field(d, "aof_synced_position"));
}

function loading(d) {
  return "Loading: " + Number(d.info.loading_loaded_perc).toFixed(0) + NB + "%, about " +
    duration(field(d, "loading_eta_seconds")) + " left.";
}

function judgeSafety(d) {
  const i = d.info, state = i.aof_state;
  if (i.loading === "1") return ["warn", loading(d)];
  if (state === "recovering") return ["bad", "A sync failed. Writes are refused until a new file is complete."];
  if (/^MISCONF/.test(d.reason)) return ["bad", "Writes are refused: the disk."];
  if (state === "enabling") return ["warn", "The append-only file is being switched on."];
  if (state === "off" && !d.save_points && !field(d, "rdb_saves"))
    return ["bad", "Nothing is on disk. A restart loses everything."];
  if (state === "off")
    return ["warn", grouped(field(d, "rdb_changes_since_last_save")) + " changes since the last snapshot would be lost."];
  if (i.aof_last_bgrewrite_status !== "ok") return ["warn", "On disk, but the last rewrite failed."];
  if (d.level === "synced") return ["good", "Every acknowledged write is on disk."];
  if (i.aof_state === "on" && field(d, "aof_oldest_unsynced_ms") > 5000)
    return ["warn", "The disk is slow: " + bytes(atRisk(d)) + " wait for a sync."];
  if (d.fsync === "no") return ["warn", "A crash loses nothing. A power cut: what the kernel still holds."];
  return ["good", "A crash loses nothing. A power cut: about a second."];
}

function lastBackup(d) {
  if (d.backup.open) return "under way";
  if (!d.backup.at_ms) return "none yet";
  return ago((d.now_ms - d.backup.at_ms) / 1000) + ", " + bytes(d.backup.bytes);
}

// As far as the files lead, also where the history that is kept is not that long yet.
function recoveryWindow(d) {
  const from = field(d, "aof_recovery_begins_ms");
  return from ? "to " + ago((d.now_ms - from) / 1000) : null;
}

function rewriteState(d) {
  const i = d.info;
  if (i.aof_rewrite_in_progress === "1")
    return "rewriting, " + Number(i.current_fork_perc).toFixed(0) + " %, " + duration(field(d, "aof_current_rewrite_time_sec"));
  if (i.rdb_bgsave_in_progress === "1") return "saving, " + Number(i.current_fork_perc).toFixed(0) + " %";
  if (Number(i.aof_last_rewrite_time_sec) >= 0)
    return (i.aof_last_bgrewrite_status === "ok" ? "ok, took " : "failed after ") + duration(field(d, "aof_last_rewrite_time_sec"));
  return "none yet";
}

function showSafety(d) {
  const i = d.info, sync = parts(i.aof_sync_time_usec), on = i.aof_state !== "off";
  const level = { none: "nothing", written: "the kernel has it", synced: "it is on disk" }[d.level];
  verdict("safe", ...judgeSafety(d));
  list("safe-list", [
    ["Append-only file", i.aof_state + (on ? ", " + bytes(i.aof_current_size) : "")],
    ["A reply to a write waits until", on ? level : null],
    ["At risk in a power cut", on ? bytes(atRisk(d)) + (d.level === "synced" ? "" :
      ", " + micros(field(d, "aof_oldest_unsynced_ms") * 1000)) : null],
    ["Not synced yet", on ? bytes(i.aof_unsynced_bytes) : null],
    ["Sync time, median / 99 %", on && sync.count ? micros(sync.p50) + " / " + micros(sync["p99"]) : null],
    ["Last rewrite", on ? rewriteState(d) : null],
    ["Last snapshot", i.rdb_bgsave_in_progress === "1" ? rewriteState(d) : field(d, "rdb_saves") ?
      (i.rdb_last_bgsave_status === "ok" ? "" : "failed; ") + ago(d.now_ms / 1000 - field(d, "rdb_last_save_time")) :
      i.rdb_last_bgsave_status === "ok" ? "none yet" : "failed"],
    ["Last backup", on ? lastBackup(d) : null],
    ["One can go back", on ? recoveryWindow(d) : null],
  ]);
}

// ---- is it fast?

function rates(d) {
  if (!previous) return null;
  const s = Math.max(0.001, (d.real_ms - previous.real_ms) / 1000);
  const rate = name => Math.max(0, (field(d, name) - field(previous, name)) / s);
  const hits = rate("keyspace_hits"), misses = rate("keyspace_misses");
  return { ops: rate("total_commands_processed"), input: rate("total_net_input_bytes"), output: rate("total_net_output_bytes"),
    hits, misses, evicted: rate("evicted_keys"), expired: rate("expired_keys"),
    hitRate: hits + misses > 0 ? hits / (hits + misses) : null,
    cpu: rate("used_cpu_user_main_thread") + rate("used_cpu_sys_main_thread") };
}

function showSpeed(d, r) {
  const i = d.info, gate = parts(i.aof_gate_wait_usec);
  const busiest = d.commands.find(c => c.calls > 0);
  const cpu = r ? r.cpu : 0;
  if (i.loading === "1") verdict("fast", "warn", "Clients wait until the data is loaded.");
  else if (/^BUSY/.test(d.reason)) verdict("fast", "bad", "A script holds up all clients.");
  else if (cpu > 0.9) verdict("fast", "warn", "The event loop is busy: " + percent(Math.min(1, cpu)) + " of a CPU.");
  else if (r) verdict("fast", "good", short(r.ops) + (short(r.ops) === "1" ? " command" : " commands") + " a second, " + percent(Math.min(1, cpu)) + " of a CPU.");
  const total = field(d, "keyspace_hits") + field(d, "keyspace_misses");
  list("fast-list", [
    ["Commands a second", r ? short(r.ops) : "…"],
    ["Hit rate now / since the start", (r && r.hitRate !== null ? percent(r.hitRate) : "–") + " / " +
      (total ? percent(field(d, "keyspace_hits") / total) : "–")],
    ["Takes most time", busiest ? busiest.name + (busiest.p99 ? ", 99 % below " + micros(busiest.p99) : "") : "–"],
    ["Replies that waited for the disk", gate.count ? grouped(gate.count) + ", 99 % below " + micros(gate["p99"]) : "none"],
    ["Slow log", grouped(d.slow_length) + (d.slow.length ? ", last " + ago(d.now_ms / 1000 - d.slow[0].at) : "")],
    ["Clients / blocked", grouped(field(d, "connected_clients")) + " / " + grouped(field(d, "blocked_clients"))],
    ["Network in / out", r ? bytes(r.input) + "/s" + NB + "/ " + bytes(r.output) + "/s" : "…"],
    ["Last fork", field(d, "total_forks") ? micros(i.latest_fork_usec) : "none yet"],
  ]);
}

// ---- is it full?

function showMemory(d, r) {
  const i = d.info, used = field(d, "used_memory"), limit = field(d, "maxmemory"), system = field(d, "total_system_memory");
  const whole = limit || system, overhead = field(d, "used_memory_overhead"), dataset = field(d, "used_memory_dataset");
  const part = whole ? used / whole : 0;
  const of = limit ? "of maxmemory" : "of the machine's memory";
  if (limit && part > 0.98 && i.maxmemory_policy === "noeviction") verdict("full", "bad", "Full: writes are refused.");
  else if (r && r.evicted > 0) verdict("full", "warn", "Full: " + short(r.evicted) + " keys a second are evicted.");
  else if (part > 0.9) verdict("full", "warn", percent(part) + " " + of + " is used.");
  else verdict("full", "good", bytes(used) + " used, " + percent(part) + " " + of + ".");
  const [b1, b2] = $("memory-bar").children;
  b1.style.width = whole ? dataset / whole * 100 + "%" : 0;
  b2.style.width = whole ? overhead / whole * 100 + "%" : 0;
  $("memory-bar").setAttribute("aria-label", bytes(dataset) + " data, " + bytes(overhead) + " overhead, of " + bytes(whole));
  const legend = [["b1", "data " + bytes(dataset)], ["b2", "overhead " + bytes(overhead)]].map(([c, text]) => {
    const s = element("span", undefined, "");
    s.append(element("span", undefined, "key " + c), text + "  ");
    return s;
  });
  $("memory-legend").replaceChildren(...legend);
  list("full-list", [
    ["Used", bytes(used)],
    ["Limit", limit ? bytes(limit) + ", " + i.maxmemory_policy : "none (" + bytes(system) + " in the machine)"],
    ["Peak", bytes(i.used_memory_peak)],
    ["Resident, fragmentation", bytes(i.used_memory_rss) + ", " + i.mem_fragmentation_ratio],
    ["Keys, with a time to live", grouped(d.databases.reduce((n, x) => n + x.keys, 0)) + ", " + grouped(d.databases.reduce((n, x) => n + x.expires, 0))],
    ["Expired / evicted", grouped(field(d, "expired_keys")) + " / " + grouped(field(d, "evicted_keys"))],
  ]);
}

// ---- charts

const CHARTS = [
  { name: "Commands/s", get: r => r.ops, show: short },
  { name: "Hit rate", get: r => r.hitRate, show: x => percent(x), top: 1 },
  { name: "Network out", get: r => r.output, show: x => bytes(x) + "/s" },
  { name: "Memory", get: (r, d) => field(d, "used_memory"), show: bytes },
];
const SVG = "http://www.w3.org/2000/svg";

function makeCharts() {
  for (const c of CHARTS) {
    const figure = element("figure"), caption = element("figcaption"), svg = document.createElementNS(SVG, "svg");
    c.now = element("b", "–");
    caption.append(element("span", c.name), c.now);
    svg.setAttribute("class", "spark");
    svg.setAttribute("viewBox", "0 0 300 56");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    c.svg = svg;
    for (const kind of ["area", "line"]) {
      c[kind] = document.createElementNS(SVG, "path");
      c[kind].setAttribute("class", kind);
      svg.append(c[kind]);
    }
    c.peak = element("div", "", "peak");
    figure.append(caption, svg, c.peak);
    $("charts").append(figure);
  }
}

function drawChart(c) {
  const values = history.map(h => h[c.name]), known = values.filter(v => v !== null);
  const top = c.top || Math.max(...known, 1e-9) * 1.05, span = Math.max(59, values.length - 1);
  let line = "", first = null, at = null;
  values.forEach((v, k) => {
    if (v === null) return;
    at = ((span - values.length + 1 + k) / span * 300).toFixed(1);
    line += (first === null ? "M" : "L") + at + " " + (55 - v / top * 54).toFixed(1);
    if (first === null) first = at;
  });
  c.line.setAttribute("d", line);
  c.area.setAttribute("d", first === null ? "" : line + `L${at} 56L${first} 56Z`);
  const now = values[values.length - 1];
  c.now.textContent = now === null || now === undefined ? "–" : c.show(now);
  c.peak.textContent = known.length ? "highest " + c.show(Math.max(...known)) : "";
  c.svg.setAttribute("aria-label", c.name + ": now " + c.now.textContent + ", " + c.peak.textContent);
}

// ---- tables

function showCommands(d) {
  const value = { usec: c => c.usec, calls: c => c.calls, p99: c => c.p99 || 0, mean: c => c.calls ? c.usec / c.calls : 0,
    name: c => 0 }[sortBy];
  const rows = d.commands.slice().sort((a, b) => value(b) - value(a));
  const whole = rows.reduce((n, c) => n + c.usec, 0);
  const before = new Map((previous ? previous.commands : []).map(c => [c.name, c.calls]));
  const s = previous ? Math.max(0.001, (d.real_ms - previous.real_ms) / 1000) : 1;
  table("commands", [
    { name: "Command", cell: c => code(c.name) },
    { name: "Calls", n: true, sort: "calls", cell: c => grouped(c.calls) },
    { name: "A second", n: true, minor: true, cell: c => before.has(c.name) ? short(Math.max(0, (c.calls - before.get(c.name)) / s)) : "–" },
    { name: "Time in all", n: true, sort: "usec", cell: c => micros(c.usec) },
    { name: "Share", minor: true, cell: c => share(c.usec, whole) },
    { name: "Mean", n: true, sort: "mean", minor: true, cell: c => c.calls ? micros(c.usec / c.calls) : "–" },
    { name: "Median", n: true, minor: true, cell: c => c.p50 === undefined ? "–" : micros(c.p50) },
    { name: "99 %", n: true, sort: "p99", cell: c => c.p99 === undefined ? "–" : micros(c.p99) },
    { name: "Failed", n: true, minor: true, cell: c => grouped(c.failed + c.rejected) },
  ], rows, "No command was called yet.");
}

function showTables(d) {
  showCommands(d);
  $("slow-n").textContent = d.slow_length > d.slow.length ? "newest " + d.slow.length + " of " + grouped(d.slow_length) : "";
  table("slow", [
    { name: "When", cell: e => ago(d.now_ms / 1000 - e.at) },
    { name: "Took", n: true, cell: e => micros(e.usec) },
    { name: "Command", text: true, cell: e => code(e.argv.join(" ").slice(0, 200) + (e.argc > e.argv.length ? " …" : "")) },
    { name: "Client", minor: true, cell: e => e.addr },
  ], d.slow, "Empty: nothing was slow.");
  const refused = [["acl_access_denied_auth", "failed logins"], ["acl_access_denied_cmd", "commands denied by ACL"],
    ["acl_access_denied_key", "keys denied by ACL"], ["acl_access_denied_channel", "channels denied by ACL"],
    ["rejected_connections", "connections refused"], ["evicted_clients", "clients evicted"],
    ["client_query_buffer_limit_disconnections", "clients ended: query buffer"],
    ["client_output_buffer_limit_disconnections", "clients ended: output buffer"]]
    .map(([name, text]) => ({ code: text, count: field(d, name) })).filter(e => e.count);
  table("errors", [
    { name: "Error", text: true, cell: e => e.code },
    { name: "Count", n: true, cell: e => grouped(e.count) },
  ], d.errors.slice().sort((a, b) => b.count - a.count).concat(refused), "None since the start.");
  showKeys(d);
  showClients(d);
  table("changed", [
    { name: "Setting", cell: p => code(p.name) },
    { name: "At the start", text: true, cell: p => code(p.was || '""') },
    { name: "Now", text: true, cell: p => code(p.is || '""') },
  ], d.changed, "None. CONFIG REWRITE writes changes into the file.");
}

function showKeys(d) {
  const total = d.databases.reduce((n, x) => n + x.keys, 0);
  $("keys-n").textContent = d.keys.seen ? (d.keys.complete ? "of " : "looked at ") + grouped(d.keys.seen) + (d.keys.complete ? " keys" : " of " + grouped(total)) : "";
  table("keys", [
    { name: "Key", text: true, cell: k => code(k.key + (k.cut ? "…" : "")) },
    { name: "Type", cell: k => k.type },
    { name: "Db", n: true, minor: true, cell: k => k.db },
    { name: "Bytes", n: true, cell: k => bytes(k.bytes) },
  ], d.keys.top, total ? "Looking…" : "There are no keys.");
  const whole = d.keys.types.reduce((n, t) => n + t.bytes, 0);
  table("types", [
    { name: "Type", cell: t => t.type },
    { name: "Keys", n: true, cell: t => grouped(t.keys) },
    { name: "Memory", n: true, cell: t => bytes(t.bytes) },
    { name: "Share", cell: t => share(t.bytes, whole) },
  ], d.keys.types.slice().sort((a, b) => b.bytes - a.bytes), total ? "Looking…" : "There are no keys.");
  table("databases", [
    { name: "Database", cell: x => "db" + x.db },
    { name: "Keys", n: true, cell: x => grouped(x.keys) },
    { name: "Expiring", n: true, cell: x => grouped(x.expires) },
    { name: "Mean left", n: true, cell: x => x.avg_ttl ? duration(x.avg_ttl / 1000) : "–" },
  ], d.databases, "All databases are empty.");
}

// While a button of the table may be meant, the rows stay where they are.
function showClients(d) {
  const n = field(d, "connected_clients"), may = typeof admin !== "undefined";
  if (may && $("clients").matches(":hover, :focus-within")) return;
  $("clients-n").textContent = grouped(n) + " of " + grouped(field(d, "maxclients")) + (n > d.clients.length ? ", those that hold most memory" : "");
  table("clients", [
    { name: "Id", n: true, minor: true, cell: c => c.id },
    { name: "Client", text: true, cell: c => c.name || c.lib || c.addr },
    { name: "Address", minor: true, cell: c => c.addr },
    { name: "User", minor: true, cell: c => c.user },
    { name: "Connected", n: true, minor: true, cell: c => duration(c.age) },
    { name: "Idle", n: true, minor: true, cell: c => duration(c.idle) },
    { name: "Last command", minor: may, cell: c => code(c.cmd || "–") },
    { name: "Memory", n: true, cell: c => bytes(c.bytes) },
    ...(may ? [{ name: "", n: true, cell: c => admin.kill(c) }] : []),
  ], d.clients, "No client is connected.");
}

function showReplication(d) {
  const i = d.info, replicas = [];
  for (let k = 0; i["slave" + k]; k++)
    replicas.push(Object.fromEntries(i["slave" + k].split(",").map(x => x.split("="))));
  list("replication", i.role === "slave" ? [
    ["Role", "replica"],
    ["Master", i.master_host + ":" + i.master_port],
    ["Link", i.master_link_status + (i.master_sync_in_progress === "1" ? ", full sync under way" : "")],
    ["Master last heard", Number(i.master_last_io_seconds_ago) >= 0 ? ago(Number(i.master_last_io_seconds_ago)) : "–"],
    ["Offset", grouped(i.slave_repl_offset)],
  ] : [["Role", "master"], ["Replicas", i.connected_slaves], ["Offset", grouped(i.master_repl_offset)]]);
  table("replicas", [
    { name: "Replica", cell: r => r.ip + ":" + r.port },
    { name: "State", cell: r => r.state },
    { name: "Behind", n: true, cell: r => bytes(Math.max(0, field(d, "master_repl_offset") - Number(r.offset))) },
    { name: "Last heard", n: true, cell: r => r.lag + " s" },
  ], replicas, "No replica is connected.");
}

// ---- the page

function showHead(d) {
  const i = d.info, port = i.tcp_port === "0" ? "" : " · port " + i.tcp_port;
  $("title").textContent = "stet " + i.stet_version;
  $("about").textContent = (i.role === "slave" ? "replica" : "master") + port + " · up " + duration(field(d, "uptime_in_seconds")) +
    " · Redis " + i.redis_version + " · process " + i.process_id;
  $("banner").hidden = !d.reason;
  if ($("banner").textContent !== d.reason) $("banner").textContent = d.reason;
  document.title = (d.reason ? "✗ " : "") + "stet " + (i.tcp_port === "0" ? "" : ":" + i.tcp_port);
}

function take(d) {
  previous = last;
  last = d;
  now = rates(d);
  if (now) {
    history.push(Object.fromEntries(CHARTS.map(c => [c.name, c.get(now, d)])));
    if (history.length > HISTORY) history.shift();
  }
}

function show() {
  showHead(last);
  showSafety(last);
  showSpeed(last, now);
  showMemory(last, now);
  showReplication(last);
  showTables(last);
  CHARTS.forEach(drawChart);
  document.body.dataset.shown = last.real_ms;
}

// The part that sends commands is loaded where the server carries them out.
let asked = false;
function loadAdmin(d) {
  if (!d.admin || asked) return;
  asked = true;
  const script = element("script");
  script.src = "admin.js";
  script.addEventListener("load", () => { $("clients").replaceChildren(); if (last) showClients(last); });
  document.head.append(script);
}

function state(text, level) {
  const pill = $("live");
  if (pill.textContent !== text) pill.textContent = text;
  pill.className = "pill " + level;
}

function showState() {
  if (Date.now() - heardAt > 3500) state("no answer", "bad");
  else if (paused) state("paused", "");
  else if (last && last.reason) state("not ready", "bad");
  else state("live", "good");
}

makeCharts();
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  if (last && !paused) show();
  showState();
});
new EventSource("events").onmessage = e => {
  heardAt = Date.now();
  take(JSON.parse(e.data));
  loadAdmin(last);
  if (!paused) show();
  showState();
};
setInterval(showState, 1000);
