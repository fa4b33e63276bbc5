// The lists under the axis: the conversation turn by turn, and all events.

function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

function money(amount) { return amount == null ? "" : "$" + Number(amount).toFixed(Number(amount) < 0.01 ? 5 : 3); }
function json(value) { return JSON.stringify(value); }

class Conversation {
  constructor(call, onSeek) {
    this.items = call.turns.map(turn => {
      const item = this.turn(call, turn);
      item.addEventListener("click", () => onSeek(Math.max(0, turn.started_ms - 300)));
      return { at: turn.started_ms, item };
    });
    document.getElementById("turns").append(...this.items.map(one => one.item));
  }

  turn(call, turn) {
    const item = make("li", "turn"), meta = make("div", "meta");
    meta.append(make("span", "", clockText(turn.started_ms)), make("span", "", `turn ${turn.index + 1}`), make("span", "grow"));
    if (turn.is_interrupted) meta.append(make("span", "chip cut", "barge-in"));
    if (turn.cost) meta.append(make("span", "chip", money(turn.cost)));
    item.append(meta);
    if (turn.user_text) item.append(make("p", "said user", turn.user_text));
    const until = call.turns[turn.index + 1]?.started_ms ?? Infinity;
    for (const tool of call.tools.filter(one => one.turn_index === turn.index)) item.append(this.tool(tool));
    if (turn.bot_text) item.append(this.words(turn));
    for (const mark of call.marks)
      if (mark.kind === "error" && mark.at >= turn.started_ms && mark.at < until) item.append(make("p", "error", mark.text));
    if (turn.split.total != null) item.append(...this.split(turn.split));
    return item;
  }

  words(turn) {
    const words = make("p", "said agent");
    if (turn.heard_text == null || !turn.is_interrupted) { words.textContent = turn.bot_text; return words; }
    words.append(make("span", "", turn.heard_text || ""));
    words.append(make("span", "gone", turn.bot_text.slice(turn.heard_text.length)));
    words.title = `heard ${(turn.heard_ms / 1000).toFixed(2)} s of ${(turn.said_ms / 1000).toFixed(2)} s`;
    return words;
  }

  tool(tool) {
    const took = tool.ended_ms == null ? "" : `  ${Math.round(tool.ended_ms - tool.started_ms)} ms`;
    const gave = tool.status === "done" ? ` → ${json(tool.result)}` : ` (${tool.status})`;
    return make("div", "call", `${tool.name}(${json(tool.arguments)})${gave}${took}`);
  }

  split(split) {
    const bar = make("div", "split"), text = make("div", "splittext");
    text.append(make("b", "", `${Math.round(split.total)} ms`), " from the end of speech to the first sound heard");
    for (const [name, what] of [["server", "network and model"], ["added", "voicepipe"], ["playout", "until heard"]]) {
      if (split[name] == null) continue;
      const part = make("i", name);
      part.style.width = 100 * split[name] / Math.max(1, split.total) + "%";
      bar.append(part);
      text.append(` · ${what} ${Math.round(split[name])} ms`);
    }
    return [bar, text];
  }

  playAt(ms) {
    const current = this.items.findLast(one => one.at <= ms + 300);
    for (const one of this.items) one.item.classList.toggle("now", one === current);
  }
}

const ROW = 24;

class Events {
  constructor(call, onSeek) {
    this.all = call.events;
    this.onSeek = onSeek;
    this.rows = document.getElementById("rows");
    this.space = document.getElementById("space");
    this.raw = document.getElementById("raw");
    this.chosen = null;
    this.find = document.getElementById("find");
    this.find.addEventListener("input", () => this.filter());
    for (const box of document.querySelectorAll(".filters [type=checkbox]")) box.addEventListener("change", () => this.filter());
    this.rows.addEventListener("scroll", () => this.draw());
    this.rows.addEventListener("keydown", e => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
      if (by) { e.preventDefault(); this.choose(this.shown[Math.max(0, this.shown.indexOf(this.chosen) + by)]); }
    });
    this.filter();
  }

  filter() {
    const boxes = Object.fromEntries([...document.querySelectorAll("[data-kind]")].map(box => [box.dataset.kind, box.checked]));
    const pieces = document.getElementById("pieces").checked, text = this.find.value.toLowerCase();
    this.shown = this.all.filter(event => {
      const kind = event.k in boxes ? event.k : "other";
      return boxes[kind] && (pieces || !event.piece) && (!text || json(event).toLowerCase().includes(text));
    });
    document.getElementById("count").textContent = `${this.shown.length} of ${this.all.length}`;
    this.space.style.height = this.shown.length * ROW + "px";
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.rows.scrollTop / ROW) - 5), last = first + Math.ceil(this.rows.clientHeight / ROW) + 10;
    this.space.replaceChildren(...this.shown.slice(first, last).map((event, i) => this.row(event, first + i)));
  }

  row(event, index) {
    const row = make("div", `row ${event.k} ${event.way || ""}`), [way, what, note] = this.words(event);
    row.style.top = index * ROW + "px";
    row.setAttribute("role", "option");
    row.dataset.n = event.n;
    if (event === this.chosen) row.classList.add("chosen");
    row.append(make("time", "", clockText(event.t, 2)), make("span", "way", way), make("span", "what", what), make("span", "note", note));
    row.addEventListener("click", () => { this.choose(event); this.onSeek(event.t, false); });
    return row;
  }

  words(event) {
    if (event.k === "wire") {
      const way = { sent: "→", received: "←", opened: "⟳", closed: "✕" }[event.way];
      const message = event.message || {};
      return [way, message.type || event.way, message.transcript || message.delta?.toString?.() || event.text || message.item_id || ""];
    }
    if (event.k === "frame") return [event.to === "up" ? "↑" : "↓", event.frame, Object.values(event.fields).filter(one => one != null && one !== "").map(one => typeof one === "string" ? one : json(one)).join(" ")];
    return ["•", event.k, event.name || event.message || event.text || event.user_text || event.bot_text || (event.known != null ? money(event.known) : "")];
  }

  choose(event) {
    if (!event) return;
    this.chosen = event;
    const { piece, ...raw } = event;
    this.raw.textContent = JSON.stringify(raw, null, 2);
    const top = this.shown.indexOf(event) * ROW;
    if (top >= 0 && (top < this.rows.scrollTop || top > this.rows.scrollTop + this.rows.clientHeight - ROW)) this.rows.scrollTop = top - this.rows.clientHeight / 2;
    this.draw();
  }

  near(ms) { this.choose(this.shown.findLast(event => event.t <= ms) || this.shown[0]); }
}
