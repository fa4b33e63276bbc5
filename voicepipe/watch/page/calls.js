// Shows the calls of a server while they go on. Of each part the newest message counts; they come in batches over a WebSocket.

const $ = (id) => document.getElementById(id);

const KEY = "voicepipe-watch-token";
const WRONG_TOKEN = 4401;
const TOO_MANY = 4429;
const LONGEST_WAIT_MS = 10_000;

const calls = new Map(); // id -> { summary, parts: Map, since }
let chosen = null;
let wasChosenByHand = false;
let wait = 500;
let redraw = 0;

// ---- the connection

function token() {
  // Behind the #, so that no server was sent it; from here on not in the address any more.
  if (location.hash.length > 1) {
    sessionStorage.setItem(KEY, decodeURIComponent(location.hash.slice(1)));
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY);
}

function connect() {
  const shown = token();
  $("door").hidden = shown !== null;
  $("board").hidden = shown === null;
  if (shown === null) return $("token").focus();
  state("opening", "Connecting");
  const socket = new WebSocket(new URL("/calls/live", location.href.replace(/^http/, "ws")));
  socket.addEventListener("open", () => socket.send(JSON.stringify({ token: shown })));
  socket.addEventListener("message", (event) => JSON.parse(event.data).forEach(take));
  socket.addEventListener("close", (event) => lost(event.code));
}

function lost(code) {
  if (code === WRONG_TOKEN) {
    sessionStorage.removeItem(KEY);
    state("closed", "Not connected");
    say("That is not the token.");
    return connect();
  }
  state("lost", code === TOO_MANY ? "Too many watch already; trying again" : "Connection lost; trying again");
  setTimeout(connect, wait);
  wait = Math.min(2 * wait, LONGEST_WAIT_MS);
}

function state(name, text) {
  document.body.dataset.state = name;
  $("state").textContent = text;
}

function say(text) {
  $("alert").textContent = text;
  $("alert").hidden = !text;
}

// ---- what comes

function take(message) {
  if (message.type === "hello") {
    calls.clear();
    wait = 500;
    state("open", "Live");
    say("");
  } else if (message.type === "missed") {
    say(`This page did not keep up: ${message.count} changes were left out.`);
  } else if (message.type === "gone") {
    calls.delete(message.call);
    if (chosen === message.call) [chosen, wasChosenByHand] = [null, false];
  } else if (message.type === "call") {
    const call = known(message.call);
    call.summary = message;
    call.since = performance.now();
    // The newest call is looked at, unless somebody chose another one.
    if (chosen === null || (!wasChosenByHand && message.state === "running")) chosen = message.call;
  } else {
    known(message.call).parts.set(`${message.type} ${message.pipeline} ${message.index}`, message);
  }
  redraw ||= requestAnimationFrame(draw);
}

function known(id) {
  if (!calls.has(id)) calls.set(id, { summary: null, parts: new Map(), since: 0 });
  return calls.get(id);
}

// ---- drawing

function draw() {
  redraw = 0;
  const all = [...calls.values()].filter((call) => call.summary);
  all.sort((a, b) => rank(a) - rank(b) || b.summary.started_at.localeCompare(a.summary.started_at));
  const running = all.filter((call) => call.summary.state === "running").length;
  $("running").textContent = running ? `${running} running` : "none running";
  const spent = all.reduce((sum, call) => sum + Number(call.summary.cost ?? 0), 0);
  $("spent").hidden = !all.length;
  $("spent").textContent = `${dollars(spent)} for the ${all.length} shown`;
  $("calls").replaceChildren(...all.map(card));
  drawCall(calls.get(chosen));
}

const rank = (call) => (call.summary.state === "running" ? 0 : 1);

function card(call) {
  const { summary } = call;
  const button = make("button", "", "");
  button.type = "button";
  button.className = summary.state === "ended" ? "ended" : "";
  if (summary.faults) button.classList.add("faulty");
  button.setAttribute("aria-current", String(summary.call === chosen));
  button.addEventListener("click", () => {
    [chosen, wasChosenByHand] = [summary.call, true];
    draw();
    $("call").scrollTop = $("call").scrollHeight;
  });
  const top = make("span", "row");
  top.append(make("span", "who", named(summary)), make("span", "lasts", clock(lasts(call))));
  const figures = make("span", "row figures");
  if (summary.latency_ms !== null) figures.append(make("span", "", `${Math.round(summary.latency_ms)} ms`));
  if (summary.cost !== null) figures.append(make("span", "", cost(summary)));
  if (summary.faults) figures.append(make("span", "bad", plural(summary.faults, "error")));
  if (summary.state === "ended") figures.append(make("span", "", summary.end));
  button.append(top, make("span", "last", lastWords(call)), figures);
  const item = make("li");
  item.append(button);
  return item;
}

function drawCall(call) {
  $("empty").hidden = Boolean(call?.summary);
  $("about").hidden = !call?.summary;
  if (!call?.summary) {
    $("story").replaceChildren();
    $("after").hidden = true;
    return;
  }
  const { summary } = call;
  const pane = $("call");
  const isAtEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 80;
  $("title").textContent = named(summary);
  $("how").textContent = summary.state === "running" ? "live" : summary.end;
  $("how").className = `chip ${summary.state === "running" ? "live" : "ended"}`;
  $("secs").textContent = clock(lasts(call));
  $("latency").textContent = summary.latency_ms === null ? "–" : `${Math.round(summary.latency_ms)} ms`;
  $("cost").textContent = summary.cost === null ? "–" : cost(summary);
  $("tokens").textContent = summary.tokens.toLocaleString("en");
  $("faults").textContent = summary.faults;
  $("faults").className = summary.faults ? "bad" : "";
  $("detail").textContent = details(summary).join(" · ");
  $("story").replaceChildren(...story(call));
  drawAfter(summary);
  if (isAtEnd) pane.scrollTop = pane.scrollHeight;
}

