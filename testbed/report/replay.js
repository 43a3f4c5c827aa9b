"use strict";
// What every replay needs: the entry that holds at a time, boxes over a picture, and the lines that walk over charts.
const last = (list, time, at) => {
  let found = null;
  for (const item of list) { if (at(item) <= time + 1e-6) found = item; else break; }
  return found;
};
const box = (rect, value) => {
  if (!value) { rect.setAttribute("visibility", "hidden"); return; }
  rect.setAttribute("visibility", "visible");
  rect.setAttribute("x", value[0]); rect.setAttribute("y", value[1]);
  rect.setAttribute("width", Math.max(0, value[2] - value[0]));
  rect.setAttribute("height", Math.max(0, value[3] - value[1]));
};
const heads = (charts, time) => {
  for (const chart of charts) {
    const line = chart.querySelector(".playhead");
    const end = +chart.dataset.end, left = +chart.dataset.left, right = +chart.dataset.right;
    const x = left + Math.min(time / end, 1) * (right - left);
    line.setAttribute("x1", x); line.setAttribute("x2", x);
    line.classList.add("on");
  }
};
const onChart = (charts, go) => {
  for (const chart of charts) {
    chart.addEventListener("click", event => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
      const end = +chart.dataset.end, left = +chart.dataset.left, right = +chart.dataset.right;
      go(Math.max(0, Math.min(1, (point.x - left) / (right - left))) * end);
    });
  }
};
const besides = metres => Math.abs(metres).toFixed(2) + " m" + (metres > 0.005 ? " left" : metres < -0.005 ? " right" : "");
