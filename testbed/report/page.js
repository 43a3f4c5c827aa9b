// Synchronous play of the clips of one agent, with what the agent answered drawn over them. Works without a network;
// without scripts the videos keep their own controls.
for (const show of document.querySelectorAll("[data-show]")) {
  const clips = [...show.querySelectorAll(".clip")].map(clip => {
    const video = clip.querySelector("video");
    const data = clip.querySelector("script[type='application/json']");
    return {
      video,
      data: data ? JSON.parse(data.textContent) : null,
      said: clip.querySelector(".said"),
      truth: clip.querySelector(".true"),
      live: clip.querySelector(".live"),
    };
  }).filter(clip => clip.video && clip.data);
  if (!clips.length) continue;
  const charts = [...show.querySelectorAll("svg[data-end]")];
  const play = show.querySelector("[data-play]");
  const slow = show.querySelector("[data-slow]");

  const draw = clip => {
    const time = clip.video.currentTime;
    const answer = last(clip.data.answers, time, item => item.t);
    const truth = last(clip.data.truth, time, item => item[0]);
    box(clip.said, answer && answer.box);
    box(clip.truth, truth && truth[3]);
    const parts = [];
    if (truth) {
      parts.push(time.toFixed(1) + " s · " + besides(truth[1]) + " · " + (truth[2] * 3.6).toFixed(0) + " km/h");
    }
    if (answer) {
      const sure = " (" + Math.round(answer.sure * 100) + " %)";
      const wrong = answer.steer !== answer.expert ? ", expert: " + answer.expert : "";
      parts.push("steer " + answer.steer + sure + wrong + (answer.sign ? " · sign: " + answer.sign : ""));
    }
    clip.live.textContent = parts.join("\n");
  };
  let running = false;
  const loop = () => {
    for (const clip of clips) draw(clip);
    const now = Math.max(...clips.map(clip => clip.video.currentTime));
    heads(charts, now);
    seek.value = now;
    if (running) requestAnimationFrame(loop);
  };
  const stop = () => {
    running = false;
    for (const clip of clips) clip.video.pause();
    play.textContent = "▶ Play all";
  };
  const seek = show.querySelector("[data-seek]");
  const go = time => { for (const clip of clips) clip.video.currentTime = Math.min(time, clip.video.duration || time); };
  play.hidden = slow.hidden = seek.hidden = false;
  for (const clip of clips) {
    clip.video.controls = false;
    clip.video.addEventListener("click", () => play.click());
  }
  seek.addEventListener("input", () => { fresh = false; go(+seek.value); });
  let fresh = true;
  Promise.all(clips.map(clip => clip.video.readyState > 0 ? null : new Promise(done =>
    clip.video.addEventListener("loadedmetadata", done, {once: true})))).then(() => go(+show.dataset.start));
  play.addEventListener("click", () => {
    if (running) { stop(); return; }
    const ended = clips.every(clip => clip.video.ended);
    const start = ended || fresh ? 0 : Math.min(...clips.map(clip => clip.video.currentTime));
    fresh = false;
    for (const clip of clips) {
      clip.video.currentTime = start;
      clip.video.playbackRate = slow.getAttribute("aria-pressed") === "true" ? 0.4 : 1;
      clip.video.play();
    }
    running = true;
    play.textContent = "⏸ Pause";
    requestAnimationFrame(loop);
  });
  slow.addEventListener("click", () => {
    const on = slow.getAttribute("aria-pressed") !== "true";
    slow.setAttribute("aria-pressed", String(on));
    slow.textContent = on ? "Slow ✓" : "Slow";
    for (const clip of clips) clip.video.playbackRate = on ? 0.4 : 1;
  });
  for (const clip of clips) {
    clip.video.addEventListener("seeked", loop);
    clip.video.addEventListener("play", () => { if (!running) { running = true; requestAnimationFrame(loop); } });
    clip.video.addEventListener("ended", () => { if (clips.every(other => other.video.ended)) stop(); });
    clip.video.addEventListener("pause", () => { if (clips.every(other => other.video.paused)) stop(); });
  }
  onChart(charts, time => { fresh = false; go(time); });
  loop();
}
