// Boxes of many nodes open in place: room is made by moving everything beyond, so that nothing that did not overlap overlaps.
const PAD = 10, BAR = 22;
const details = byId("details"), search = byId("search");

const all = new Map();

class Scene {  // a picture, or the inside of an open box: its boxes, lines and frames, and where they were drawn
  constructor(number, root) {
    this.number = number;
    this.root = root;
    this.boxes = [...root.children].filter((c) => c.classList.contains("box"));
    this.links = [...root.children].filter((c) => c.classList.contains("link"));
    this.tags = [...root.children].filter((c) => c.classList.contains("tag"));
    this.rects = this.boxes.map(extent);
    this.origins = this.boxes.map((b) => b.getAttribute("transform").match(/-?[\d.]+/g).map(Number));
    this.paths = this.links.map((l) => l.querySelector("path").getAttribute("d"));
    this.tagged = this.tags.map((t) => { const r = t.getBBox(); return [r.x + r.width / 2, r.y + r.height / 2]; });
    this.frames = new Map();  // place of an open box -> {group, scene}
    this.rows = data.scenes[number].rows;
    this.inside = data.scenes[number].open;
    this.boxes.forEach((b, i) => {
      b.dataset.scene = number;
      b.dataset.at = i;
      b.setAttribute("tabindex", "0");
      b.setAttribute("role", "button");
      if (i in this.inside) { b.classList.add("opens"); b.setAttribute("aria-expanded", "false"); }
    });
    all.set(number, this);
  }
  size() {
    let [w, h] = data.scenes[this.number].size;
    for (const [i, f] of this.frames) { const [W, H] = f.size; w += W - this.rects[i].w; h += H - this.rects[i].h; }
    return [w, h];
  }
  row(y) { return this.rows.filter((top) => y >= top).length; }
  shift(x, y, but) {  // how far a place moves because boxes before it are open
    let dx = 0, dy = 0;
    for (const [i, f] of this.frames) {
      if (i === but) continue;
      const r = this.rects[i];
      if (this.row(y) === this.row(r.y + r.h / 2)) dx += (f.size[0] - r.w) * Math.min(1, Math.max(0, (x - r.x) / r.w));
      dy += (f.size[1] - r.h) * Math.min(1, Math.max(0, (y - r.y) / r.h));
    }
    return [dx, dy];
  }
  arrange() {
    for (const f of this.frames.values()) {
      const [w, h] = f.scene.size();
      f.size = [w + 2 * PAD, h + PAD + BAR];
    }
    const corner = this.rects.map((r, i) => {
      const [dx, dy] = this.shift(r.x + r.w / 2, r.y + r.h / 2, i);
      return [r.x + dx, r.y + dy];
    });
    this.boxes.forEach((b, i) => {
      const r = this.rects[i], [ox, oy] = this.origins[i];
      b.setAttribute("transform", `translate(${ox + corner[i][0] - r.x} ${oy + corner[i][1] - r.y})`);
      const f = this.frames.get(i);
      if (!f) return;
      f.group.setAttribute("transform", `translate(${corner[i][0]} ${corner[i][1]})`);
      f.plate.setAttribute("width", f.size[0]);
      f.plate.setAttribute("height", f.size[1]);
      f.fold.setAttribute("x", f.size[0] - 16);
      f.hold.setAttribute("width", f.size[0]);
    });
    const edges = data.scenes[this.number].edges;
    const port = (i, x, y) => {  // where a point at a box's border is now
      const r = this.rects[i], f = this.frames.get(i), [w, h] = f ? f.size : [r.w, r.h];
      const along = (v, low, extent, now) => {  // an arrow ends a little before the border
        const inside = Math.min(extent, Math.max(0, v - low));
        return inside / extent * now + (v - low - inside);
      };
      return [corner[i][0] + along(x, r.x, r.w, w), corner[i][1] + along(y, r.y, r.h, h)];
    };
    this.links.forEach((l, e) => {
      if (!this.frames.size) { l.querySelector("path").setAttribute("d", this.paths[e]); return; }
      const words = this.paths[e].match(/[MLC]|-?[\d.]+/g), points = [];
      for (let k = 0; k < words.length; k++) if (!/[MLC]/.test(words[k])) points.push([+words[k], +words[++k]]);
      const moved = points.map(([x, y]) => { const [dx, dy] = this.shift(x, y); return [x + dx, y + dy]; });
      const n = points.length, [tail, head] = edges[e];
      const ends = [[0, port(tail, ...points[0])], [n - 1, port(head, ...points[n - 1])]];
      for (const [k, [x, y]] of ends) {
        const d = [x - moved[k][0], y - moved[k][1]], next = k ? n - 2 : 1;
        moved[k] = [x, y];
        if (n > 2) moved[next] = [moved[next][0] + d[0], moved[next][1] + d[1]];
      }
      let at = 0, path = "";
      for (let k = 0; k < words.length; k++) {
        if (/[MLC]/.test(words[k])) path += words[k];
        else { path += `${moved[at][0].toFixed(1)} ${moved[at][1].toFixed(1)} `; at++; k++; }
      }
      l.querySelector("path").setAttribute("d", path);
    });
    this.tags.forEach((t, k) => t.setAttribute("transform", `translate(${this.shift(...this.tagged[k]).join(" ")})`));
  }
  open(i) {
    if (this.frames.has(i) || !(i in this.inside)) return this.frames.get(i)?.scene;
    const box = this.boxes[i], number = this.inside[i];
    const group = shape("g", {class: "opened"});
    const plate = shape("rect", {class: "frame", rx: 6}, group);
    const hold = shape("rect", {class: "fold", height: BAR, fill: "transparent"}, group);
    const title = shape("text", {class: "r-name", x: PAD, y: 16}, group);
    title.textContent = [...box.querySelectorAll(".r-name,.r-note")].slice(0, 2).map((t) => t.textContent).join(" · ");
    const fold = shape("text", {class: "r-label fold", y: 17, "text-anchor": "middle"}, group);
    fold.textContent = "−";
    shape("g", {transform: `translate(${PAD} ${BAR})`}, group).append(content(number));
    this.root.append(group);
    box.style.display = "none";
    const scene = all.get(number) || new Scene(number, group.lastChild.firstElementChild);
    this.frames.set(i, {group: group, scene: scene, plate: plate, fold: fold, hold: hold, size: [0, 0]});
    for (const end of [fold, hold]) end.addEventListener("click", () => { if (!moved) { this.close(i); refresh(); } });
    return scene;
  }
  close(i) {
    const f = this.frames.get(i);
    if (!f) return;
    f.group.remove();
    this.frames.delete(i);
    for (const number of within(this.inside[i])) all.delete(number);
    this.boxes[i].style.display = "";
  }
}
function within(number) {
  const found = [], stack = [number];
  while (stack.length) { const n = stack.pop(); found.push(n); stack.push(...Object.values(data.scenes[n].open)); }
  return found;
}
const packed = byId("inside");  // of a large graph: all insides, deflated
let insides = null;
const unpacked = packed ? unpack() : Promise.resolve();
async function unpack() {
  const bytes = Uint8Array.from(atob(packed.textContent), (c) => c.charCodeAt(0));
  insides = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
  packed.remove();
}
function content(number) {
  if (insides) {
    const parsed = new DOMParser().parseFromString(`<svg xmlns="${NS}">${insides[number - 1]}</svg>`, "image/svg+xml");
    return document.importNode(parsed.documentElement.firstElementChild, true);
  }
  return document.importNode(byId("scene-" + number).content.firstElementChild.firstElementChild, true);
}
const top_ = new Scene(0, world.firstElementChild);
function refresh() {  // inner pictures first
  const order = [], stack = [top_];
  while (stack.length) { const s = stack.pop(); order.push(s); for (const f of s.frames.values()) stack.push(f.scene); }
  for (const s of order.reverse()) s.arrange();
  [size.w, size.h] = top_.size();
}
let picked = null;
function choose(box) {
  const scene = all.get(+box.dataset.scene), i = +box.dataset.at;
  if (i in scene.inside) {
    if (packed && !insides) { unpacked.then(() => choose(box)); return null; }
    const before = place(box);
    const inner = scene.open(i);
    refresh();
    const now = place(scene.frames.get(i).group);
    view.x += before.x - now.x;
    view.y += before.y - now.y;
    paint();
    return inner;
  }
  if (picked) picked.classList.remove("pick");
  for (const l of svg.querySelectorAll(".near")) l.classList.remove("near");
  picked = box;
  box.classList.add("pick");
  data.scenes[scene.number].edges.forEach(([t, h], e) => { if (t === i || h === i) scene.links[e].classList.add("near"); });
  tell(box);
}
function tell(box) {
  details.replaceChildren();
  details.hidden = false;
  const words = (role) => [...box.querySelectorAll(role)].map((t) => t.textContent);
  const name = words(".r-name").join(" "), label = words(".r-label").join(" ");
  const close = element("button", "×", "", details);
  close.style.float = "right";
  close.addEventListener("click", () => { details.hidden = true; });
  element("h2", [label, name].filter(Boolean).join("  ") || box.classList[1], "", details);
  const title = box.querySelector("title");
  if (title) element("pre", title.textContent, "", details);
  for (const [what, role] of [["value", ".r-value"], ["gradient", ".r-gradient"]]) {
    const lines = words(role);
    if (lines.length) { element("div", what, "waits", details); element("pre", lines.join("\n"), "", details); }
  }
}
svg.addEventListener("click", (e) => { const b = boxOf(e); if (b && !moved) choose(b); });
byId("more").addEventListener("click", () => zoom(1.25));
byId("less").addEventListener("click", () => zoom(0.8));
byId("whole").addEventListener("click", fit);

