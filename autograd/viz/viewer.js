// A picture that can be moved: drag, wheel, keys, search, a click for details. No text of the user's is ever markup here.
"use strict";
const byId = (id) => document.getElementById(id);
const svg = byId("graph"), world = byId("world"), NS = svg.namespaceURI;
const data = JSON.parse(byId("data").textContent);
const children = (kind) => [...world.querySelectorAll(kind)];
let boxes = children(".box"), links = children(".link");
let view = {x: 0, y: 0, k: 1}, size = {w: data.size[0], h: data.size[1]};

function element(tag, words, kind, parent) {
  const made = document.createElement(tag);
  if (words !== undefined && words !== null) made.textContent = words;
  if (kind) made.className = kind;
  if (parent) parent.append(made);
  return made;
}
function shape(tag, attributes, parent) {
  const made = document.createElementNS(NS, tag);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  if (parent) parent.append(made);
  return made;
}
function paint() {
  world.setAttribute("transform", `translate(${view.x.toFixed(2)} ${view.y.toFixed(2)}) scale(${view.k.toFixed(4)})`);
}
function fit() {
  const w = svg.clientWidth, h = svg.clientHeight - 20, pad = 16;
  const k = Math.min((w - pad) / size.w, (h - pad) / size.h);
  view.k = Math.min(1.25, Math.max(k, 0.02));
  view.x = (w - size.w * view.k) / 2;
  view.y = (h - size.h * view.k) / 2;
  paint();
}
function zoom(factor, cx, cy) {
  if (cx === undefined) { cx = svg.clientWidth / 2; cy = svg.clientHeight / 2; }
  const k = Math.min(6, Math.max(0.02, view.k * factor));
  view.x = cx - (cx - view.x) * k / view.k;
  view.y = cy - (cy - view.y) * k / view.k;
  view.k = k;
  paint();
}
function place(box) {
  const r = box.getBoundingClientRect(), s = svg.getBoundingClientRect();
  return {x: r.x - s.x, y: r.y - s.y, w: r.width, h: r.height};
}
function show(box, least) {  // move the picture just so far that the box is in it
  if (least && view.k < least) zoom(least / view.k);
  const p = place(box), w = svg.clientWidth, h = svg.clientHeight, pad = 40;
  if (p.x < pad || p.x + p.w > w - pad) view.x += w / 2 - (p.x + p.w / 2);
  if (p.y < pad || p.y + p.h > h - pad) view.y += h / 2 - (p.y + p.h / 2);
  paint();
}
let held = null, moved = false;
svg.addEventListener("pointerdown", (e) => { held = {x: e.clientX, y: e.clientY}; moved = false; });
window.addEventListener("pointermove", (e) => {
  if (!held) return;
  const dx = e.clientX - held.x, dy = e.clientY - held.y;
  if (!moved && Math.hypot(dx, dy) < 4) return;
  moved = true;
  svg.classList.add("drag");
  view.x += dx; view.y += dy; held = {x: e.clientX, y: e.clientY};
  paint();
});
window.addEventListener("pointerup", () => { held = null; svg.classList.remove("drag"); });
svg.addEventListener("wheel", (e) => {
  e.preventDefault();
  const s = svg.getBoundingClientRect();
  zoom(Math.exp(-e.deltaY * 0.0015), e.clientX - s.x, e.clientY - s.y);
}, {passive: false});
function extent(box) {  // in the picture's own units
  const r = box.getBBox(), [x, y] = box.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
  return {x: r.x + x, y: r.y + y, w: r.width, h: r.height};
}
function boxOf(e) { return e.target.closest ? e.target.closest(".box") : null; }
function labelled() {
  for (const box of boxes) {
    box.setAttribute("tabindex", "0");
    box.setAttribute("role", "button");
  }
}
const typing = (e) => e.target.tagName === "INPUT" && e.target.type === "search";
window.addEventListener("keydown", (e) => {
  if (typing(e) || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "+" || e.key === "=") zoom(1.25);
  else if (e.key === "-") zoom(0.8);
  else if (e.key === "0") fit();
  else return;
  e.preventDefault();
});
let refit = fit;
window.addEventListener("resize", () => refit());
labelled();
