// Shows the next fire times and the kind's arguments while a schedule's form is edited.
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
      const list = document.createElement("ul");
      list.append(...lines.map(line));
      if (title) {
        const heading = document.createElement("strong");
        heading.textContent = title;
        parts.append(heading);
      }
      parts.append(list);
    }
    return parts;
  };

  const showFires = (place, answer) => {
    place.replaceChildren(
      section(answer.pause, answer.fires),
      section("Not yet right", answer.errors),
    );
    if (!place.childNodes.length) place.textContent = "It fires no more.";
  };

  const showArguments = (place, answer) => {
    place.replaceChildren(
      section("", answer.arguments),
      section("Not yet right", answer.refusals),
    );
    if (!place.childNodes.length) place.textContent = "None.";
  };

  document.addEventListener("DOMContentLoaded", () => {
    const place = document.getElementById("schedule-preview");
    const form = place && place.closest("form");
    if (!form) return;
    const names = document.getElementById("schedule-arguments");
    let timer = 0;
    let asked = 0;
    const ask = async () => {
      const number = ++asked;
      const body = new FormData(form);
      body.set("_task", place.dataset.task);
      try {
        const reply = await fetch(place.dataset.url, { method: "POST", body });
        if (!reply.ok) throw new Error(String(reply.status));
        const answer = await reply.json();
        if (number !== asked) return;
        showFires(place, answer);
        if (names) showArguments(names, answer);
      } catch {
        if (number === asked) place.textContent = "The preview is not available.";
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
