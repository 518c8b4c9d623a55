"use strict";

// Runs before the page is drawn, so that a chosen theme does not flash.
const root = document.documentElement;
const themes = ["system", "light", "dark"];
const stored = () => {
  try {
    const theme = localStorage.getItem("theme");
    return themes.includes(theme) ? theme : "system";
  } catch {
    return "system"; // storage is switched off
  }
};
const applyTheme = (theme) => {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
};
applyTheme(stored());
root.classList.add("js");

const say = (text) => {
  const said = document.getElementById("said");
  said.textContent = "";
  requestAnimationFrame(() => { said.textContent = text; });
};

const icons = {
  system: '<rect x="3" y="4" width="18" height="12" rx="2"/><path d="M8 20h8M12 16v4"/>',
  light: '<circle cx="12" cy="12" r="4"/><path d="M12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4"/>',
  dark: '<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z"/>',
};

function setUpTheme() {
  const button = document.querySelector("[data-theme-switch]");
  const show = (theme) => {
    button.innerHTML = `<svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">${icons[theme]}</svg>`;
    button.setAttribute("aria-label", `Theme: ${theme}`);
    button.title = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    const theme = themes[(themes.indexOf(stored()) + 1) % themes.length];
    try {
      localStorage.setItem("theme", theme);
    } catch { /* it holds for this page */ }
    applyTheme(theme);
    show(theme);
    say(`Theme: ${theme}`);
  });
  show(stored());
  button.hidden = false;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch { /* on plain HTTP there is no clipboard, but the older way */ }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("not copied");
}

function setUpCopying() {
  for (const holder of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    const what = holder.dataset.copy;
    const show = (word) => {
      button.textContent = word;
      button.setAttribute("aria-label", `${word}: ${what}`);
    };
    button.type = "button";
    button.className = "copy";
    show("Copy");
    button.addEventListener("click", async () => {
      try {
        await copyText(holder.dataset.copyText || holder.querySelector("code").textContent);
        show("Copied");
        say(`Copied: ${what}`);
      } catch {
        show("Press Ctrl+C");
        getSelection().selectAllChildren(holder.querySelector("code") || holder);
        say("Selected: press Ctrl+C to copy");
      }
      button.focus();
      setTimeout(show, 2000, "Copy");
    });
    holder.append(button);
  }
}

function setUpTabs() {
  for (const tabs of document.querySelectorAll("[data-tabs]")) {
    const panels = [...tabs.querySelectorAll(":scope > section")];
    const list = document.createElement("div");
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", tabs.dataset.tabs);
    const buttons = panels.map((panel) => {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `${panel.id}-tab`;
      button.textContent = panel.querySelector("h3").textContent;
      button.setAttribute("role", "tab");
      button.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      panel.removeAttribute("aria-label");
      panel.setAttribute("aria-labelledby", button.id);
      list.append(button);
      return button;
    });
    const choose = (chosen) => {
      buttons.forEach((button, place) => {
        button.setAttribute("aria-selected", String(place === chosen));
        button.tabIndex = place === chosen ? 0 : -1;
        panels[place].hidden = place !== chosen;
      });
    };
    list.addEventListener("click", (event) => {
      const place = buttons.indexOf(event.target);
      if (place >= 0) choose(place);
    });
    list.addEventListener("keydown", (event) => {
      const now = buttons.indexOf(document.activeElement);
      const last = buttons.length - 1;
      const moves = {
        ArrowRight: now === last ? 0 : now + 1, ArrowLeft: now === 0 ? last : now - 1, Home: 0, End: last,
      };
      if (now < 0 || !(event.key in moves)) return;
      event.preventDefault();
      choose(moves[event.key]);
      buttons[moves[event.key]].focus();
    });
    tabs.prepend(list);
    choose(Math.max(0, panels.findIndex((panel) => `#${panel.id}` === location.hash)));
    tabs.classList.add("ready");
  }
}

function setUpFilters() {
  const form = document.querySelector("[data-query]");
  if (!form) return;
  let [latest, shown] = [0, location.search];
  const update = async (focused) => {
    const number = ++latest;
    const pairs = [...new FormData(form)].filter(([, value]) => value);
    const url = pairs.length ? `/?${new URLSearchParams(pairs)}` : "/";
    let text;
    try {
      const answer = await fetch(url, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.status);
      text = await answer.text();
    } catch {
      location.assign(url); // the browser says better what is wrong
      return;
    }
    if (number !== latest) return;
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const open = new Set([...document.querySelectorAll("[data-more][open]")].map((details) => details.dataset.more));
    const [parts, others] = [document, fresh].map((page) => [...page.querySelectorAll("[data-part]")]);
    if (parts.length !== others.length) { // without results there is nothing to filter by
      location.assign(url);
      return;
    }
    parts.forEach((part, place) => part.replaceChildren(...others[place].childNodes));
    for (const details of document.querySelectorAll("[data-more]")) details.open = open.has(details.dataset.more);
    document.querySelector(".example")?.remove();
    document.title = fresh.title;
    history.pushState(null, "", url);
    shown = location.search;
    if (focused) {
      const { name, value } = focused;
      [...document.getElementsByName(name)].find((input) => input.value === value)?.focus();
    }
    say(document.getElementById("found").textContent);
  };
  document.addEventListener("change", (event) => {
    if (event.target.form === form && event.target.type === "checkbox") update(event.target);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    update(null);
  });
  addEventListener("popstate", () => {
    if (location.search !== shown) location.reload(); // and not where a link leads to a part of the page
  });
}

function setUpTrial() {
  const form = document.querySelector("[data-try] form");
  if (!form) return;
  const [outcome, button] = [document.querySelector('[data-part="outcome"]'), form.querySelector("button")];
  const tell = (text) => {
    const notice = document.createElement("p");
    notice.className = "notice bad";
    notice.textContent = text;
    outcome.replaceChildren(notice);
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true"); // and not disabled, which would take the focus away
    outcome.setAttribute("aria-busy", "true");
    say("Running");
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
      const text = await answer.text();
      if (answer.headers.get("content-type")?.startsWith("application/json")) {
        const problem = JSON.parse(text);
        tell(`${problem.error} ${problem.hint}`);
      } else {
        const fresh = new DOMParser().parseFromString(text, "text/html").querySelector('[data-part="outcome"]');
        if (fresh) outcome.replaceChildren(...fresh.childNodes);
        else tell("This model cannot be tried any more.");
      }
    } catch {
      tell("The hub does not answer. Try again.");
    }
    outcome.setAttribute("aria-busy", "false");
    button.removeAttribute("aria-disabled");
    say(outcome.querySelector("h3, .notice")?.textContent ?? "");
  });
}

document.addEventListener("DOMContentLoaded", () => {
  setUpTheme();
  setUpCopying();
  setUpTabs();
  setUpFilters();
  setUpTrial();
  document.addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const input = document.getElementById("q");
    input?.focus();
    input?.select();
  });
});
