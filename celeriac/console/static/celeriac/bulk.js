// Keeps the bar of a bulk action up to date; rests while the tab is hidden.
(() => {
  "use strict";
  const EVERY = 1000;

  document.addEventListener("DOMContentLoaded", () => {
    const card = document.getElementById("verb-progress");
    if (!card || card.dataset.open !== "true") return;
    const part = (name) => card.querySelector(`[data-part="${name}"]`);
    let asking = false;

    const show = (facts) => {
      const bar = part("bar");
      if (facts.percent === null) bar.removeAttribute("value");
      else bar.value = facts.percent;
      part("percent").textContent = facts.percent === null ? "" : `${facts.percent} %`;
      part("sentence").textContent = facts.sentence;
      part("note").textContent = facts.note;
      part("state").textContent = facts.state;
      if (!facts.open) {
        clearInterval(timer);
        card.dataset.open = "false";
        document.querySelectorAll('a[href$="/stop"], [hx-get$="/stop"]').forEach((a) => a.remove());
      }
    };

    const ask = async () => {
      if (asking || document.hidden) return;
      asking = true;
      try {
        const reply = await fetch(card.dataset.url, { headers: { Accept: "application/json" } });
        if (reply.ok) show(await reply.json());
      } catch {
        part("note").textContent = "The server does not answer; trying again.";
      } finally {
        asking = false;
      }
    };

    const timer = setInterval(ask, EVERY);
    document.addEventListener("visibilitychange", ask);
    ask();
  });
})();
