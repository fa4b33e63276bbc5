// Talks with the bot: sound both ways over WebRTC, and over a data channel what the bot's side tells of the conversation.

const $ = (id) => document.getElementById(id);

const STATES = {
  idle: "Not connected",
  connecting: "Connecting",
  listening: "Listening",
  hearing: "Hearing you",
  thinking: "Thinking",
  speaking: "Speaking",
};
const MICROPHONE = { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } };
const CANDIDATES_MS = 2000;

let about = { bot: "voicepipe", server: "", is_local: false };
let talk = null; // the conversation that goes on, if one does

// ---- a conversation, from the microphone to the hang-up

class Talk {
  constructor(microphone) {
    this.microphone = microphone;
    this.peer = new RTCPeerConnection();
    this.number = null;
    this.isOver = false;
    const [track] = microphone.getAudioTracks();
    this.peer.addTrack(track, microphone);
    this.peer.addEventListener("track", (event) => this.#hear(event));
    this.peer.addEventListener("connectionstatechange", () => this.#connection());
    const channel = this.peer.createDataChannel("conversation");
    channel.addEventListener("message", (event) => take(JSON.parse(event.data)));
  }

  async begin() {
    await this.peer.setLocalDescription();
    await gathered(this.peer);
    const { sdp, type } = this.peer.localDescription;
    const response = await fetch("/api/conversations", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sdp, type }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    this.number = answer.conversation;
    if (this.isOver) return this.hangUp();
    await this.peer.setRemoteDescription({ sdp: answer.sdp, type: answer.type });
    this.#awaitEnd();
  }

  // `keepalive`, so that it also goes out while the page is being closed.
  hangUp() {
    this.close();
    if (this.number === null) return;
    fetch(`/api/conversations/${this.number}`, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  close() {
    this.isOver = true;
    this.peer.close();
  }

  #hear(event) {
    const stream = event.streams[0] ?? new MediaStream([event.track]);
    $("bot-sound").srcObject = stream;
    $("bot-sound").play().catch(() => complain("Sound could not be played. Press Stop, then Start talking again."));
    levels.watch("bot", stream);
  }

  #connection() {
    if (this.isOver) return;
    if (this.peer.connectionState === "connected") show("listening");
    if (this.peer.connectionState === "failed") {
      stop();
      complain("The connection was lost. If it never came about, a firewall may stand between this page and the bot.");
    }
  }

  async #awaitEnd() {
    try {
      const response = await fetch(`/api/conversations/${this.number}/end`);
      if (!this.isOver) ended(await response.json());
    } catch {
      if (!this.isOver) ended({ by: "server", detail: "" });
    }
  }
}

// Only addresses of this machine are gathered, so waiting for all of them costs next to nothing.
function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const limit = setTimeout(resolve, CANDIDATES_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(limit);
      resolve();
    });
  });
}

async function start(kept) {
  forget();
  show("connecting");
  let microphone = kept;
  try {
    microphone ??= await navigator.mediaDevices.getUserMedia(MICROPHONE);
    levels.watch("user", microphone);
    talk = new Talk(microphone);
    mute(false);
    $("mute").disabled = false;
    await talk.begin();
  } catch (error) {
    microphone?.getTracks().forEach((track) => track.stop());
    talk?.close();
    finish();
    complain(WRONG[error.name] ?? error.message);
  }
}

const WRONG = {
  NotAllowedError: "This page may not use the microphone. Allow it beside the address above, then start again.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is in use by another program.",
  TypeError: "The bot's server cannot be reached. Is it still running?",
};

function stop() {
  talk?.microphone.getTracks().forEach((track) => track.stop());
  talk?.hangUp();
  finish();
}

function finish() {
  talk = null;
  levels.stop();
  $("bot-sound").srcObject = null;
  $("mute").disabled = true;
  show("idle");
}

function ended({ by, detail }) {
  const microphone = talk.microphone;
  talk.close();
  if (by === "change") {
    start(microphone).then(() => talk && complain("The bot's file has changed; this is the new bot.", "mild"));
    return;
  }
  microphone.getTracks().forEach((track) => track.stop());
  finish();
  if (by === "bot") complain("The bot has ended the conversation.", "mild");
  if (by === "failure") complain(`The conversation broke off: ${detail}`);
  if (by === "server") complain("The bot's server has stopped.");
}

