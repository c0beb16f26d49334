// Suggestions below the search box, posters that fail, and the progress of syncs. Every page works without this script.
"use strict";

(() => {
  const DELAY = 150; // milliseconds after the last key
  const box = document.querySelector("input[data-suggestions]");
  if (!box) return;

  const list = document.createElement("ul");
  list.id = "suggestions";
  list.className = "suggestions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", box.placeholder);
  list.hidden = true;
  box.after(list);
  for (const [name, value] of Object.entries({
    role: "combobox", "aria-controls": list.id, "aria-expanded": "false", "aria-autocomplete": "list",
  })) box.setAttribute(name, value);

  let timer = 0;
  let running = null;
  let active = -1;

  const close = () => {
    list.hidden = true;
    active = -1;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  };

  const show = (films) => {
    list.replaceChildren(...films.map((film, index) => {
      const option = document.createElement("li");
      option.id = `suggestion-${index}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dir = "auto";
      option.textContent = film.year ? `${film.title} (${film.year})` : film.title;
      option.dataset.path = film.path;
      option.addEventListener("mousedown", (event) => event.preventDefault());
      option.addEventListener("click", () => { location.href = film.path; });
      return option;
    }));
    active = -1;
    list.hidden = films.length === 0;
    box.setAttribute("aria-expanded", String(!list.hidden));
  };

  const mark = (index) => {
    const options = [...list.children];
    active = (index + options.length) % options.length;
    options.forEach((option, each) => option.setAttribute("aria-selected", String(each === active)));
    box.setAttribute("aria-activedescendant", options[active].id);
  };

  const suggest = async () => {
    const text = box.value.trim();
    running?.abort();
    if (text.length < 2) { close(); return; }
    running = new AbortController();
    try {
      const response = await fetch(`${box.dataset.suggestions}?q=${encodeURIComponent(text)}`,
        { signal: running.signal, headers: { Accept: "application/json" } });
      if (response.ok && document.activeElement === box) show(await response.json());
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  };

  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(suggest, DELAY); });
  box.addEventListener("blur", close);
  box.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") mark(active + 1);
    else if (event.key === "ArrowUp") mark(active < 0 ? list.children.length - 1 : active - 1);
    else if (event.key === "Escape") close();
    else if (event.key === "Enter" && active >= 0) location.href = list.children[active].dataset.path;
    else return;
    event.preventDefault();
  });
})();

// A poster of another host that cannot be loaded is replaced by the generated one, which is beside it.
{
  const replace = (image) => {
    const other = image.parentElement?.querySelector(":scope > template");
    if (other) image.parentElement.replaceChildren(other.content.cloneNode(true));
  };
  document.addEventListener("error", (event) => {
    if (event.target instanceof HTMLImageElement) replace(event.target);
  }, true);
  for (const image of document.querySelectorAll(".poster > img")) {
    if (image.complete && !image.naturalWidth && image.currentSrc) replace(image);
  }
}

// The progress of syncs and imports. Without this script the page is reloaded from time to time.
const RELOAD_DELAY = 5000; // milliseconds

for (const part of document.querySelectorAll("[data-events]")) {
  const source = new EventSource(part.dataset.events);
  const bar = part.querySelector("progress");
  const show = (event) => {
    const run = JSON.parse(event.data);
    if (run.total) { bar.max = run.total; bar.value = run.done + run.failed; }
    part.querySelector(".done").textContent = run.done + run.failed;
    part.querySelector(".total").textContent = run.total || "?";
  };
  source.addEventListener("message", show);
  source.addEventListener("end", (event) => { show(event); source.close(); location.reload(); });
  source.addEventListener("error", () => { // such as the end of the session: the browser does not try again
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), RELOAD_DELAY);
  });
}

// "Seen today" means today where the reader is. Without this script it is the day in UTC.
for (const input of document.querySelectorAll("input[data-today]")) {
  const now = new Date();
  const parts = [now.getFullYear(), now.getMonth() + 1, now.getDate()];
  input.value = parts.map((part) => String(part).padStart(2, "0")).join("-");
}
