// What the console's pages do with script. Every action also works without it.
"use strict";

// The time zone of the browser, in which the server writes times.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes("tz=" + encodeURIComponent(zone))) {
  document.cookie = "tz=" + encodeURIComponent(zone) + "; Path=/; Max-Age=31536000; SameSite=Lax";
}

// say tells people who do not see the page what happened.
function say(text) {
  document.getElementById("live").textContent = text;
}

// Copy buttons need a secure context.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!isSecureContext) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const value = button.closest(".value, .sample").querySelector("[data-secret], [data-text]");
    await navigator.clipboard.writeText(value.textContent);
    const label = button.innerHTML;
    button.textContent = "Copied";
    say("Copied");
    setTimeout(() => { button.innerHTML = label; }, 2000);
  });
}
for (const hint of document.querySelectorAll("[data-insecure]")) hint.hidden = isSecureContext;

// The file is made here, so that the secret is not sent again.
for (const form of document.querySelectorAll("[data-download]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { id, secret, value } = Object.fromEntries(new FormData(form));
    const text = JSON.stringify({ id, secret, value }) + "\n";
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = (id || "claviger-key").replace(/[^\w@.-]/g, "_") + ".json";
    link.click();
    URL.revokeObjectURL(address);
  });
}

// A secret is in one response and nowhere else: not in the back-forward cache either.
const once = document.querySelector("[data-once]");
if (once) {
  addEventListener("pagehide", () => {
    for (const element of document.querySelectorAll("[data-secret]")) element.textContent = "";
    for (const field of document.querySelectorAll("[data-secret-field]")) field.value = "";
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.replace(once.querySelector("footer a").href);
  });
}

// Forms: characters left, and no second press while the answer is on its way.
for (const area of document.querySelectorAll("[data-counter]")) {
  const left = document.getElementById(area.dataset.counter);
  area.addEventListener("input", () => {
    left.textContent = area.maxLength - [...area.value].length + "/" + area.maxLength + " characters left";
  });
}
addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || event.defaultPrevented || button.formMethod === "get") return;
  setTimeout(() => { button.disabled = true; button.classList.add("busy"); });
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button.busy")) {
    button.disabled = false;
    button.classList.remove("busy");
  }
});

// Parts of a page that ask again while the page is visible, until there is nothing to wait for.
for (const part of document.querySelectorAll("[data-poll]")) {
  let timer, last;
  // Whoever comes back to the page, signed in again in another tab, makes it ask again.
  const stop = (why) => {
    last = undefined;
    part.querySelector(".wait")?.remove();
    const note = document.createElement("p");
    note.className = "wait";
    note.textContent = why;
    part.append(note);
  };
  const ask = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      const answer = await fetch(part.dataset.poll, { headers: { "X-Claviger-Poll": "1" }, redirect: "manual" });
      if (answer.status === 404) return stop("The key was not found, or you do not have access to it.");
      if (answer.type === "opaqueredirect" || answer.status >= 400 && answer.status < 500) {
        return stop("This is not updated any more. Sign in again in another tab, then come back here.");
      }
      const text = answer.ok ? await answer.text() : last;
      if (text !== last && !part.contains(document.activeElement)) part.innerHTML = last = text;
    } catch { /* the network is away: ask again */ }
    if (!part.querySelector("[data-settled]")) timer = setTimeout(ask, part.dataset.every * 1000);
  };
  part.addEventListener("click", (event) => {
    if (event.target.closest("[data-again]")) ask();
  });
  document.addEventListener("visibilitychange", () => {
    if (!part.querySelector("[data-settled]")) ask();
  });
  timer = setTimeout(ask, part.dataset.every * 1000);
}

// The summary of a form says in words what is chosen in it. What people write is not sent for it.
for (const form of document.querySelectorAll("form[data-summary]")) {
  const part = document.getElementById(form.dataset.summary);
  const names = ["tenant", "owner", "delivery", "expiry", "date", "access", "scope", "applications", "application"];
  form.addEventListener("change", async () => {
    const chosen = new URLSearchParams([...new FormData(form)].filter(([name]) => names.includes(name)));
    form.dataset.asked = chosen;
    const answer = await fetch(form.getAttribute("action") + "/summary?" + chosen, { redirect: "manual" });
    if (answer.ok && form.dataset.asked === chosen.toString()) part.innerHTML = await answer.text();
  });
}

// Long lists of scopes have a field that narrows them. What is ticked stays in sight.
for (const [i, list] of document.querySelectorAll(".scopes").entries()) {
  const boxes = [...list.querySelectorAll("label.check")];
  if (boxes.length < 9) continue;
  const field = document.createElement("div");
  field.className = "narrow-scopes";
  field.innerHTML = `<label class="vh" for="narrow-${i}">Filter this list</label>` +
    `<input type="search" id="narrow-${i}" placeholder="Filter" autocomplete="off">`;
  list.prepend(field);
  const input = field.lastChild;
  input.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    const matches = (label) => words.every((word) => label.textContent.toLowerCase().includes(word));
    for (const label of boxes) label.hidden = !matches(label) && !label.querySelector("input").checked;
    for (const set of list.querySelectorAll("fieldset")) set.hidden = !set.querySelector("label:not([hidden])");
    const shown = boxes.filter((label) => !label.hidden).length;
    say(shown === 1 ? "1 scope" : shown + " scopes");
  });
}