function mute(isMuted) {
  talk.microphone.getAudioTracks().forEach((track) => { track.enabled = !isMuted; });
  $("mute").setAttribute("aria-pressed", String(isMuted));
}

// ---- what the bot's side tells

const turns = new Map();
const latencies = new Map();

const TAKERS = { turn: takeTurn, tool: takeTool, account: takeAccount, fault: takeFault };

function take(message) {
  TAKERS[message.type]?.(message);
}

function takeTurn(turn) {
  const row = turns.get(turn.index) ?? newTurn(turn.index);
  row.say("user", turn.user, !turn.user_done);
  row.say("bot", turn.bot, turn.bot_speaks, turn.interrupted ? turn.heard : null);
  row.mark(turn);
  row.announce(turn);
  if (turn.latency_ms !== null) takeLatency(turn);
  if (turn.index === Math.max(...turns.keys())) show(stateOf(turn));
}

function stateOf(turn) {
  if (turn.bot_speaks) return "speaking";
  if (turn.user_speaks) return "hearing";
  return turn.latency_ms === null && !turn.bot && !turn.interrupted ? "thinking" : "listening";
}

function newTurn(index) {
  $("empty").hidden = true;
  const item = make("li");
  const parts = {};
  const marks = make("p", "marks");
  const part = (who) => {
    if (parts[who]) return parts[who];
    const box = make("div", `said ${who}`);
    const words = make("span", "words");
    box.append(make("span", "who", who === "user" ? "You" : about.bot), words);
    who === "user" ? item.prepend(box) : item.insertBefore(box, marks);
    return (parts[who] = { box, words });
  };
  item.append(marks);
  $("turns").append(item);
  let told = "";
  const row = {
    say(who, text, isOpen, heard = null) {
      if (!text) return;
      const { box, words } = part(who);
      box.classList.toggle("open", isOpen);
      const cutAt = heard === null ? text.length : heard.length;
      words.replaceChildren(text.slice(0, cutAt));
      if (cutAt < text.length) words.append(make("span", "unheard", text.slice(cutAt)));
      follow();
    },
    mark(turn) {
      marks.replaceChildren();
      if (turn.latency_ms !== null) marks.append(make("span", "latency", `answered after ${ms(turn.latency_ms)}`));
      if (turn.interrupted) marks.append(make("span", "cut", "you interrupted here"));
    },
    // Screen readers are told a turn when it is whole, not at every word.
    announce(turn) {
      if (!turn.bot || turn.bot_speaks || turn.latency_ms === null || told === turn.bot) return;
      told = turn.bot;
      $("spoken").textContent = `You: ${turn.user} Bot: ${turn.heard ?? turn.bot}`;
    },
  };
  turns.set(index, row);
  return row;
}

function takeLatency(turn) {
  latencies.set(turn.index, turn.latency_ms);
  const sorted = [...latencies.values()].sort((a, b) => a - b);
  $("latency-last").textContent = ms(turn.latency_ms);
  $("latency-median").textContent = ms(sorted[Math.floor((sorted.length - 1) / 2)]);
  $("latency-slowest").textContent = ms(sorted.at(-1));
  const shares = { server: turn.server_ms, added: turn.added_ms, playout: turn.playout_ms };
  if (Object.values(shares).some((share) => share === null)) return;
  for (const [name, share] of Object.entries(shares)) {
    $("split").querySelector(`.${name}`).style.flexGrow = String(share);
    $("legend").querySelector(`.${name} b`).textContent = ms(share);
  }
  $("split").ariaLabel = `Network and model ${ms(shares.server)}, voicepipe ${ms(shares.added)}, playing ${ms(shares.playout)}`;
  $("split").hidden = $("legend").hidden = false;
}

function takeTool(tool) {
  $("no-tools").hidden = true;
  let item = $(`tool-${tool.index}`);
  if (!item) {
    item = make("li");
    item.id = `tool-${tool.index}`;
    $("tools").append(item);
  }
  item.className = tool.status;
  const status = { running: "running", cancelled: "cancelled", done: tool.took_ms === null ? "" : ms(tool.took_ms) };
  item.replaceChildren(make("code", "", `${tool.name}(${tool.arguments})`));
  if (tool.result !== null) item.append(make("code", "result", `→ ${tool.result}`));
  item.append(make("span", "took", status[tool.status]));
}

function takeAccount(account) {
  $("cost").textContent = account.cost === null ? "not known" : `$${account.cost}`;
  $("cost-minute").textContent = account.cost_per_minute === null ? "–" : `$${account.cost_per_minute}`;
  $("tokens").textContent = account.tokens.toLocaleString("en");
}

