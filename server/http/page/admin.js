// SPDX-License-Identifier: BSD-3-Clause
// What `http-admin yes` adds to the page: commands, sent one by one. page.js loads this file when the server offers it.
"use strict";

const admin = (() => {
  const LINES = 400; // of the console
  const encoder = new TextEncoder(), decoder = new TextDecoder();

  // ---- the protocol: a request is an array or a line, a reply is RESP2

  function encode(args) {
    const parts = ["*" + args.length + "\r\n"];
    for (const a of args) parts.push("$" + encoder.encode(a).length + "\r\n" + a + "\r\n");
    return parts.join("");
  }

  // Strings are { text }, errors { error }, statuses { status }; numbers, null and arrays are themselves.
  function parse(raw) {
    let at = 0;
    const line = () => {
      const end = raw.indexOf(13, at), text = decoder.decode(raw.subarray(at, end));
      at = end + 2;
      return text;
    };
    const one = () => {
      const head = line(), rest = head.slice(1), n = Number(rest);
      if (head[0] === "+") return { status: rest };
      if (head[0] === "-") return { error: rest };
      if (head[0] === ":") return n;
      if (n < 0) return null;
      if (head[0] === "*") return Array.from({ length: n }, one);
      at += n + 2;
      return { text: decoder.decode(raw.subarray(at - n - 2, at - 2)) };
    };
    return one();
  }

  async function send(body, db) {
    const r = await fetch("command", { method: "POST", headers: { "Stet-Admin": String(db || 0) }, body });
    if (!r.ok) return { error: (await r.text()).trim() };
    return parse(new Uint8Array(await r.arrayBuffer()));
  }

  const call = (...args) => send(encode(args)).catch(e => ({ error: String(e.message || e) }));

  // Names and values side by side, as an object.
  const pairs = v => Object.fromEntries(v.filter((_, k) => k % 2 === 0).map((n, k) => [n.text, v[2 * k + 1]]));

  // ---- replies, as redis-cli shows them

  const quoted = s => '"' + s.replace(/[\\"]/g, "\\$&").replace(/\r/g, "\\r").replace(/\n/g, "\\n") + '"';

  function shown(v, indent = "") {
    if (v === null) return "(nil)";
    if (typeof v === "number") return "(integer) " + v;
    if (v.error !== undefined) return "(error) " + v.error;
    if (v.status !== undefined) return v.status;
    if (v.text !== undefined) return v.text.includes("\n") && !indent ? v.text.replace(/\r/g, "") : quoted(v.text);
    if (!v.length) return "(empty array)";
    const width = String(v.length).length;
    return v.map((x, k) => (k ? indent : "") + String(k + 1).padStart(width) + ") " +
      shown(x, indent + " ".repeat(width + 2))).join("\n");
  }

  // ---- hints, from COMMAND DOCS

  const docs = new Map(); // name => words of its grammar, or a promise of them

  function grammar(a) {
    const arg = pairs(a), flags = (arg.flags || []).map(f => f.status || f.text);
    const inner = (arg.arguments || []).map(grammar);
    const type = arg.type.text, token = arg.token ? arg.token.text : "";
    let word = type === "oneof" ? inner.join(" | ") : type === "block" ? inner.join(" ") :
      type === "pure-token" ? "" : (arg.display_text || arg.name).text;
    if (type === "oneof" && !flags.includes("optional")) word = "<" + word + ">";
    const again = flags.includes("multiple_token") ? token + " " + word : word;
    word = [token, word].filter(Boolean).join(" ");
    if (flags.includes("multiple")) word += " [" + again + " …]";
    return flags.includes("optional") ? "[" + word + "]" : word;
  }

  async function learn(name) {
    const answer = await call("COMMAND", "DOCS", name);
    const found = Array.isArray(answer) && answer.length ? pairs(answer[1]) : null;
    const add = (n, d) => docs.set(n, { words: (d.arguments || []).map(grammar), summary: d.summary.text });
    docs.set(name, null);
    if (!found) return;
    add(name, found);
    for (const [sub, d] of Object.entries(pairs(found.subcommands || []))) add(sub.toLowerCase(), pairs(d));
    if (found.subcommands) {
      const subs = Object.keys(pairs(found.subcommands)).map(s => s.split("|")[1]);
      docs.set(name, { words: ["<" + subs.join(" | ") + ">"], summary: found.summary.text });
    }
  }

  // What may follow the line, and what the command is for.
  function hint(line) {
    const words = line.trim().split(/\s+/), first = words[0].toLowerCase();
    if (!first) return "";
    if (!docs.has(first)) {
      if (!line.includes(" ") && !names.has(first)) return "";
      docs.set(first, undefined);
      learn(first).then(showHint);
    }
    const sub = words.length > 1 ? docs.get(first + "|" + words[1].toLowerCase()) : null;
    const d = sub || docs.get(first), given = words.length - (sub ? 2 : 1);
    if (!d) return d === null ? "no such command" : "";
    return [sub ? first + " " + words[1].toLowerCase() : first, ...d.words.slice(Math.min(given, d.words.length))].join(" ") +
      "  —  " + d.summary;
  }

  // ---- the parts

  const names = new Set();
  let console_, line, hintLine, database, past = [], at = 0, dialog, note;

  function say(text, className) {
    console_.append(element("div", text, className));
    while (console_.childElementCount > LINES) console_.firstChild.remove();
    console_.scrollTop = console_.scrollHeight;
  }

  function tell(text, bad) {
    note.textContent = text;
    note.className = bad ? "said bad" : "said";
  }

  function showHint() {
    hintLine.textContent = hint(line.value) || "Enter sends the command; the arrow up brings the last one back.";
  }

  function button(text, run) {
    const b = element("button", text);
    b.type = "button";
    b.addEventListener("click", run);
    return b;
  }

  // Resolves to true after "Do it".
  function confirmed(question, what) {
    const text = element("p", question), line_ = element("p"), row = element("p", undefined, "row");
    line_.append(code(what));
    return new Promise(done => {
      const end = answer => { dialog.close(); done(answer); };
      const no = button("Cancel", () => end(false));
      row.append(no, button("Do it", () => end(true)));
      dialog.oncancel = () => done(false);
      dialog.replaceChildren(text, line_, row);
      dialog.showModal();
      no.focus();
    });
  }

  async function simple(question, what, run) {
    if (!await confirmed(question, what)) return;
    tell("…");
    const answer = await run();
    tell(shown(answer), answer !== null && answer.error !== undefined);
  }

  async function backup() {
    const begun = await call("BACKUP", "START");
    if (begun === null || begun.error !== undefined) return begun;
    const sealed = await call("BACKUP", "SEAL");
    if (!Array.isArray(sealed)) return sealed;
    return { status: "sealed: " + pairs(sealed).path.text };
  }

  async function setParameter(name, value) {
    const before = await call("CONFIG", "GET", name);
    if (!Array.isArray(before) || before.length !== 2) {
      tell("No parameter is called " + name + ".", true);
      return;
    }
    await simple("Change this setting until the next start? CONFIG REWRITE would keep it.",
      name + ": " + (before[1].text || '""') + " → " + (value || '""'), () => call("CONFIG", "SET", name, value));
  }

  const DANGEROUS = /^\s*(flushall|flushdb|shutdown|debug|failover|replicaof|slaveof)\b/i;

  async function enter() {
    const text = line.value, db = database.value || 0;
    if (!text.trim()) return;
    if (DANGEROUS.test(text) && !await confirmed("Send this command?", text.trim())) return;
    past.push(text);
    at = past.length;
    line.value = "";
    showHint();
    say((Number(db) ? "[" + db + "]" : "") + "> " + text, "asked");
    const answer = await send(text + "\r\n", db).catch(e => ({ error: String(e.message || e) }));
    say(shown(answer), answer !== null && answer.error !== undefined ? "bad" : "");
  }

  function back(by) {
    at = Math.max(0, Math.min(past.length, at + by));
    line.value = past[at] || "";
    showHint();
  }

  function field_(label, id, attributes) {
    const l = element("label", label), input = element("input");
    l.htmlFor = input.id = id;
    for (const [k, v] of Object.entries(attributes)) input.setAttribute(k, v);
    const both = element("span", undefined, attributes.type === "number" ? "pair small" : "pair");
    both.append(l, input);
    return [both, input];
  }

  const PLAIN = { autocomplete: "off", autocapitalize: "off", spellcheck: "false" };

  function actions() {
    const row = element("p", undefined, "row");
    row.append(
      button("Rewrite the AOF", () => simple("Rewrite the append-only file now?", "BGREWRITEAOF", () => call("BGREWRITEAOF"))),
      button("Take a backup", () => simple("Take a backup of the append-only file?", "BACKUP START, BACKUP SEAL", backup)));
    return row;
  }

  function settings() {
    const form = element("form", undefined, "row"), list_ = element("datalist");
    const [l1, name] = field_("Setting", "admin-name", { ...PLAIN, list: "admin-names", required: "" });
    const [l2, value] = field_("Value", "admin-value", PLAIN), set = element("button", "Change");
    list_.id = "admin-names";
    form.append(l1, list_, l2, set);
    form.addEventListener("submit", e => { e.preventDefault(); setParameter(name.value.trim(), value.value); });
    call("CONFIG", "GET", "*").then(all => {
      if (!Array.isArray(all)) return;
      for (const n of Object.keys(pairs(all))) { const o = element("option"); o.value = n; list_.append(o); }
    });
    name.addEventListener("change", async () => {
      const now = await call("CONFIG", "GET", name.value.trim());
      if (Array.isArray(now) && now.length === 2) value.value = now[1].text;
    });
    return form;
  }

  function terminal() {
    const form = element("form", undefined, "row");
    const [l1, input] = field_("Command", "admin-line", { ...PLAIN, "aria-describedby": "admin-hint" });
    const [l2, db] = field_("Database", "admin-db", { type: "number", min: "0", value: "0" });
    console_ = element("div", undefined, "console");
    console_.tabIndex = 0;
    console_.setAttribute("role", "log");
    console_.setAttribute("aria-label", "Replies");
    hintLine = element("p", "", "hint");
    hintLine.id = "admin-hint";
    [line, database] = [input, db];
    input.className = "line";
    form.append(l1, l2, element("button", "Send"));
    form.addEventListener("submit", e => { e.preventDefault(); enter(); });
    input.addEventListener("input", showHint);
    input.addEventListener("keydown", e => {
      if (e.key !== "ArrowUp" && e.key !== "ArrowDown") return;
      e.preventDefault();
      back(e.key === "ArrowUp" ? -1 : 1);
    });
    call("COMMAND", "LIST").then(all => Array.isArray(all) && all.forEach(n => names.add(n.text.toLowerCase())));
    showHint();
    return [console_, form, hintLine];
  }

  function build() {
    const section = element("section", undefined, "wide"), head = element("h2", "Administration");
    section.id = "admin";
    head.id = "admin-h";
    section.setAttribute("aria-labelledby", "admin-h");
    dialog = element("dialog");
    note = element("p", "", "said");
    note.setAttribute("role", "status");
    section.append(head, actions(), settings(), note, element("h3", "Console"), ...terminal(), dialog);
    $("main").append(section);
    $("footer-note").textContent = "Commands of the section Administration are carried out.";
  }

  build();
  return {
    kill: c => button("End", () => simple("End this client's connection?", "CLIENT KILL ID " + c.id + "   " + c.addr +
      " " + (c.name || ""), async () => {
      const answer = await call("CLIENT", "KILL", "ID", String(c.id));
      return typeof answer === "number" ? { status: answer ? "Client " + c.id + " was ended." : "It was gone already." } : answer;
    })),
  };
})();
