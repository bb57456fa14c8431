// What the dashboard is built of: elements, numbers and times in words, and a gentle replacement.
const Parts = (() => {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  const whole = new Intl.NumberFormat("en");
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) {
        node.setAttribute(name, value === true ? "" : value);
      }
    }
    for (const child of (children || []).flat()) {
      if (child !== null && child !== undefined && child !== "") node.append(child);
    }
    return node;
  };

  const el = (tag, attributes, ...children) =>
    fill(document.createElement(tag), attributes, children);

  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  const alike = (a, b) =>
    a.nodeType === b.nodeType && a.nodeName === b.nodeName &&
    (a.nodeType !== 1 || a.getAttribute("data-key") === b.getAttribute("data-key"));

  // Makes `old` look like `fresh` and leaves alone what has not changed, focus and selection too.
  const morph = (old, fresh) => {
    if (old.nodeType === 3) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const name of old.getAttributeNames()) {
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const name of fresh.getAttributeNames()) {
      const value = fresh.getAttribute(name);
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const wanted = [...fresh.childNodes];
    wanted.forEach((child, index) => {
      const present = old.childNodes[index];
      if (present === undefined) old.append(child);
      else if (alike(present, child)) morph(present, child);
      else present.replaceWith(child);
    });
    while (old.childNodes.length > wanted.length) old.lastChild.remove();
  };

  const show = (place, ...children) => {
    const fresh = place.cloneNode(false);
    fill(fresh, {}, children);
    morph(place, fresh);
  };

  const count = (value) => (Math.abs(value) >= 100000 ? short : whole).format(value);

  const rate = (value) =>
    value === 0 ? "0" : value < 10 ? String(Number(value.toPrecision(2))) : count(Math.round(value));

  const seconds = (value) => {
    if (value === 0) return "0 s";
    if (value < 1) return `${Number((value * 1000).toPrecision(2))} ms`;
    if (value < 10) return `${Number(value.toPrecision(2))} s`;
    if (value < 120) return `${Math.round(value)} s`;
    if (value < 7200) return `${Math.round(value / 60)} min`;
    if (value < 172800) return `${Math.round(value / 3600)} h`;
    return `${Math.round(value / 86400)} d`;
  };

  const time = (epoch, span) => {
    const moment = new Date(epoch * 1000);
    return span >= 3600 ? `${day.format(moment)} ${clock.format(moment)}` : clock.format(moment);
  };

  const date = (epoch) => day.format(new Date(epoch * 1000));

  const ago = (iso, now) => `${seconds(Math.max(0, now - Date.parse(iso) / 1000))} ago`;

  return { el, svg, morph, show, count, whole, rate, seconds, time, date, ago };
})();