function takeFault(fault) {
  complain(fault.message, fault.fatal ? "" : "mild");
}

// ---- levels

class Levels {
  constructor() {
    this.context = null;
    this.watched = new Map();
    this.history = { user: [], bot: [] };
  }

  watch(who, stream) {
    this.context ??= new AudioContext();
    this.context.resume();
    this.watched.get(who)?.source.disconnect();
    const source = this.context.createMediaStreamSource(stream);
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    source.connect(analyser);
    this.watched.set(who, { source, analyser, samples: new Float32Array(analyser.fftSize) });
    if (this.watched.size === 1) this.#draw();
  }

  stop() {
    this.watched.forEach(({ source }) => source.disconnect());
    this.watched.clear();
    this.context?.close();
    this.context = null;
    this.history = { user: [], bot: [] };
    for (const who of ["user", "bot"]) draw($(`${who}-level`), []);
  }

  #draw() {
    if (this.watched.size === 0) return;
    for (const who of ["user", "bot"]) {
      const history = this.history[who];
      history.push(this.#level(who));
      if (history.length > 160) history.shift();
      draw($(`${who}-level`), history);
    }
    requestAnimationFrame(() => this.#draw());
  }

  // Loudness from -60 dB (0) to -10 dB (1), so that quiet speech is seen as well.
  #level(who) {
    const watched = this.watched.get(who);
    if (!watched) return 0;
    watched.analyser.getFloatTimeDomainData(watched.samples);
    const power = watched.samples.reduce((sum, sample) => sum + sample * sample, 0) / watched.samples.length;
    return Math.min(1, Math.max(0, (10 * Math.log10(power + 1e-12) + 60) / 50));
  }
}

function draw(canvas, history) {
  const scale = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = getComputedStyle(canvas).color;
  const [bar, gap] = [3, 2];
  const count = Math.floor(width / (bar + gap));
  for (let at = 0; at < count; at++) {
    const level = history[history.length - 1 - Math.floor((at * history.length) / count)] ?? 0;
    const tall = Math.max(3, level * height);
    pen.globalAlpha = 0.25 + 0.75 * Math.min(1, level * 1.5);
    // The newest is next to the buttons, from where it runs outwards.
    const x = canvas.id === "user-level" ? width - (at + 1) * (bar + gap) : at * (bar + gap);
    pen.beginPath();
    pen.roundRect(x, (height - tall) / 2, bar, tall, bar / 2);
    pen.fill();
  }
}

const levels = new Levels();

// ---- small things

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

function ms(value) {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

function show(state) {
  if (document.body.dataset.state === state) return;
  document.body.dataset.state = state;
  $("state").textContent = STATES[state];
  $("talk").textContent = state === "idle" ? "Start talking" : "Stop";
}

function complain(text, kind = "") {
  $("alert").className = kind;
  $("alert").textContent = text;
  $("alert").hidden = false;
}

function forget() {
  turns.clear();
  latencies.clear();
  for (const id of ["turns", "tools"]) $(id).replaceChildren();
  for (const id of ["latency-last", "latency-median", "latency-slowest", "cost-minute"]) $(id).textContent = "–";
  for (const id of ["split", "legend", "alert"]) $(id).hidden = true;
  $("cost").textContent = "$0.0000";
  $("tokens").textContent = "0";
  $("no-tools").hidden = $("empty").hidden = false;
}

function follow() {
  $("scroller").scrollTop = $("scroller").scrollHeight;
}

$("talk").addEventListener("click", () => (document.body.dataset.state === "idle" ? start() : stop()));
$("mute").addEventListener("click", () => mute($("mute").getAttribute("aria-pressed") !== "true"));
addEventListener("pagehide", () => talk?.hangUp());
addEventListener("resize", () => ["user", "bot"].forEach((who) => draw($(`${who}-level`), levels.history[who])));

about = await (await fetch("/api/about")).json();
document.title = about.bot;
$("bot-name").textContent = about.bot;
if (about.server) {
  $("server").textContent = about.server;
  $("server").hidden = false;
}
if (about.is_local) {
  $("cost-label").textContent = "Would be";
  $("cost-note").textContent = "At OpenAI's list prices. The local server costs nothing.";
}
for (const who of ["user", "bot"]) draw($(`${who}-level`), []);