// Search: in the boxes that are shown, and in those inside of others, which open.
let index = null, hits = [], hit = -1;
function indexed() {
  if (index) return index;
  index = [];
  data.scenes.forEach((_, number) => {
    const root = number ? content(number) : world.firstElementChild;
    [...root.children].filter((c) => c.classList.contains("box")).forEach((b, i) => {
      if (!(i in data.scenes[number].open)) index.push({scene: number, at: i, words: b.textContent.toLowerCase()});
    });
  });
  return index;
}
const parent = new Map();
data.scenes.forEach((s, n) => { for (const i in s.open) parent.set(s.open[i], [n, +i]); });
function reveal(found) {
  const way = [];
  for (let n = found.scene; parent.has(n); n = parent.get(n)[0]) way.unshift(parent.get(n));
  for (const [n, i] of way) all.get(n).open(i);
  refresh();
  const box = all.get(found.scene).boxes[found.at];
  for (const b of svg.querySelectorAll(".hit")) b.classList.remove("hit");
  box.classList.add("hit");
  show(box, 0.7);
  tell(box);
}
function look() {
  if (packed && !insides) { unpacked.then(look); return; }
  const words = search.value.trim().toLowerCase();
  hits = words ? indexed().filter((b) => b.words.includes(words)) : [];
  hit = -1;
  for (const b of svg.querySelectorAll(".hit")) b.classList.remove("hit");
  byId("count").textContent = words ? `${hits.length} found` : "";
}
function next() {
  if (!hits.length) return;
  hit = (hit + 1) % hits.length;
  byId("count").textContent = `${hit + 1} of ${hits.length}`;
  reveal(hits[hit]);
}
search.addEventListener("input", look);
search.addEventListener("keydown", (e) => { if (e.key === "Enter") next(); if (e.key === "Escape") { search.value = ""; look(); search.blur(); } });
window.addEventListener("keydown", (e) => {
  if (typing(e) || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "/") { search.focus(); e.preventDefault(); }
  else if ((e.key === "Enter" || e.key === " ") && e.target.classList && e.target.classList.contains("box")) {
    choose(e.target);
    e.preventDefault();
  } else if (e.key === "Escape") details.hidden = true;
  else if (/^Arrow/.test(e.key)) {
    const [dx, dy] = {ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60]}[e.key];
    view.x += dx; view.y += dy;
    paint();
    e.preventDefault();
  }
});
fit();
if (view.k < 0.5) { const k = Math.min(0.85, Math.max(view.k, (svg.clientHeight - 20) / size.h)); view = {x: 12, y: (svg.clientHeight - size.h * k) / 2, k: k}; paint(); }
