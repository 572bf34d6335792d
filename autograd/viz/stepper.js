// One step at a time. The state after so many steps is worked out from the list of steps alone.
const steps = data.steps, last = steps.length, slider = byId("slider"), panel = byId("panel");
const users = data.symbols.map(() => new Set());
for (const s of steps) for (const share of s.s || []) users[share[0]].add(s.n);
const made = new Map(steps.filter((s) => s.p === "f").map((s) => [s.n, s.t]));
const rows = boxes.map((box) => ({value: [...box.querySelectorAll(".r-value")], grad: [...box.querySelectorAll(".r-gradient")]}));
const marks = shape("g", {}, world.firstElementChild);
const heard = boxes.map((box) => {
  const plate = box.querySelector("rect") || box;
  const x = +plate.getAttribute("x") + +plate.getAttribute("width") - 3, y = +plate.getAttribute("y") - 3;
  return shape("text", {class: "heard", x: x, y: y, "text-anchor": "end"}, box);
});
const plates = boxes.map(extent);
let position = 0, told = null, timer = null, taken = [];

function write(texts, lines) { texts.forEach((t, k) => { t.textContent = lines ? lines[k] || "" : k ? "" : "–"; }); }
function box(node) { return boxes[data.home[node]]; }
function alone(node) { return data.single[data.home[node]]; }

