"use strict";
// The time axis: both waveforms, spans, marks, and the part of the call that is seen.

const ROWS = { ruler: 0, caller: 22, speech: 96, bot: 112, answers: 186, tools: 204, marks: 222, end: 262 };
const MARKS = { bargein: "⚡", settings: "⚙", error: "!", link: "⟳", key: "#", note: "✎" };

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function clockText(ms, digits = 1) {
  const secs = Math.max(0, ms) / 1000;
  return `${Math.floor(secs / 60)}:${(secs % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

class TimeAxis {
  constructor(call, onSeek) {
    this.call = call;
    this.onSeek = onSeek;
    this.canvas = document.getElementById("axis");
    this.overview = document.getElementById("overview");
    this.tip = document.getElementById("tip");
    this.peaks = { caller: bytesOf(call.sound.caller), bot: bytesOf(call.sound.bot) };
    this.total = Math.max(1, call.durationMs);
    this.from = 0;
    this.to = this.total;
    this.now = 0;
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme:dark)").addEventListener("change", () => this.draw());
  }

  listen() {
    const at = e => this.timeAt(e.offsetX);
    let drag = null;
    this.canvas.addEventListener("pointerdown", e => { drag = { x: e.offsetX, from: this.from, to: this.to, moved: false }; this.canvas.setPointerCapture(e.pointerId); });
    this.canvas.addEventListener("pointermove", e => {
      if (drag && (drag.moved || Math.abs(e.offsetX - drag.x) > 4)) {
        drag.moved = true;
        const shift = (drag.x - e.offsetX) / this.width * (drag.to - drag.from);
        this.show(drag.from + shift, drag.to + shift);
      } else this.point(e);
    });
    this.canvas.addEventListener("pointerup", e => { if (drag && !drag.moved) this.onSeek(at(e)); drag = null; });
    this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    this.canvas.addEventListener("wheel", e => {
      e.preventDefault();
      if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
        const shift = e.deltaX / this.width * (this.to - this.from);
        this.show(this.from + shift, this.to + shift);
      } else this.zoom(Math.exp(e.deltaY / 400), at(e));
    }, { passive: false });
    const move = e => {
      if (!e.buttons) return;
      const middle = e.offsetX / this.overview.clientWidth * this.total, half = (this.to - this.from) / 2;
      this.show(middle - half, middle + half);
    };
    this.overview.addEventListener("pointerdown", move);
    this.overview.addEventListener("pointermove", move);
  }

  get width() { return this.canvas.clientWidth; }
  timeAt(x) { return this.from + x / this.width * (this.to - this.from); }
  xAt(ms) { return (ms - this.from) / (this.to - this.from) * this.width; }

  zoom(factor, around = (this.from + this.to) / 2) {
    const length = Math.min(this.total, Math.max(300, (this.to - this.from) * factor));
    const share = (around - this.from) / (this.to - this.from);
    this.show(around - share * length, around - share * length + length);
  }

  show(from, to) {
    const length = Math.min(this.total, to - from);
    this.from = Math.min(Math.max(0, from), this.total - length);
    this.to = this.from + length;
    this.draw();
  }

  playAt(ms) {
    this.now = ms;
    if (ms > this.to && ms < this.total) this.show(ms, ms + this.to - this.from);
    else this.draw();
  }

  draw() {
    const pen = this.begin(this.canvas), css = getComputedStyle(document.documentElement);
    this.colour = name => css.getPropertyValue("--" + name).trim();
    this.ruler(pen);
    for (const [start, end] of this.call.speech) this.span(pen, start, end, ROWS.speech, 8, this.colour("caller"));
    this.wave(pen, this.peaks.caller, ROWS.caller, this.colour("caller"));
    this.wave(pen, this.peaks.bot, ROWS.bot, this.colour("bot"));
    for (const one of this.call.silenced) if (one.who === "caller") this.silence(pen, one);
    for (const answer of this.call.answers) this.answer(pen, answer);
    for (const tool of this.call.tools) this.span(pen, tool.started_ms, tool.ended_ms ?? this.total, ROWS.tools, 12, this.colour("tool"), tool.name);
    for (const mark of this.call.marks) this.mark(pen, mark);
    const x = this.xAt(this.now);
    pen.fillStyle = this.colour("now");
    pen.fillRect(x - 0.75, 0, 1.5, ROWS.end);
    this.drawOverview();
  }

  begin(canvas) {
    const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = +canvas.getAttribute("data-height") || canvas.height;
    canvas.setAttribute("data-height", height);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = height + "px";
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    return pen;
  }

  ruler(pen) {
    const steps = [100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000, 300000, 600000];
    const step = steps.find(one => one / (this.to - this.from) * this.width > 74) || 1800000;
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      const x = this.xAt(at);
      pen.fillStyle = this.colour("line");
      pen.fillRect(x, 0, 1, ROWS.marks);
      pen.fillStyle = this.colour("dim");
      pen.fillText(clockText(at, step < 1000 ? 1 : 0), x + 4, 9);
    }
  }

  wave(pen, peaks, top, colour) {
    const middle = top + 35, step = this.call.sound.stepMs;
    pen.fillStyle = this.colour("line");
    pen.fillRect(0, middle, this.width, 1);
    pen.fillStyle = colour;
    for (let x = 0; x < this.width; x++) {
      const first = Math.floor(this.timeAt(x) / step), last = Math.max(first + 1, Math.ceil(this.timeAt(x + 1) / step));
      let peak = 0;
      for (let i = Math.max(0, first); i < Math.min(last, peaks.length); i++) peak = Math.max(peak, peaks[i]);
      const height = peak / 255 * 34;
      if (peak > 2) pen.fillRect(x, middle - height, 1, 2 * height);
    }
  }

  span(pen, start, end, top, height, colour, text = "") {
    if (end < this.from || start > this.to) return;
    const x = Math.max(-4, this.xAt(start)), width = Math.max(2, Math.min(this.width + 4, this.xAt(end)) - x);
    pen.fillStyle = colour;
    pen.beginPath();
    pen.roundRect(x, top, width, height, 3);
    pen.fill();
    if (text && width > pen.measureText(text).width + 8) {
      pen.fillStyle = this.colour("card");
      pen.fillText(text, x + 4, top + height / 2 + 1);
    }
  }

  answer(pen, answer) {
    const last = answer.spans.at(-1);
    if (last && answer.saidMs - answer.heardMs > 20)
      this.span(pen, last[1], last[1] + answer.saidMs - answer.heardMs, ROWS.answers, 12, this.colour("unheard"));
    for (const [start, end] of answer.spans) this.span(pen, start, end, ROWS.answers, 12, this.colour("bot"));
  }

  silence(pen, one) {
    this.span(pen, one.from, Math.min(one.to, this.total), ROWS.caller, 70, this.colour("silenced"));
  }

  mark(pen, mark) {
    const x = this.xAt(mark.at);
    if (x < -10 || x > this.width + 10) return;
    const isBad = mark.kind === "error" || mark.kind === "bargein" || mark.kind === "link";
    pen.strokeStyle = pen.fillStyle = this.colour(isBad ? "bad" : "dim");
    pen.setLineDash([3, 3]);
    pen.beginPath(); pen.moveTo(x, ROWS.caller); pen.lineTo(x, ROWS.marks + 6); pen.stroke();
    pen.setLineDash([]);
    pen.beginPath(); pen.arc(x, ROWS.marks + 17, 10, 0, 7); pen.fill();
    pen.fillStyle = this.colour("card");
    pen.font = "bold 12px system-ui, 'DejaVu Sans', sans-serif";
    pen.textAlign = "center";
    pen.fillText(MARKS[mark.kind] || "•", x, ROWS.marks + 18);
    pen.textAlign = "left";
    pen.font = "11px system-ui, sans-serif";
  }

  drawOverview() {
    const pen = this.begin(this.overview), width = this.overview.clientWidth, count = this.peaks.bot.length || 1;
    for (const [peaks, colour] of [[this.peaks.caller, "caller"], [this.peaks.bot, "bot"]]) {
      pen.fillStyle = this.colour(colour);
      for (let x = 0; x < width; x++) {
        let peak = 0;
        for (let i = Math.floor(x / width * count); i < Math.ceil((x + 1) / width * count); i++) peak = Math.max(peak, peaks[i] || 0);
        if (peak > 2) pen.fillRect(x, colour === "caller" ? 16 - peak / 16 : 18, 1, peak / 16);
      }
    }
    pen.strokeStyle = this.colour("dim");
    pen.strokeRect(this.from / this.total * width + 0.5, 0.5, (this.to - this.from) / this.total * width - 1, 33);
    pen.fillStyle = this.colour("now");
    pen.fillRect(this.now / this.total * width, 0, 1, 34);
  }

  // What lies under the pointer, in words.
  point(e) {
    const at = this.timeAt(e.offsetX), y = e.offsetY, near = 9 / this.width * (this.to - this.from);
    const mark = this.call.marks.find(one => Math.abs(one.at - at) < near && y > ROWS.marks);
    const tool = this.call.tools.find(one => one.started_ms - near < at && at < (one.ended_ms ?? this.total) + near && y > ROWS.tools && y < ROWS.marks);
    const turn = this.call.turns.findLast(one => one.started_ms <= at);
    let text = clockText(at, 2);
    if (mark) text += `  ${mark.text}`;
    else if (tool) text += `  ${tool.name}(${JSON.stringify(tool.arguments)}) = ${JSON.stringify(tool.result)}`;
    else if (turn && y > ROWS.bot && y < ROWS.tools && turn.bot_text) text += `  bot: ${turn.bot_text}`;
    else if (turn && y < ROWS.bot && turn.user_text) text += `  caller: ${turn.user_text}`;
    this.tip.textContent = text;
    this.tip.hidden = false;
    this.tip.style.left = Math.min(e.offsetX + 12, this.width - 260) + "px";
    this.tip.style.top = (y > 150 ? y - 40 : y + 16) + "px";
  }
}
