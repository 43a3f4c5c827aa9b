// Replay of one drive: pictures of its trace one after the other, what was answered about them, what was true.
const drive = JSON.parse(document.getElementById("drive").textContent);
const at = name => document.querySelector(name);
const charts = [...document.querySelectorAll("svg[data-end]")];
const seek = at("[data-seek]"), play = at("[data-play]"), slow = at("[data-slow]"), picture = at("[data-picture]");
const end = +seek.max;
let now = 0, running = false, before = 0;

const share = value => value === null || value === undefined ? "" : " (" + Math.round(100 * value) + " %)";
const metres = value => value === null ? "–" : value.toFixed(1) + " m";
const put = (name, said, truth, wrong) => {
  const row = at("[data-row=" + name + "]");
  row.children[1].textContent = said;
  row.children[2].textContent = truth;
  row.classList.toggle("wrong-answer", Boolean(wrong));
};
const show = () => {
  const frame = last(drive.frames, now, item => item[0]);
  if (frame && picture) {
    const source = "data:image/jpeg;base64," + frame[1];
    if (picture.src !== source) picture.src = source;
  }
  const step = last(drive.steps, now, item => item.t) || drive.steps[0];
  const answer = last(drive.answers, now, item => item.t);
  if (picture) {
    box(at(".said"), answer && answer.box);
    box(at(".true"), step.lead);
    box(at(".plate"), step.sign);
  }
  at("[data-time]").textContent = now.toFixed(2) + " s, frame " + step.frame;
  if (answer) {
    put("steering", answer.steer + share(answer.sure), answer.expert, answer.steer !== answer.expert);
    put("vehicle", answer.vehicle + share(answer.vehicle_sure), answer.vehicle_true, answer.vehicle !== answer.vehicle_true);
    put("sign", answer.sign === null ? "not asked" : answer.sign + share(answer.sign_sure), answer.sign_true || "none",
      answer.sign !== null && answer.sign !== answer.sign_true);
    put("age", Math.round(1000 * (now - answer.seen_t)) + " ms", "0 ms");
  }
  put("offset", "", besides(step.offset_m));
  put("speed", "", step.speed_kmh.toFixed(0) + " km/h" + (step.limit_kmh === null ? "" : " of " + step.limit_kmh.toFixed(0)));
  put("gap", "", metres(step.gap_m));
  put("acceleration", step.acceleration_mps2.toFixed(1) + " m/s²", "");
  put("steer", Math.abs(step.steer).toFixed(2) + (step.steer < -0.005 ? " left" : step.steer > 0.005 ? " right" : ""), "");
  seek.value = now;
  heads(charts, now);
};
const go = time => { now = Math.max(0, Math.min(time, end)); show(); };
const pace = () => slow.getAttribute("aria-pressed") === "true" ? 0.3 : 1;
const tick = moment => {
  if (!running) return;
  go(now + pace() * (moment - before) / 1000);
  before = moment;
  if (now >= end) stop(); else requestAnimationFrame(tick);
};
const stop = () => { running = false; play.textContent = "▶ Play"; };
play.addEventListener("click", () => {
  if (running) { stop(); return; }
  if (now >= end) now = 0;
  running = true;
  play.textContent = "⏸ Pause";
  before = performance.now();
  requestAnimationFrame(tick);
});
slow.addEventListener("click", () => {
  const on = slow.getAttribute("aria-pressed") !== "true";
  slow.setAttribute("aria-pressed", String(on));
  slow.textContent = on ? "Slow ✓" : "Slow";
});
seek.addEventListener("input", () => { stop(); go(+seek.value); });
for (const button of document.querySelectorAll("[data-go]")) {
  button.addEventListener("click", () => { stop(); go(+button.dataset.go); at("#replay").scrollIntoView({block: "start"}); });
}
document.addEventListener("keydown", event => {
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    stop();
    go(now + (event.key === "ArrowRight" ? 1 : -1) * drive.step_s);
    event.preventDefault();
  }
});
onChart(charts, time => { stop(); go(time); });
for (const hidden of document.querySelectorAll(".bar [hidden]")) hidden.hidden = false;
const asked = new URLSearchParams(location.hash.slice(1)).get("t");
go(asked === null || isNaN(+asked) ? drive.start_s : +asked);