function render() {
  const known = new Set(data.given), gathered = new Map(), spoken = data.symbols.map(() => new Set()), complete = new Set();
  const values = new Map();
  for (let k = 0; k < position; k++) {
    const s = steps[k];
    if (s.p === "f") { known.add(s.n); values.set(s.n, s.v); }
    if (s.p === "s") gathered.set(s.n, s.g);
    if (s.p === "b") for (const share of s.s) { gathered.set(share[0], share[6]); spoken[share[0]].add(s.n); }
    if (s.p === "b" || s.p === "l") complete.add(s.n);
    if (s.p === "l") gathered.set(s.n, s.z);
  }
  const back = position >= data.start;
  data.symbols.forEach((_, n) => {
    if (!alone(n)) return;
    const at = data.home[n];
    if (!data.given.includes(n)) write(rows[at].value, values.get(n));
    if (rows[at].grad.length) write(rows[at].grad, gathered.get(n));
    boxes[at].classList.toggle("todo", !known.has(n));
    boxes[at].classList.toggle("empty", !gathered.has(n));
    const all = users[n].size, so = spoken[n].size;
    heard[at].textContent = !back || !all ? "" : all > 6 ? `${so}/${all}` : "●".repeat(so) + "○".repeat(all - so);
  });
  boxes.forEach((b) => b.classList.remove("now"));
  links.forEach((l) => l.classList.remove("flow", "down", "up"));
  marks.replaceChildren();
  taken = [];
  panel.replaceChildren();
  const s = position ? steps[position - 1] : null;
  if (s) {
    box(s.n).classList.add("now");
    if (data.long) show(box(s.n));
  }
  byId("count").textContent = `step ${position} of ${last}`;
  slider.value = position;
  slider.setAttribute("aria-valuetext", `step ${position} of ${last}`);
  if (!s) { element("h2", "Given", "", panel); element("p", data.begin, "", panel); return; }
  ({f: forward, s: seed, b: backward, l: leaf})[s.p](s);
}
function flow(from, to, down, words) {
  links.forEach((link, e) => {
    const [tail, head] = data.edges[e];
    if (tail !== data.home[from] || head !== data.home[to] || tail === head) return;
    const path = link.querySelector("path"), many = link.classList.contains("flow");
    link.classList.add("flow");
    if (down) link.classList.add("down");
    if (!words || many || [...marks.children].some((m) => m.dataset.of === `${tail} ${head} ${words}`)) return;
    const mark = shape("text", {class: "said", "text-anchor": "middle"}, marks);
    mark.dataset.of = `${tail} ${head} ${words}`;
    mark.textContent = words;
    beside(mark, path);
  });
}
function beside(mark, path) {  // at the place of the line where it covers least
  const wide = words(mark), length = path.getTotalLength();
  let best = null;
  for (const [t, above] of [[0.5, 15], [0.4, 15], [0.6, 15], [0.3, 15], [0.7, 15], [0.2, 15], [0.8, 15], [0.5, 29], [0.5, -3]]) {
    const p = path.getPointAtLength(length * t), mine = {x: p.x - wide / 2, y: p.y - above, w: wide, h: 14};
    let covered = 0;
    for (const other of [...plates, ...taken]) {
      const w = Math.min(mine.x + mine.w, other.x + other.w) - Math.max(mine.x, other.x);
      const h = Math.min(mine.y + mine.h, other.y + other.h) - Math.max(mine.y, other.y);
      if (w > 0 && h > 0) covered += w * h;
    }
    if (!best || covered < best.covered) best = {covered: covered, x: p.x, mine: mine};
    if (!covered) break;
  }
  mark.setAttribute("x", best.x);
  mark.setAttribute("y", best.mine.y + 11);
  taken.push(best.mine);
}
function words(mark) { return mark.getComputedTextLength() + 6; }
function forward(s) {
  element("h2", "Forward: " + s.t, "", panel);
  element("p", "= " + s.r, "", panel);
  element("p", data.docs[s.d], "", panel);
  for (const from of s.i) flow(from, s.n, true);
}
function seed(s) {
  element("h2", "Backprop starts", "", panel);
  const p = element("p", s.t + (s.r === "1" ? "" : "  (given: " + s.r + ")"), "grad", panel);
  p.dataset.gradient = s.r;
  element("p", "The derivative of the result by itself. From here on, every node waits until all that use it have passed their "
    + "share on (the dots above a box); then its gradient is complete, and it speaks.", "", panel);
}
function backward(s) {
  element("h2", made.get(s.n), "", panel);
  const p = element("p", null, "", panel);
  element("span", s.t + " = " + s.r, "grad", p).dataset.gradient = s.r;
  element("span", " is complete: " + why(s) + ".", "", p);
  element("p", data.docs[s.d], "", panel);
  const table = element("table", null, "", panel), head = element("tr", null, "", table);
  for (const words of ["to", "upstream × local derivative", "= contribution", "gradient gathered", ""]) element("th", words, "", head);
  for (const [to, rule, factor, amount, before, after, , summed] of s.s) {
    const row = element("tr", null, "", table), name = data.symbols[to];
    row.dataset.to = name;
    element("td", name, "", row);
    const product = element("td", null, "", row);
    const bare = Array.isArray(rule) || (!/[+− ]/.test(rule) || rule.startsWith("["));
    element("div", Array.isArray(rule) ? rule[0] : `${s.t} · ${bare ? rule : `(${rule})`}`, "sym", product);
    if (factor !== null) element("div", `${s.r} × ${factor}`, "", product);
    const share = element("td", null, "", row);
    element("div", amount, "amount", share);
    if (summed) element("div", "summed over broadcast axes", "waits", share);
    const sum = element("td", null, "", row);
    element("span", `∂${data.symbols.at(-1)}/∂${name} = ` + (before === null ? "" : `${before} + ${amount} = `), "", sum);
    element("span", after, "grad", sum);
    const waits = [...users[to]].filter((n) => !done(n)).map((n) => data.symbols[n]);
    const words = waits.length ? "waits for " + waits.slice(0, 6).join(", ") + (waits.length > 6 ? ", …" : "") : "complete";
    element("td", words, waits.length ? "waits" : "ready", row);
    flow(to, s.n, false, amount.length < 16 ? amount : "");
  }
}
function why(s) {
  const who = steps.filter((t) => t.p === "b" && t.s.some((share) => share[0] === s.n)).map((t) => data.symbols[t.n]);
  if (!who.length) return "backprop starts here";
  if (who.length === 1) return `${who[0]}, all that uses it, has passed its share on`;
  return `all ${who.length} that use it (${who.slice(0, 12).join(", ")}${who.length > 12 ? ", …" : ""}) have passed their shares on`;
}
function done(node) { return steps.slice(0, position).some((s) => s.p === "b" && s.n === node); }
function leaf(s) {
  element("h2", s.t, "", panel);
  const p = element("p", null, "", panel);
  const shown = element("span", "= " + s.r, "grad", p);
  shown.dataset.gradient = s.r;
  if (s.e) element("span", "   (" + s.e + ")", "", p);
  if (s.h !== null) element("p", `It was ${s.h}: backward() adds, and leaves ${s.y}.`, "", panel);
  element("p", "A leaf: its gradient is complete, since " + why(s) + ", and it stays in .grad.", "", panel);
}
function go(to) {
  position = Math.min(Math.max(Math.round(to), 0), last);
  render();
  if (window.parent === window || position === told) return;
  told = position;
  window.parent.postMessage({step: position}, "*");  // to the widget whose frame this is
}
window.addEventListener("message", (e) => {
  if (e.source === window.parent && e.data && Number.isInteger(e.data.step) && e.data.step !== position) go(e.data.step);
});
function play() {
  const button = byId("play");
  if (timer !== null) { clearInterval(timer); timer = null; button.textContent = "▶ play"; return; }
  if (position >= last) go(data.start);
  button.textContent = "⏸ pause";
  timer = setInterval(() => { if (position >= last) play(); else go(position + 1); }, 1100);
}
byId("first").addEventListener("click", () => go(data.start));
byId("back").addEventListener("click", () => go(position - 1));
byId("next").addEventListener("click", () => go(position + 1));
byId("end").addEventListener("click", () => go(last));
byId("play").addEventListener("click", play);
slider.addEventListener("input", () => go(+slider.value));
function chosen(b) {
  const at = boxes.indexOf(b);
  for (const kind of position >= data.start ? ["b", "l", "f"] : ["f", "b", "l"])
    for (let k = 0; k < last; k++) if (steps[k].p === kind && data.home[steps[k].n] === at) return go(k + 1);
}
svg.addEventListener("click", (e) => { const b = boxOf(e); if (b && !moved) chosen(b); });
window.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const onBox = e.target.classList && e.target.classList.contains("box");
  if (e.key === "ArrowRight") go(position + 1);
  else if (e.key === "ArrowLeft") go(position - 1);
  else if (e.key === "Home") go(0);
  else if (e.key === "End") go(last);
  else if (e.key === "Enter" && onBox) chosen(e.target);
  else if (e.key === " " && e.target.tagName !== "BUTTON") play();
  else return;
  e.preventDefault();
});
function asked() {
  const found = /step=(\d+)/.exec(location.hash);
  return found ? +found[1] : +document.body.dataset.start;
}
window.addEventListener("hashchange", () => go(asked()));
slider.max = last;
const [early, late] = document.querySelectorAll(".phases span");
early.style.flex = data.start + " 1 0";
late.style.flex = (last - data.start) + " 1 0";
function settle(to) {
  fit();
  data.long = view.k < 0.62;
  if (data.long) zoom(0.85 / view.k);
  go(to);
}
refit = () => settle(position);
settle(asked());
