// Charts as SVG: lines, stacked areas and stacked bars, read by pointer, keyboard or as a table.
const Charts = (() => {
  "use strict";
  const { el, svg, show } = Parts;

  const HEIGHT = 168;
  const EDGE = { top: 10, right: 8, bottom: 22, left: 46 };

  const ceiling = (value) => {
    if (value <= 0) return 1;
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value) * power;
  };

  // Durations have steps of their own: nobody counts in hundreds of seconds.
  const LENGTHS = [60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
  const longest = (value) =>
    value <= 60 ? ceiling(value) : LENGTHS.find((length) => length >= value) ||
      Math.ceil(value / 86400) * 86400;

  const stacked = (lines) => {
    const floor = [];
    return lines.map((line) => ({
      ...line,
      base: line.points.map((_, i) => floor[i] || 0),
      top: line.points.map((value, i) => (floor[i] = (floor[i] || 0) + (value || 0))),
    }));
  };

  // A path with gaps where nothing is known.
  const track = (points, x, y) => {
    let path = "";
    let pen = false;
    points.forEach((value, i) => {
      if (value === null) pen = false;
      else {
        path += `${pen ? "L" : "M"}${x(i).toFixed(1)},${y(value).toFixed(1)}`;
        pen = true;
      }
    });
    return path;
  };

  const area = (line, x, y) => {
    const there = line.top.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`);
    const back = line.base.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).reverse();
    return `M${there.join("L")}L${back.join("L")}Z`;
  };

  const bars = (line, x, y, step) =>
    line.top
      .map((top, i) => {
        const height = y(line.base[i]) - y(top);
        if (height <= 0) return "";
        const wide = Math.max(1, step * 0.72);
        const left = (x(i) - wide / 2).toFixed(1);
        return `M${left},${y(top).toFixed(1)}h${wide.toFixed(1)}v${height.toFixed(1)}h${(-wide).toFixed(1)}Z`;
      })
      .join("");

  // Single points would have no line to be seen by.
  const dots = (points, x, y) =>
    points.map((value, i) => {
      const alone = (points[i - 1] ?? null) === null && (points[i + 1] ?? null) === null;
      return value !== null && alone ? svg("circle", { cx: x(i), cy: y(value), r: 2.2 }) : null;
    });

  const marks = {
    line: (line, x, y) => [
      svg("path", { d: track(line.points, x, y), class: "stroke" }),
      ...dots(line.points, x, y),
    ],
    area: (line, x, y) => [
      svg("path", { d: area(line, x, y), class: "fill" }),
      svg("path", { d: track(line.top, x, y), class: "stroke" }),
    ],
    bars: (line, x, y, step) => [svg("path", { d: bars(line, x, y, step), class: "solid" })],
  };

  const timeTicks = (chart, room) => {
    const { moments, span } = chart;
    const steps = [300, 900, 3600, 7200, 14400, 86400, 172800];
    const whole = (moments.length * span) / Math.max(2, Math.floor(room / 90));
    const step = steps.find((each) => each >= whole) || 172800;
    const offset = new Date(moments[0] * 1000).getTimezoneOffset() * 60;
    return moments
      .map((at, i) => [at, i])
      .filter(([at]) => (at - offset) % step < span)
      .map(([at, i]) => [i, step >= 86400 ? Parts.date(at) : Parts.time(at, 60)]);
  };

  class Chart {
    constructor(place) {
      this.place = place;
      this.kind = place.dataset.kind;
      this.words = Parts[place.dataset.unit];
      this.colours = (place.dataset.colours || "").split(" ").filter(Boolean);
      this.at = null;
      this.body = el("div", { class: "chart-body" });
      this.legend = el("ul", { class: "chart-legend" });
      this.picture = svg("svg", { class: "chart-svg", role: "img", tabindex: "0", height: HEIGHT });
      this.table = el("div", { class: "chart-table" });
      this.details = el("details", {}, el("summary", {}, "As a table"), this.table);
      this.body.append(this.picture);
      place.append(this.legend, this.body, this.details);
      this.listen();
    }

    listen() {
      this.picture.addEventListener("pointermove", (event) => this.point(event.offsetX));
      this.picture.addEventListener("pointerleave", () => this.look(null));
      this.picture.addEventListener("blur", () => this.look(null));
      this.picture.addEventListener("keydown", (event) => this.key(event));
      this.details.addEventListener("toggle", () => this.tabulate());
      new ResizeObserver(() => this.draw()).observe(this.body);
    }

    // `colours` gives what has no colour of its own the same one in every chart.
    update(moments, span, series, colours) {
      const names = Object.keys(series);
      const lines = names.map((name, i) => ({
        name,
        points: series[name],
        colour: this.colours[i] || `c${colours.indexOf(name) % 8}`,
      }));
      this.chart = { moments, span, lines: this.kind === "line" ? lines : stacked(lines) };
      this.draw();
      this.tabulate();
    }

    scales(width) {
      const { moments, lines } = this.chart;
      const values = lines.flatMap((line) => line.top || line.points).filter((v) => v !== null);
      const high = Math.max(0, ...values);
      const top = this.words === Parts.seconds ? longest(high) : ceiling(high);
      const room = width - EDGE.left - EDGE.right;
      const step = room / moments.length;
      return {
        top, room, step,
        x: (i) => EDGE.left + step * (i + 0.5),
        y: (value) => EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) * (1 - value / top),
      };
    }

    draw() {
      const width = this.body.clientWidth;
      if (!this.chart || !width) return;
      const scale = (this.scale = this.scales(width));
      const fresh = svg("svg", {
        class: "chart-svg", role: "img", tabindex: "0", width, height: HEIGHT,
        viewBox: `0 0 ${width} ${HEIGHT}`, "aria-label": this.summary(),
      });
      fresh.append(this.grid(width), this.ticks());
      for (const line of this.chart.lines) {
        const drawn = marks[this.kind](line, scale.x, scale.y, scale.step);
        fresh.append(svg("g", { class: `line ${line.colour}` }, ...drawn));
      }
      fresh.append(svg("line", { class: "cursor", y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
      if (!this.known()) {
        const middle = { x: width / 2, y: HEIGHT / 2, class: "nothing", "text-anchor": "middle" };
        fresh.append(svg("text", middle, "Nothing yet"));
      }
      Parts.morph(this.picture, fresh);
      this.look(this.at);
    }

    known() {
      return this.chart.lines.some((line) => line.points.some((value) => value !== null));
    }

    grid(width) {
      const { top, y } = this.scale;
      return svg("g", { class: "grid" }, ...[0, 0.5, 1].map((share) => svg("g", {},
        svg("line", { x1: EDGE.left, x2: width - EDGE.right, y1: y(top * share), y2: y(top * share) }),
        svg("text", { x: EDGE.left - 6, y: y(top * share) + 4, "text-anchor": "end" },
          this.words(top * share)))));
    }

    ticks() {
      const { x, room } = this.scale;
      return svg("g", { class: "ticks" }, ...timeTicks(this.chart, room)
        .filter(([i]) => x(i) > EDGE.left + 14 && x(i) < EDGE.left + room - 14)
        .map(([i, text]) => svg("text", { x: x(i), y: HEIGHT - 6, "text-anchor": "middle" }, text)));
    }

    summary() {
      const { lines, moments } = this.chart;
      const last = moments.length - 1;
      const parts = lines.map((line) => `${line.name} ${this.value(line, last)}`);
      const title = this.place.dataset.title;
      return `${title}. Now: ${parts.join(", ") || "nothing"}. Arrow keys go back in time.`;
    }

    value(line, i) {
      const value = line.points[i];
      return value === null || value === undefined ? "–" : this.words(value);
    }

    point(offset) {
      if (!this.scale) return;
      const i = Math.floor((offset - EDGE.left) / this.scale.step);
      this.look(Math.min(Math.max(i, 0), this.chart.moments.length - 1));
    }

    key(event) {
      if (!this.chart) return;
      const last = this.chart.moments.length - 1;
      const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
      if (event.key === "Escape") return this.look(null);
      if (!(event.key in moves)) return;
      event.preventDefault();
      const from = this.at === null ? last + 1 : this.at;
      this.look(Math.min(Math.max(from + moves[event.key], 0), last));
      this.speak();
    }

    speak() {
      const { lines, moments, span } = this.chart;
      const values = lines.map((line) => `${line.name} ${this.value(line, this.at)}`).join(", ");
      document.getElementById("dashboard-spoken").textContent =
        `${Parts.time(moments[this.at], span)}: ${values}`;
    }

    // Shows the values of one moment in the legend; the latest ones for null.
    look(at) {
      this.at = at;
      if (!this.chart || !this.scale) return;
      const { lines, moments, span } = this.chart;
      const i = at === null ? moments.length - 1 : at;
      const cursor = this.picture.querySelector(".cursor");
      cursor.setAttribute("x1", this.scale.x(i));
      cursor.setAttribute("x2", this.scale.x(i));
      cursor.classList.toggle("on", at !== null);
      show(this.legend,
        ...lines.map((line) => el("li", {},
          el("i", { class: `swatch ${line.colour}` }), `${line.name} `,
          el("b", {}, this.value(line, i)))),
        el("li", { class: "chart-when" }, `${at === null ? "latest, " : ""}${Parts.time(moments[i], span)}`));
    }

    tabulate() {
      if (!this.chart || !this.details.open) return;
      const { lines, moments, span } = this.chart;
      const rows = moments.map((at, i) => el("tr", {},
        el("th", { scope: "row" }, Parts.time(at, span)),
        ...lines.map((line) => el("td", {}, this.value(line, i))))).reverse();
      show(this.table, el("table", {},
        el("caption", { class: "unseen" }, this.place.dataset.title),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "From"),
          ...lines.map((line) => el("th", { scope: "col" }, line.name)))),
        el("tbody", {}, ...rows)));
    }
  }

  const spark = (points) => {
    const high = Math.max(1, ...points.map((value) => value || 0));
    const wide = 120 / points.length;
    const path = points
      .map((value, i) => {
        const height = value ? Math.max(2, (22 * value) / high) : 0;
        const width = Math.max(0.8, wide * 0.75).toFixed(2);
        return height ? `M${(i * wide).toFixed(2)},24h${width}v${-height.toFixed(1)}h-${width}Z` : "";
      })
      .join("");
    return svg("svg", { class: "spark", viewBox: "0 0 120 24", "aria-hidden": "true" },
      svg("line", { x1: 0, x2: 120, y1: 23.5, y2: 23.5 }), svg("path", { d: path }));
  };

  return { Chart, spark };
})();