// The dots of a row lead to the page of its key. With script, they open what can be done there.
document.addEventListener("click", async (event) => {
  const dots = event.target.closest("a[data-menu]");
  if (!dots || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const answer = await fetch(dots.getAttribute("href") + "/menu", { redirect: "manual" });
  if (!answer.ok) return location.assign(dots.href);
  document.getElementById("row-menu")?.remove();
  const menu = document.createElement("div");
  menu.id = "row-menu";
  menu.className = "menu right";
  menu.popover = "auto";
  menu.innerHTML = await answer.text();
  dots.after(menu);
  const copy = menu.querySelector("[data-copy-id]");
  copy.hidden = !isSecureContext;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(copy.dataset.copyId);
    say("Copied");
    menu.hidePopover();
  });
  menu.showPopover({ source: dots });
  menu.querySelector("a, button").focus();
});

// A bar of actions for selected rows says how many these are, can select all of them, and is cleared.
function tally(form) {
  const count = form?.querySelector("[data-count]");
  if (!count) return;
  count.textContent = form.querySelectorAll('input[name="id"]:checked').length + " selected";
  form.querySelector("[data-all]").hidden = false;
}
addEventListener("change", (event) => tally(event.target.closest("form")));
addEventListener("click", (event) => {
  const form = event.target.closest("[data-all]")?.closest("form");
  if (!form) return;
  for (const box of form.querySelectorAll('input[name="id"]')) box.checked = true;
  tally(form);
});
addEventListener("reset", ({ target: form }) => {
  if (!form.querySelector("[data-count]")) return;
  form.querySelector('input[name="id"]').focus(); // the bar with the button disappears
  setTimeout(tally, 0, form);
});

// toRow moves the focus to the link of the next or previous row of the lists. Enter then opens it.
function toRow(step) {
  const links = [...document.querySelectorAll("#main tbody tr")].map((row) => row.querySelector("th a, a, button"));
  const present = links.indexOf(document.activeElement.closest("tbody tr")?.querySelector("th a, a, button"));
  const next = present < 0 ? 0 : present + step;
  links[next]?.focus();
}

// Filters of lists are sent while a person changes them. What follows the form is replaced, and the
// focus stays. Without script, the button sends them.
for (const form of document.querySelectorAll("form.filters")) {
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const fields = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      const address = form.action + (fields.size ? "?" + fields : "");
      const answer = await fetch(address, { redirect: "manual" });
      if (!answer.ok) return answer.status === 422 || form.requestSubmit();
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("form.filters");
      const now = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      if (!fresh || now.toString() !== fields.toString()) return;
      for (const part of [".head", ".filters .chips"]) {
        const old = document.querySelector(part);
        const by = page.querySelector(part);
        if (old && by) old.replaceWith(by);
      }
      form.querySelectorAll(":scope > a").forEach((link) => link.remove());
      form.querySelector("button").after(...fresh.querySelectorAll(":scope > a"));
      while (form.nextSibling) form.nextSibling.remove();
      form.after(...[...fresh.parentNode.childNodes].slice([...fresh.parentNode.childNodes].indexOf(fresh) + 1));
      history.pushState(null, "", address);
      const rows = document.querySelectorAll("#main tbody tr, #main .events li:not(.day)").length;
      say(rows === 1 ? "1 row" : rows + " rows");
    }, 200);
  });
  addEventListener("popstate", () => location.reload());
}

// Find lists results while a person types. Without script, Enter opens the page with them.
const find = document.getElementById("find");
if (find) {
  const list = document.getElementById("found");
  let timer;
  const close = () => { list.hidden = true; };
  find.addEventListener("input", () => {
    clearTimeout(timer);
    if (!find.value.trim()) return close();
    timer = setTimeout(async () => {
      const words = new URLSearchParams(new FormData(find.form));
      const answer = await fetch("/find/list?" + words, { redirect: "manual" });
      if (!answer.ok || find.value !== words.get("q")) return;
      list.innerHTML = await answer.text();
      const n = list.querySelectorAll("a").length;
      list.hidden = n === 0;
      say(n === 1 ? "1 result" : n + " results");
    }, 150);
  });
  find.form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return close();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || list.hidden) return;
    event.preventDefault();
    const stops = [find, ...list.querySelectorAll("a")];
    stops[(stops.indexOf(document.activeElement) + step + stops.length) % stops.length].focus();
  });
  document.addEventListener("click", (event) => { if (!find.form.contains(event.target)) close(); });

  // Shortcuts. Those of single keys can be switched off, and do nothing within fields.
  const pageAt = (end) => document.querySelector(`#nav a[href^="/t/"][href$="${end}"]`)?.href;
  let before = "";
  document.addEventListener("keydown", (event) => {
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      return find.focus();
    }
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (field || event.ctrlKey || event.metaKey || event.altKey || document.cookie.includes("shortcuts=off")) return;
    const keys = before + event.key;
    before = event.key === "g" ? "g" : "";
    if (keys === "j" || keys === "k") toRow(keys === "j" ? 1 : -1);
    if (keys === "x") document.activeElement.closest("tbody tr")?.querySelector('input[name="id"]')?.click();
    const to = { gk: "/settings/keys", ga: pageAt("/keys"), gh: pageAt("/health"), gu: pageAt("/usage"), c: "/settings/keys/new", "?": "/shortcuts" }[keys];
    if (to) location.href = to;
    if (keys !== "/") return;
    event.preventDefault();
    find.focus();
  });
}