function drawAfter(summary) {
  $("after").hidden = summary.state !== "ended";
  const lines = [["Its record, if there are records:", `voicepipe calls show ${summary.call}`]];
  if (summary.recording) lines.push(["Its recording:", `voicepipe inspect ${summary.recording}`]);
  $("after").replaceChildren(
    ...lines.map(([text, command]) => {
      const line = make("div", "", `${text} `);
      line.append(make("code", "", command));
      return line;
    }),
  );
}

function story(call) {
  const parts = [...call.parts.values()];
  parts.sort((a, b) => a.pipeline - b.pipeline || order(a) - order(b) || a.index - b.index);
  return parts.map((part) => DRAW[part.type](part)).filter(Boolean);

  // A function stands behind the turn that it was called in.
  function order(part) {
    const turn = part.type === "tool" ? call.parts.get(`turn ${part.pipeline} ${part.turn}`) : null;
    return turn ? turn.at_ms + 0.5 : part.at_ms;
  }
}

const DRAW = {
  turn(part) {
    const item = make("li");
    if (part.user || part.user_speaks) item.append(said("user", "Caller", part.user || "…", part.user_done));
    if (part.bot) item.append(said("bot", "Bot", part.bot, !part.bot_speaks, part.interrupted ? part.heard : null));
    const marks = make("div", "marks");
    if (part.latency_ms !== null) {
      marks.append(make("span", "", `after ${Math.round(part.latency_ms)} ms`), split(part));
    }
    if (part.interrupted) marks.append(make("span", "cut", "interrupted"));
    if (marks.childElementCount) item.append(marks);
    return item.childElementCount ? item : null;
  },
  tool(part) {
    const took = part.took_ms === null ? part.status : `${part.status}, ${Math.round(part.took_ms)} ms`;
    const item = make("li", `event tool ${part.status}`);
    const line = make("div", "", "");
    line.append(make("code", "", `${part.name}(${part.arguments})`), ` ${took}`);
    item.append(line);
    if (part.result !== null) item.append(make("code", "", `→ ${part.result}`));
    return item;
  },
  fault: (part) => make("li", "event fault", part.fatal ? `Fatal: ${part.message}` : part.message),
  link(part) {
    const text = { lost: "Connection lost", resumed: "Connected again", renewed: "Connection renewed" }[part.fate];
    return make("li", "event link", part.detail ? `${text}: ${part.detail}` : text);
  },
};

function said(who, label, text, isDone, heard = null) {
  const box = make("div", `said ${who}${isDone ? "" : " open"}`);
  const words = make("span", "words");
  if (heard !== null && text.startsWith(heard)) {
    words.append(heard, make("span", "unheard", text.slice(heard.length)));
  } else {
    words.append(text);
  }
  box.append(make("span", "who", label), words);
  return box;
}

function split(part) {
  const bar = make("span", "split");
  bar.title = "network and model, voicepipe, playing";
  for (const stage of ["server", "added", "playout"]) {
    const piece = make("span", stage);
    piece.style.flexGrow = String(Math.max(0, part[`${stage}_ms`] ?? 0));
    bar.append(piece);
  }
  return bar;
}

// ---- words

function named(summary) {
  const parties = [summary.caller, summary.called].filter(Boolean).join(" → ");
  return parties || summary.labels.name || summary.call;
}

function details(summary) {
  const began = new Date(summary.started_at).toLocaleTimeString();
  const labels = Object.entries(summary.labels).map(([name, text]) => `${name}: ${text}`);
  return [summary.call, began, summary.direction, summary.carrier, summary.engine, summary.model, ...labels].filter(Boolean);
}

function lastWords(call) {
  const turns = [...call.parts.values()].filter((part) => part.type === "turn" && (part.user || part.bot));
  const last = turns.reduce((a, b) => (a && a.pipeline * 1e6 + a.index > b.pipeline * 1e6 + b.index ? a : b), null);
  const fault = [...call.parts.values()].findLast((part) => part.type === "fault");
  return last ? last.bot || last.user : (fault?.message ?? "");
}

function lasts(call) {
  const { summary } = call;
  if (summary.state === "ended") return summary.call_secs;
  return Math.max(0, (Date.now() - Date.parse(summary.started_at)) / 1000);
}

function clock(secs) {
  const whole = Math.floor(secs);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const dollars = (amount) => `$${amount.toFixed(4)}`;
const cost = (summary) => `${summary.cost_is_known ? "" : "≥ "}${dollars(Number(summary.cost))}`;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== "") element.textContent = text;
  return element;
}

// ---- beginning

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, $("token").value);
  $("token").value = "";
  say("");
  connect();
});
setInterval(() => {
  if ([...calls.values()].some((call) => call.summary?.state === "running")) redraw ||= requestAnimationFrame(draw);
}, 1000);
connect();
