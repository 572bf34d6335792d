// The page in a frame of its own; where it stands is the widget's `position`, and the other way round.
export default {
  render({model, el}) {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.title = "backprop, step by step";
    frame.style.cssText = `width:100%;height:${model.get("height")}px;border:0`;
    let shown = false, heard = false;
    const send = () => { if (!heard) frame.contentWindow?.postMessage({step: model.get("position")}, "*"); };
    const hear = (e) => {
      if (e.source !== frame.contentWindow || !e.data || !Number.isInteger(e.data.step)) return;
      if (!shown) { shown = true; send(); return; }  // it begins where it was saved
      if (model.get("position") === e.data.step) return;
      heard = true;  // what the page said is not said back to it: it may be further by now
      model.set("position", e.data.step);
      heard = false;
      model.save_changes();
    };
    window.addEventListener("message", hear);
    model.on("change:position", send);
    frame.srcdoc = model.get("page");
    el.append(frame);
    return () => { window.removeEventListener("message", hear); model.off("change:position", send); };
  },
};
