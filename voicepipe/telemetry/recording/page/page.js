// Puts the page together: headline, numbers, sound, and what follows a click.

const call = JSON.parse(document.getElementById("data").textContent);
const audio = document.getElementById("audio"), play = document.getElementById("play");

function headline() {
  const title = document.querySelector("h1");
  title.textContent = `Call ${call.call.call_id.slice(0, 8)}`;
  title.title = call.call.call_id;
  const parties = [call.call.caller, call.call.called].filter(Boolean).join(" → ");
  const ended = call.end ? [call.end.reason, call.end.detail].filter(Boolean).join(": ") : "broken off: the recording was not finished";
  const started = new Date(call.startedAt).toLocaleString();
  document.getElementById("about").textContent = [started, parties, call.model, ended].filter(Boolean).join(" · ");
  const s = call.summary, tiles = [
    ["length", clockText(call.durationMs, 0)], ["turns", s.turns], ["barge-ins", s.bargeIns],
    ["median latency", s.latencyMs == null ? "–" : `${Math.round(s.latencyMs)} ms`],
    ["cost", s.cost == null ? "–" : (s.isCostWhole ? "" : "≥ ") + money(s.cost)],
    ["tool calls", s.tools], ["errors", s.errors, s.errors > 0], ["reconnects", s.reconnects, s.reconnects > 0],
  ];
  for (const [name, value, bad] of tiles) {
    const tile = make("div");
    tile.append(make("dt", "", name), make("dd", bad ? "bad" : "", String(value)));
    document.getElementById("tiles").append(tile);
  }
  document.getElementById("settings").textContent = JSON.stringify(call.settings, null, 2);
  const versions = Object.entries(call.versions).map(pair => pair.join(" ")).join(" · ");
  document.getElementById("foot").textContent = `${versions} · ${call.services.map(one => one.name).join(", ")}`;
}

function seek(ms, listen = true) {
  audio.currentTime = Math.max(0, ms) / 1000;
  moved(ms);
  if (listen) { events.near(ms); audio.play(); }
}

function moved(ms) {
  document.getElementById("clock").textContent = clockText(ms);
  axis.playAt(ms);
  conversation.playAt(ms);
}

function follow() {
  moved(audio.currentTime * 1000);
  if (!audio.paused) requestAnimationFrame(follow);
}

const axis = new TimeAxis(call, seek), conversation = new Conversation(call, seek), events = new Events(call, seek);
headline();
audio.src = URL.createObjectURL(new Blob([bytesOf(call.sound.wav)], { type: "audio/wav" }));
audio.addEventListener("play", () => { play.innerHTML = "&#10074;&#10074;"; follow(); });
audio.addEventListener("pause", () => { play.innerHTML = "&#9654;"; });
play.addEventListener("click", () => audio.paused ? audio.play() : audio.pause());
document.getElementById("speed").addEventListener("change", e => { audio.playbackRate = +e.target.value; });
document.getElementById("in").addEventListener("click", () => axis.zoom(0.6));
document.getElementById("out").addEventListener("click", () => axis.zoom(1.6));
document.getElementById("fit").addEventListener("click", () => axis.show(0, axis.total));
document.addEventListener("keydown", e => {
  if (e.key === " " && !/INPUT|SELECT|BUTTON/.test(e.target.tagName)) { e.preventDefault(); play.click(); }
});
axis.draw();
