// The dashboard: asks for the facts every few seconds, and not at all while nobody looks.
(() => {
  "use strict";
  const { el, show, count, rate, seconds, ago } = Parts;

  const EVERY = 5000;
  const LONGEST = 30000;
  const PATIENCE = 15000;

  const more = (kind) => (kind === "at least" ? "+" : "");
  const about = (kind) => (kind === "about" ? "≈ " : "");
  const waits = (queue) => `${about(queue.more)}${count(queue.waiting)}${more(queue.more)}`;
  const total = (rows, of) => rows.reduce((sum, row) => sum + of(row), 0);
  const counted = (number, thing) => `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
  const link = (url, text) => (url ? el("a", { href: url }, text) : text);
  const pill = (tone, text) => el("span", { class: `pill ${tone}` }, text);
  const nothing = (text) => el("p", { class: "empty" }, text);

  const table = (caption, heads, rows) =>
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      el("table", {},
        el("caption", { class: "unseen" }, caption),
        el("thead", {}, el("tr", {}, ...heads.map(([text, kind]) =>
          el("th", { scope: "col", class: kind || null }, text)))),
        el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((cell, i) =>
          i === 0 ? el("th", { scope: "row" }, cell)
            : el("td", { class: heads[i][1] || null }, cell)))))));

  const until = (iso, now) => {
    const left = Date.parse(iso) / 1000 - now;
    return left > 0 ? `in ${seconds(left)}` : `${seconds(-left)} ago`;
  };

  // -- the parts, each from the facts ---------------------------------------------------

  const attention = (facts) => {
    if (!facts.attention.length) {
      return [el("p", { class: "banner good" }, el("b", {}, "All is well. "),
        "Nothing that this page shows needs anybody.")];
    }
    return facts.attention.map((each) => el("p", { class: `banner ${each.level}` },
      el("b", {}, each.level === "danger" ? "Act now. " : "Look. "), each.text,
      each.url ? [" ", el("a", { href: each.url }, "Show")] : null));
  };

  // The last minute that is over: of a longer span, its mean so far.
  const latest = (series) =>
    total(Object.values(series || {}), (points) => points[points.length - 1] || 0);

  const tiles = (facts, charts) => {
    const { queues, dead } = facts;
    if (!queues) return [];
    const oldest = Math.max(0, ...queues.map((queue) => queue.oldest));
    const worst = queues.find((queue) => queue.oldest === oldest);
    const vague = queues.some((queue) => queue.more) ? "≈ " : "";
    const parked = total(facts.parked, (row) => row.count);
    const upto = charts ? Date.parse(charts.upto) / 1000 : 0;
    const span = charts && facts.now - upto > 150 ? `until ${Parts.time(upto, 60)}`
      : charts && charts.span > 60 ? "a minute, lately" : "in the last minute";
    const bad = charts ? latest(charts.failures) : 0;
    const tile = (name, value, note, tone) => el("div", { class: `tile ${tone || ""}` },
      el("dt", {}, name), el("dd", {}, value), el("dd", { class: "note" }, note || " "));
    return [
      tile("Waiting", vague + count(total(queues, (queue) => queue.waiting)),
        parked ? `${count(parked)} parked` : "none parked", parked ? "warning" : ""),
      tile("Running", count(total(queues, (queue) => queue.running)),
        facts.workers ? counted(total(facts.workers, (w) => (w.alive ? w.slots : 0)), "slot") : ""),
      tile("Oldest due", oldest ? seconds(oldest) : "none", oldest ? worst.name : "nobody waits",
        oldest > 300 ? "warning" : ""),
      tile("Succeeded", charts ? rate(latest(charts.throughput)) : "–", span),
      tile("Failing", charts ? rate(bad) : "–", span, bad ? "warning" : ""),
      tile("Dead letters", `${count(dead.count)}${dead.at_least ? "+" : ""}`,
        dead.open.count ? `newest ${ago(dead.open.newest, facts.now)}`
          : dead.count ? "all dealt with" : "none", dead.open.count ? "danger" : ""),
    ];
  };

  const served = (queue) => {
    if (queue.pause) return pill("warning", "paused");
    if (!queue.dispatched) return pill(queue.waiting ? "danger" : "warning", "no dispatcher");
    if (!queue.worked) return pill(queue.waiting ? "danger" : "warning", "no worker");
    return pill("good", "open");
  };

  const queues = (facts) => table("Queues",
    [["Queue"], ["State"], ["Waiting", "n"], ["Due", "n"], ["Scheduled", "n"], ["Retrying", "n"],
      ["Parked", "n"], ["Running", "n"], ["Oldest", "n"]],
    facts.queues.map((queue) => [
      link(queue.url, queue.name), served(queue), el("b", {}, waits(queue)),
      ...["queued", "scheduled", "retrying", "parked"].map((view) =>
        queue.views[view] ? `${count(queue.views[view])}${queue.more ? "+" : ""}` : "–"),
      queue.running ? count(queue.running) : "–", queue.oldest ? seconds(queue.oldest) : "–",
    ]));

  const parked = (facts) => facts.parked.length
    ? table("Parked jobs by reason", [["Because"], ["Jobs", "n"]],
      facts.parked.map((row) => [row.why, `${count(row.count)}${row.at_least ? "+" : ""}`]))
    : nothing("Nothing is held back.");

  const circuits = (facts) => facts.circuits.length
    ? table("Circuits", [["Circuit"], ["State"], ["Until", "n"], ["Failing", "n"], ["Why"]],
      facts.circuits.map((each) => [
        link(each.url, each.name),
        pill(each.fine ? "good" : "danger", each.state.replace("_", "-")),
        each.until ? until(each.until, facts.now) : "–",
        each.calls ? `${Math.round(100 * each.failure_rate)} % of ${count(each.calls)}` : "–",
        each.fine ? "–" : each.reason || each.last_error || "–",
      ]))
    : nothing("No circuit is declared.");

  const life = (each) => each.alive ? pill("good", "alive")
    : each.over ? pill("", "gone") : pill("danger", "silent");

  const workers = (facts) => facts.workers.length
    ? table("Workers", [["Worker"], ["State"], ["Heartbeat", "n"], ["Busy", "n"], ["Queues"]],
      facts.workers.map((each) => [link(each.url, each.name), life(each),
        `${seconds(Math.round(each.age))} ago`, `${each.busy} of ${each.slots}`,
        each.everywhere ? "all" : each.queues.join(", ")]))
    : nothing("No worker has been heard of within the hour.");

  const services = (facts) => {
    const rows = [
      ...(facts.dispatchers || []).map((each) => [`dispatcher ${each.name}`, life(each),
        `${seconds(Math.round(each.age))} ago`, each.queues.join(", ")]),
      ...(facts.beats || []).map((each) => [`beat ${each.name}`, life(each),
        `${seconds(Math.round(each.age))} ago`, counted(each.fired, "tick")]),
    ];
    return rows.length
      ? table("Dispatchers and beats", [["Process"], ["State"], ["Heartbeat", "n"], ["Keeps"]], rows)
      : nothing("Neither a dispatcher nor a beat has been heard of within the hour.");
  };

  const ticks = (facts) => facts.ticks.length
    ? table("Next ticks", [["Schedule"], ["When", "n"], ["Kind"]],
      facts.ticks.map((each) => [link(each.url, each.name),
        each.paused ? pill("warning", "paused") : until(each.at, facts.now), each.kind]))
    : nothing("No schedule will fire.");

  const dead = (facts, charts) => {
    const past = new Map((charts ? charts.deaths : []).map((each) => [each.error_class, each]));
    const now = new Map(facts.dead.classes.map((each) => [each.error_class, each]));
    const names = [...new Set([...now.keys(), ...past.keys()])];
    if (!names.length) return nothing("No job is dead.");
    return table("Dead letters by class of error",
      [["Error"], ["Dead now", "n"], ["Died in the window"], ["Newest", "n"], ["Kind"]],
      names.map((name) => {
        const standing = now.get(name);
        const died = past.get(name);
        return [
          standing ? link(standing.url, name) : name,
          standing ? `${count(standing.count)}${facts.dead.at_least ? "+" : ""}` : "–",
          died ? el("span", { class: "sparkline" }, Charts.spark(died.points), count(died.count))
            : "–",
          standing ? ago(standing.newest, facts.now) : "–",
          standing ? standing.kind : "–",
        ];
      }));
  };

  const PARTS = { queues, parked, circuits, workers, services, ticks, dead };
  const NEEDS = { services: (facts) => facts.dispatchers || facts.beats };

  // -- the page -------------------------------------------------------------------------

  class Dashboard {
    constructor(root) {
      this.root = root;
      this.charts = null;
      this.window = root.dataset.window;
      this.held = false;
      this.failures = 0;
      this.refreshes = 0;
      this.drawn = [...root.querySelectorAll("[data-chart]")].map((place) =>
        [place.dataset.chart, new Charts.Chart(place)]);
      this.listen();
      this.take(JSON.parse(document.getElementById("dashboard-first").textContent));
      this.wait();
    }

    listen() {
      document.addEventListener("visibilitychange", () => this.resume());
      this.root.querySelector("[data-hold]").addEventListener("click", (event) => {
        this.held = !this.held;
        event.currentTarget.setAttribute("aria-pressed", String(this.held));
        this.resume();
      });
      this.root.querySelectorAll("input[name=window]").forEach((input) =>
        input.addEventListener("change", () => this.choose(input.value)));
    }

    choose(name) {
      this.window = name;
      this.charts = null;
      this.ask();
    }

    get asleep() {
      return document.hidden || this.held;
    }

    resume() {
      clearTimeout(this.timer);
      if (this.asleep) {
        if (this.request) this.request.abort();
        this.say("held", this.held ? "Held" : "Paused while hidden");
      } else {
        this.ask();
      }
    }

    wait() {
      clearTimeout(this.timer);
      const pause = Math.min(LONGEST, EVERY * 2 ** this.failures);
      if (!this.asleep) this.timer = setTimeout(() => this.ask(), pause);
    }

    async ask() {
      clearTimeout(this.timer);
      if (this.request) this.request.abort();
      const request = (this.request = new AbortController());
      const limit = setTimeout(() => request.abort(), PATIENCE);
      const seen = this.charts ? this.charts.version : "";
      const query = new URLSearchParams({ window: this.window, seen });
      try {
        const reply = await fetch(`${this.root.dataset.url}?${query}`, { signal: request.signal });
        if (reply.status === 403) return this.end();
        if (!reply.ok) throw new Error(String(reply.status));
        const facts = await reply.json();
        if (request !== this.request) return;
        this.failures = 0;
        this.take(facts);
      } catch {
        if (request !== this.request || this.asleep) return;
        this.failures = Math.min(this.failures + 1, 4);
        this.say("danger", `No answer since ${Parts.time(this.last, 60)}, trying again`);
      } finally {
        clearTimeout(limit);
      }
      if (request === this.request) this.wait();
    }

    end() {
      this.say("danger", "Signed out: reload the page");
    }

    take(facts) {
      facts.now = Date.parse(facts.at) / 1000;
      this.last = Date.now() / 1000;
      if (facts.charts) {
        this.charts = facts.charts;
        this.plot();
      }
      this.render(facts);
      this.refreshes += 1;
      this.root.dataset.refreshes = this.refreshes;
      if (!this.asleep) this.say("good", `Live · ${Parts.time(this.last, 60)}`);
    }

    plot() {
      const { moments, span, backlog, oldest, throughput } = this.charts;
      const queues = [backlog, oldest, throughput].flatMap((series) => Object.keys(series));
      const colours = [...new Set(queues)].sort();
      for (const [name, chart] of this.drawn) {
        chart.update(moments, span, this.charts[name], colours);
      }
    }

    render(facts) {
      const charts = this.charts;
      this.put("attention", attention(facts));
      this.put("tiles", tiles(facts, charts));
      for (const [name, draw] of Object.entries(PARTS)) {
        const there = name in NEEDS ? NEEDS[name](facts) : facts[name];
        const place = this.root.querySelector(`[data-part=${name}]`);
        place.closest("section").hidden = !there;
        if (there) show(place, draw(facts, charts));
      }
      this.root.querySelector("[data-charts]").hidden = !facts.queues;
    }

    put(name, children) {
      show(this.root.querySelector(`[data-part=${name}]`), ...children);
    }

    say(tone, text) {
      const place = this.root.querySelector("[data-status]");
      place.className = `pill ${tone}`;
      if (place.textContent !== text) place.textContent = text;
    }
  }

  const root = document.getElementById("dashboard");
  if (root) new Dashboard(root);
})();
