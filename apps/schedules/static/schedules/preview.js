// Shows the next fire times of a schedule while its form is edited.
(() => {
  "use strict";

  const line = (text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  };

  const section = (title, lines) => {
    const parts = document.createDocumentFragment();
    if (lines.length) {
      const heading = document.createElement("strong");
      heading.textContent = title;
      const list = document.createElement("ul");
      list.append(...lines.map(line));
      parts.append(heading, list);
    }
    return parts;
  };

  const show = (place, answer) => {
    place.replaceChildren(
      section("Next fires", answer.fires),
      section("Not yet right", answer.errors),
      section("Arguments", answer.arguments),
    );
    if (!place.childNodes.length) place.textContent = "It fires no more.";
  };

  document.addEventListener("DOMContentLoaded", () => {
    const place = document.getElementById("schedule-preview");
    const form = place && place.closest("form");
    if (!form) return;
    let timer = 0;
    let asked = 0;
    const ask = async () => {
      const number = ++asked;
      const body = new FormData(form);
      body.set("_task", place.dataset.task);
      try {
        const reply = await fetch(place.dataset.url, { method: "POST", body });
        if (reply.ok && number === asked) show(place, await reply.json());
      } catch {
        place.textContent = "The preview is not available.";
      }
    };
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(ask, 250);
    };
    form.addEventListener("input", soon);
    form.addEventListener("change", soon);
    // Selects with a search box tell jQuery only.
    if (window.django && window.django.jQuery) window.django.jQuery(form).on("change", soon);
    ask();
  });
})();
