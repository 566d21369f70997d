// What a page cannot do by itself: hear that something changed, merge it without moving what the pointer is on, and keys.
// Everything here is an addition; without it every link and form still works.
(() => {
  "use strict";

  const root = document.documentElement;
  root.classList.add("scripted");
  const find = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const body = document.body;
  const KEPT = "form[data-keep-draft]";

  // -- live: one stream says where the feed is; whatever listens for "feed" asks for itself ---------------------------

  function tell(sentence, isTrouble = false) {
    const place = find("#toast");
    if (!place || !sentence) return;
    const words = document.createElement("p");
    words.textContent = sentence;
    if (isTrouble) words.className = "trouble";
    place.replaceChildren(words);
    window.setTimeout(() => words.remove(), isTrouble ? 7000 : 4000);
  }

  function listen() {
    if (!body.dataset.events || !window.EventSource) return;
    const state = find("#live-state");
    let source;
    let quiet = 0;
    const say = (sentence) => {
      if (!state) return;
      state.textContent = sentence || "";
      state.hidden = !sentence;
    };
    const open = () => {
      source = new EventSource(body.dataset.events);
      source.addEventListener("open", () => {
        window.clearTimeout(quiet);
        quiet = 0;
        say("");
        body.dataset.live = "open";
      });
      for (const topic of ["feed", "devices"]) {
        source.addEventListener(topic, (event) => {
          body.dataset.feed = event.data;
          htmx.trigger(body, topic);
        });
      }
      source.addEventListener("error", () => {
        delete body.dataset.live;
        // Not at once: most breaks are over before anybody would have noticed. Every try to reconnect fails anew.
        quiet = quiet || window.setTimeout(() => say(body.dataset.wordsOffline), 3000);
        if (source.readyState === EventSource.CLOSED) {
          // The browser gave up (an error page instead of a stream): try again, and catch up from the start.
          source.close();
          window.setTimeout(open, 3000);
        }
      });
    };
    open();
    window.addEventListener("pagehide", () => source.close());
    window.addEventListener("pageshow", (event) => event.persisted && open());
  }

  // -- merging a newer list or ticket into the open one --------------------------------------------------------------

  /** What an element shows, without the words that change by the minute. */
  function shown(element) {
    const copy = element.cloneNode(true);
    for (const time of all("time[data-relative]", copy)) time.textContent = "";
    for (const secret of all("[name=csrf],[name=operation_id]", copy)) secret.remove();
    copy.classList.remove("changed", "at");
    copy.removeAttribute("aria-selected");
    for (const link of all("a[href]", copy)) {
      link.removeAttribute("href");
      for (const name of ["hx-get", "hx-push-url"]) link.removeAttribute(name);
    }
    return copy.innerHTML;
  }

  function tint(element) {
    element.classList.remove("changed");
    void element.offsetWidth; // start the animation anew
    element.classList.add("changed");
    window.setTimeout(() => element.classList.remove("changed"), 2600);
  }

  function parsed(html) {
    return new DOMParser().parseFromString(html, "text/html");
  }

  let waiting = null; // the newest list, held back while the pointer is on the rows

  function mergeList(list, html) {
    const fresh = find("#list", parsed(html));
    if (!fresh) return;
    const holdBack = find(".rows tbody:hover, #held-back:hover", list) !== null;
    const old = new Map(all("tbody tr", list).map((row) => [row.dataset.id, row]));
    for (const attribute of ["hx-get", "data-address"]) list.setAttribute(attribute, fresh.getAttribute(attribute));
    for (const live of all("[data-live]", list)) {
      const now = find(`[data-live="${live.dataset.live}"]`, fresh);
      if (now) live.textContent = now.textContent;
    }
    if (!find(".menu[open]", list)) replaceWith(find(".menu-body", list), find(".menu-body", fresh));
    const rows = all("tbody tr", fresh);
    let moved = rows.length !== old.size;
    rows.forEach((row, place) => {
      const before = old.get(row.dataset.id);
      if (before && before.rowIndex !== place + 1) moved = true;
      if (!before) moved = true;
      else if (before.dataset.mark !== row.dataset.mark) changeRow(before, row);
    });
    if (!moved) return;
    if (holdBack) {
      waiting = html;
      find("#held-back", list).hidden = false;
      return;
    }
    order(list, fresh, old);
  }

  function changeRow(before, after) {
    before.dataset.mark = after.dataset.mark;
    before.replaceChildren(...after.cloneNode(true).childNodes);
    htmx.process(before);
    tint(before);
  }

  /** Put the rows into the new order; the row one is on stays where it is on the screen. */
  function order(list, fresh, old) {
    const scroller = find(".rows", list);
    const anchor = find("tr.at, tr[aria-selected=true]", scroller);
    const top = anchor ? anchor.getBoundingClientRect().top : 0;
    const rows = all("tbody tr", fresh).map((row) => {
      const before = old.get(row.dataset.id);
      if (before) return before;
      const added = document.importNode(row, true);
      window.requestAnimationFrame(() => tint(added));
      return added;
    });
    find("tbody", scroller).replaceChildren(...rows);
    replaceWith(find(".list-foot .pages", list), find(".list-foot .pages", fresh));
    const empty = find(".empty", scroller);
    const nowEmpty = find(".empty", fresh);
    if (empty && !nowEmpty) empty.remove();
    if (!empty && nowEmpty) scroller.append(document.importNode(nowEmpty, true));
    htmx.process(scroller);
    select();
    if (anchor && anchor.isConnected) scroller.scrollTop += anchor.getBoundingClientRect().top - top;
    waiting = null;
    find("#held-back", list).hidden = true;
  }

  function replaceWith(before, after) {
    if (!before || !after || before.innerHTML === after.innerHTML) return;
    before.replaceChildren(...document.importNode(after, true).childNodes);
    htmx.process(before);
  }

  function release() {
    const list = find("#list");
    if (list && waiting) mergeList(list, waiting);
  }

  /** Parts of a page that are marked data-part, each replaced only where it says something else. */
  function mergeParts(before, html) {
    const fresh = find(`#${CSS.escape(before.id)}`, parsed(html));
    if (!fresh) return;
    for (const name of ["hx-get", "hx-trigger", "data-version"]) {
      if (fresh.hasAttribute(name)) before.setAttribute(name, fresh.getAttribute(name));
    }
    const olds = new Map(all("[data-part]", before).map((part) => [part.dataset.part, part]));
    const news = all("[data-part]", fresh);
    const isTyping = find("form.act-form", before) !== null;
    let differs = olds.size !== news.length;
    for (const part of news) if (!olds.has(part.dataset.part)) differs = true;
    if (differs) {
      // A section came or went: everything anew, but an open form is carried over as it is.
      const act = olds.get("act");
      const scroll = before.closest(".panel, html");
      const top = scroll ? scroll.scrollTop : 0;
      const next = document.importNode(fresh, true);
      if (isTyping && act) {
        find("[data-part=act]", next).replaceWith(act);
        changedMeanwhile(act);
      }
      before.replaceWith(next);
      htmx.process(next);
      if (scroll) scroll.scrollTop = top;
      for (const part of all("[data-part]", next)) {
        const old = olds.get(part.dataset.part);
        if (part !== act && (!old || shown(old) !== shown(part))) tint(part);
      }
      queueMicrotask(() => htmx.trigger(body, "feed")); // what the old one was still to ask for
      return;
    }
    for (const part of news) {
      const old = olds.get(part.dataset.part);
      if (shown(old) === shown(part)) continue;
      if (part.dataset.part === "act" && isTyping) {
        changedMeanwhile(old);
        continue;
      }
      const next = document.importNode(part, true);
      for (const opened of all("details[open]", old)) {
        const same = all("details", next)[all("details", old).indexOf(opened)];
        if (same) same.open = true;
      }
      old.replaceWith(next);
      htmx.process(next);
      tint(next);
    }
    // Not before htmx has ended this request: with the old address it forgets what waits for that.
    if (before.hasAttribute("hx-trigger")) queueMicrotask(() => htmx.process(before));
  }

  /** A newer list to choose from; somebody may have chosen since the office was asked for it. */
  function mergeChoice(before, html) {
    const fresh = find(`#${CSS.escape(before.id)}`, parsed(html));
    if (!fresh) return;
    const next = document.importNode(fresh, true);
    const chosen = find("input:checked", before);
    // Who is not offered any more leaves nobody chosen, and not the one before.
    if (chosen) for (const input of all("input", next)) input.checked = input.value === chosen.value;
    const at = find("input:focus", before);
    before.replaceWith(next);
    const same = at && all("input", next).find((input) => input.value === at.value);
    if (same) same.focus({ preventScroll: true });
  }

  function changedMeanwhile(act) {
    const notice = find("#changed-meanwhile", act);
    if (notice) notice.hidden = false;
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr, requestConfig } = event.detail;
    const cause = requestConfig && requestConfig.triggeringEvent;
    const isLive = cause === undefined || cause === null || ["feed", "devices"].includes(cause.type);
    if (xhr.status !== 200 || !target) return;
    if (target.hasAttribute("data-keep-choice")) {
      event.detail.shouldSwap = false;
      mergeChoice(target, xhr.responseText);
    } else if (!isLive) {
      return;
    } else if (target.id === "list") {
      event.detail.shouldSwap = false;
      mergeList(target, xhr.responseText);
    } else if (target.id === "ticket" || target.hasAttribute("data-merge")) {
      event.detail.shouldSwap = false;
      if (target.id === "ticket" && isPressed()) isBehind = true;
      else mergeParts(target, xhr.responseText);
    }
  });

  // What somebody has pressed is answered first, on the page on which it was pressed; news wait that long.
  const pressed = new Set();
  const isPressed = () => [...pressed].some((elt) => elt.isConnected);
  let isBehind = false;
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt } = event.detail;
    if (elt.id === "ticket") isBehind = isBehind || isPressed();
    else if (elt.closest("#ticket") && !elt.hasAttribute("hx-sync")) pressed.add(elt);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    for (const elt of pressed) if (elt === event.detail.elt || !elt.isConnected) pressed.delete(elt);
    if (!isBehind || pressed.size > 0) return;
    isBehind = false;
    htmx.trigger(body, "feed");
  });

  document.addEventListener("pointerout", (event) => {
    const from = event.target.closest && event.target.closest(".rows tbody, #held-back");
    const to = event.relatedTarget && event.relatedTarget.closest(".rows tbody, #held-back");
    // On the way to the button the list stays, or the click would hit a row that has just come under it.
    if (from && !to) release();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#held-back")) return;
    const list = find("#list");
    const html = waiting;
    if (!list || !html) return;
    const fresh = find("#list", parsed(html));
    order(list, fresh, new Map(all("tbody tr", list).map((row) => [row.dataset.id, row])));
  });

  // -- what the list is filtered by ------------------------------------------------------------------------------------

  // A link of the list was made when the list was. What has been picked or pressed since may still be without an answer,
  // and will get none: the link says one thing that is wanted now, and the form all others.
  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, path } = event.detail;
    const says = elt.closest("#list [data-says]");
    if (!says) return;
    const filters = find("#filters");
    const name = says.dataset.says;
    const pressed = new URL(path, window.location.href).searchParams.getAll(name);
    const asked = new FormData(filters);
    asked.delete(name);
    for (const value of pressed) asked.append(name, value);
    event.detail.path = `${filters.getAttribute("action")}?${new URLSearchParams(asked)}`;
    if (name === "page") return; // of this list, and not of one that is filtered by something else
    const list = find("#list");
    for (const input of all(`input[type=hidden][name=${name}]`, list)) input.remove();
    for (const value of pressed) {
      const input = Object.assign(document.createElement("input"), { type: "hidden", name, value });
      input.setAttribute("form", filters.id);
      list.prepend(input);
    }
  });

  // -- requests that fail, sentences that are told -------------------------------------------------------------------

  document.addEventListener("htmx:responseError", (event) => {
    // Signed in anew in another window: only a new page has the new token, and what was typed comes back with it.
    if (event.detail.xhr.getResponseHeader("Doorstep-Problem") === "form-expired") window.location.reload();
    const page = parsed(event.detail.xhr.responseText || "");
    const words = [find("h1", page), find("h1 + p", page)].map((part) => (part ? part.textContent : ""));
    tell(words.filter(Boolean).join(" — ") || body.dataset.wordsTrouble, true);
  });
  document.addEventListener("htmx:sendError", (event) => {
    const cause = event.detail.requestConfig.triggeringEvent;
    if (cause && cause.type === "feed") return; // the stream says it already
    tell(body.dataset.wordsTrouble, true);
  });
  document.addEventListener("told", (event) => tell(event.detail.value));

  // -- times that grow old -------------------------------------------------------------------------------------------

  const relative = new Intl.RelativeTimeFormat(root.lang, { numeric: "always" });
  const UNITS = [
    ["year", 31536000],
    ["month", 2592000],
    ["week", 604800],
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
  ];

  function age() {
    for (const time of all("time[data-relative]")) {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      if (Math.abs(seconds) < 60) continue; // "just now", as the server said it
      const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each * 1.2) || UNITS[UNITS.length - 1];
      const words = relative.format(Math.round(seconds / size), unit);
      if (time.textContent !== words) time.textContent = words;
    }
    for (const clock of all("[data-countdown]")) {
      const seconds = Math.max(0, Math.round((Date.parse(clock.dataset.countdown) - Date.now()) / 1000));
      clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    }
  }
  window.setInterval(age, 1000 * 20);
  window.setInterval(() => find("[data-countdown]") && age(), 1000);

  // -- the chosen ticket ----------------------------------------------------------------------------------------------

  function select() {
    const chosen = find("#panel:not([hidden]) #ticket, #panel:not([hidden]) #item");
    for (const row of all("#list tbody tr")) {
      if (chosen && (row.dataset.shows || row.dataset.id) === chosen.dataset.id) row.setAttribute("aria-selected", "true");
      else row.removeAttribute("aria-selected");
    }
    body.classList.toggle("with-panel", chosen !== null);
  }

  // What was typed is looked for after a while, and a ticket may have been opened by then: the address goes on saying which.
  document.addEventListener("htmx:beforeHistoryUpdate", (event) => {
    const { target, history } = event.detail;
    const chosen = find("#panel:not([hidden]) #ticket");
    if (target.id !== "list" || !chosen) return;
    const address = new URL(history.path, window.location.href);
    address.searchParams.set("chosen", chosen.dataset.id);
    history.path = address.pathname + address.search;
  });

  function closePanel() {
    const panel = find("#panel");
    if (!panel || panel.hidden) return false;
    panel.replaceChildren();
    panel.hidden = true;
    const address = new URL(window.location.href);
    address.searchParams.delete("chosen");
    window.history.pushState({ htmx: true }, "", address);
    select();
    return true;
  }

  function closeAct() {
    const form = find("#act-form form");
    if (!form) return false;
    setAside(form);
    form.remove();
    for (const open of all(".act-bar .open")) open.classList.remove("open");
    const notice = find("#changed-meanwhile");
    if (notice && !notice.hidden) {
      notice.hidden = true;
      htmx.trigger(body, "feed");
    }
    return true;
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    const { target } = event.detail;
    if (target.id === "panel" || target.id === "list") select();
    if (target.id === "list") waiting = null; // it was of the list that stood here before
    if (target.id === "panel") find("#panel").scrollTop = 0;
    const sent = event.detail.requestConfig.elt;
    if (sent.matches(KEPT) && event.detail.requestConfig.verb === "post") {
      const back = find(KEPT, find(`#${CSS.escape(target.id)}`));
      if (event.detail.xhr.status === 200) done(draftKey(sent));
      else if (back) refused(back, typedSince(sent));
    }
    if (target.id === "act-form") {
      const opener = event.detail.requestConfig.elt;
      for (const open of all(".act-bar .open")) open.classList.remove("open");
      if (opener.classList.contains("button")) opener.classList.add("open");
      const first = find("#act-form input:checked, #act-form input:not([type=hidden]), #act-form textarea");
      if (first) first.focus({ preventScroll: true });
      for (const form of all(KEPT, target)) restore(form);
      find("#act-form").scrollIntoView({ block: "nearest" });
    }
    age();
  });

  document.addEventListener("click", (event) => {
    const target = event.target;
    if (target.closest("[data-close-panel]")) {
      event.preventDefault();
      closePanel();
    } else if (target.closest("[data-close-act]")) {
      event.preventDefault();
      closeAct();
    } else if (target.closest("[data-print]")) {
      window.print();
    } else if (target.closest("[data-close]")) {
      target.closest("dialog").close();
    } else if (target.closest("[data-date]")) {
      fillWindow(target.closest("[data-date]"));
    } else if (target.closest("[data-drop-draft]")) {
      startAfresh(target.closest("form"));
    } else if (target.closest("[data-fill]")) {
      const { fill, value } = target.closest("[data-fill]").dataset;
      const field = target.closest("form").elements[fill];
      field.value = value;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (target.closest("#list tbody tr") && !target.closest("a, button")) {
      if (window.getSelection().isCollapsed) find(".row-link", target.closest("tr")).click();
    }
    for (const menu of all(".menu[open]")) if (!menu.contains(target)) menu.open = false;
  });

  function fillWindow(button) {
    const form = button.closest("form");
    for (const name of ["date", "start", "end"]) form.elements[name].value = button.dataset[name];
    form.elements.date.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // -- keys -----------------------------------------------------------------------------------------------------------

  function move(by) {
    const rows = all("#list tbody tr");
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.classList.contains("at"));
    const from = at >= 0 ? at : rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
    const next = rows[Math.min(rows.length - 1, Math.max(0, from + by))];
    for (const row of rows) row.classList.toggle("at", row === next);
    find(".row-link", next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    if (!find("#panel").hidden) find(".row-link", next).click();
  }

  let going = 0;

  document.addEventListener("keydown", (event) => {
    const element = document.activeElement;
    const isTyping = element && element.matches("input:not([type=radio], [type=checkbox]), textarea, select");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const form = element && element.closest("form.act-form, form.intake");
      if (form) {
        event.preventDefault();
        form.requestSubmit();
      }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") {
      const dialog = find("dialog[open]");
      if (dialog) return;
      if (isTyping && element.id === "words") element.blur();
      else if (!closeAct()) closePanel();
      return;
    }
    if (isTyping || find("dialog[open]")) return;
    if (going && Date.now() - going < 1500) {
      going = 0;
      const place = find(`[data-go="${CSS.escape(event.key)}"]`);
      if (place) {
        event.preventDefault();
        place.click();
      }
      return;
    }
    if (event.key === "g") {
      going = Date.now();
    } else if (event.key === "/") {
      const words = find("#words");
      if (words) {
        words.focus();
        words.select();
      } else window.location.assign("/tickets");
      event.preventDefault();
    } else if (event.key === "?") {
      find("#keys").showModal();
    } else if (event.key === "j" || event.key === "k") {
      if (find("#list")) move(event.key === "j" ? 1 : -1);
    } else if (event.key === "n") {
      window.location.assign("/tickets/new");
    } else if (/^[a-z]$/.test(event.key)) {
      const action = find(`#ticket [data-key="${event.key}"], #item [data-key="${event.key}"]`);
      if (action) {
        event.preventDefault();
        action.click();
      }
    }
  });

  // -- what is being typed outlives its page ---------------------------------------------------------------------------
  // A session that runs out, an office that does not answer, a step back, a form closed by mistake: the form comes back
  // as it was typed, with the ids it had, so that what has arrived after all is not done twice. Kept by the browser for
  // this window and this person only, until it was sent, and no longer than they are signed in.

  const DRAFT = "doorstep-draft ";
  const freshFields = new WeakMap();

  function draftKey(form) {
    const about = form.elements.about;
    const { pathname } = new URL(form.action);
    return `${DRAFT}${body.dataset.person} ${pathname} ${about ? about.value : form.dataset.keepDraft}`;
  }

  function fieldsOf(form) {
    return [...new FormData(form)].filter(([name, value]) => typeof value === "string" && name !== "csrf");
  }

  function drafts() {
    return Object.keys(sessionStorage).filter((key) => key.startsWith(DRAFT));
  }

  function draftAt(key) {
    try {
      return JSON.parse(sessionStorage.getItem(key));
    } catch {
      return null;
    }
  }

  function keep(form) {
    const fields = fieldsOf(form);
    const hasFiles = all("input[type=file]", form).some((input) => input.files.length > 0);
    const since = typedSince(form);
    const next = since.length > 0 ? seen(form, fields) : [];
    try {
      sessionStorage.setItem(draftKey(form), JSON.stringify({ fields, hasFiles, since, next }));
    } catch {
      // The browser keeps nothing or has no more room: then the page itself is all there is.
    }
  }

  function forget(form) {
    sessionStorage.removeItem(draftKey(form));
  }

  /** A form that was closed comes back when it is opened again, and not by itself. */
  function setAside(form) {
    const draft = draftAt(draftKey(form));
    if (draft) sessionStorage.setItem(draftKey(form), JSON.stringify({ ...draft, isAside: true }));
  }

  function put(form, [name, value]) {
    const field = form.elements[name];
    if (!field) {
      // A photo that the office holds already, from before the form was refused; a choice that is still being fetched.
      const input = Object.assign(document.createElement("input"), { type: "hidden", name, value });
      input.dataset.draft = "";
      form.append(input);
    } else if (field.type === "radio" || field.type === "checkbox") field.checked = field.value === value;
    else field.value = value;
  }

  function fill(form, fields) {
    for (const kept of all("input[data-draft]", form)) kept.remove();
    for (const input of all("input[type=radio], input[type=checkbox]", form)) input.checked = false;
    for (const field of fields) put(form, field);
    askAnew(form);
  }

  /** For what hangs on a field: who could come that day, what is known of that number. */
  function askAnew(form) {
    htmx.process(form); // what has just been put on the page does not listen yet
    for (const asks of all("[hx-get]", form)) {
      for (const cause of ["input", "change"]) asks.dispatchEvent(new Event(cause));
    }
  }

  function seen(form, fields) {
    const isHidden = ([name]) => [form.elements[name]].flat().every((field) => field && field.type === "hidden");
    return fields.filter((field) => !isHidden(field));
  }

  function typed(form, fields) {
    return JSON.stringify(seen(form, fields));
  }

  // A form that htmx sends is answered on its page, any other by a page of its own, which finds with the draft what was
  // typed since.
  const sentFields = new WeakMap();
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt } = event.detail;
    if (elt.matches(KEPT)) sentFields.set(elt, fieldsOf(elt));
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches(KEPT) && !form.hasAttribute("hx-post")) sentFields.set(form, fieldsOf(form));
  });

  /** What was typed or chosen while the form was on its way: the answer to it does not know of that. */
  function typedSince(form) {
    const valuesOf = (fields, name) => JSON.stringify(fields.filter(([each]) => each === name));
    const sent = sentFields.get(form);
    const now = fieldsOf(form);
    return sent ? seen(form, now).filter(([name]) => valuesOf(sent, name) !== valuesOf(now, name)) : [];
  }

  /** The office has it. What was typed since is there when the form is opened again, without the ids of what is done by
   * now, under which it would be nothing new. */
  function done(key) {
    const { next = [] } = draftAt(key) || {};
    if (next.length > 0) sessionStorage.setItem(key, JSON.stringify({ fields: next, hasFiles: false, isAside: true }));
    else sessionStorage.removeItem(key);
  }

  /** Come back with what was sent, under another id or against the ticket as it is now. */
  function refused(back, since) {
    for (const field of since) put(back, field);
    if (since.length > 0) askAnew(back);
    keep(back);
  }

  function restore(form) {
    const draft = draftAt(draftKey(form));
    const fresh = fieldsOf(form);
    if (!draft || typed(form, draft.fields) === typed(form, fresh)) return;
    freshFields.set(form, fresh);
    fill(form, draft.fields);
    keep(form);
    const notice = document.importNode(find("#draft-notice").content, true);
    find("[data-photos]", notice).hidden = !draft.hasFiles;
    find("h1, h2", form).after(notice);
  }

  function startAfresh(form) {
    fill(form, freshFields.get(form));
    forget(form);
    find(".draft-notice", form).remove();
    dirty = false;
  }

  /** At the start of a page: a form that stands on it, or one of the shown ticket that was open when it went away. */
  function bringBack() {
    if (!body.dataset.person) return;
    const made = new URL(window.location.href).searchParams.get("chosen");
    const ticket = find("#ticket");
    const form = find(KEPT);
    for (const key of drafts()) {
      const draft = draftAt(key);
      if (!draft) continue;
      const [person, action, about] = key.slice(DRAFT.length).split(" ");
      const makes = draft.fields.find(([name]) => name === "ticket_id");
      if (made && makes && makes[1] === made) done(key); // it has become the ticket that is shown
      if (form || !ticket || draft.isAside || person !== body.dataset.person) continue;
      if (!action.startsWith(`/tickets/${ticket.dataset.id}/act/`)) continue;
      const opener = find(`[hx-get="${CSS.escape(action + (about ? `?about=${about}` : ""))}"]`);
      if (opener) opener.click();
    }
    if (!form) return;
    const { since = [] } = draftAt(draftKey(form)) || {};
    if (find(".fault, [role=alert]", form)) refused(form, since);
    else restore(form);
  }

  const faults = find("#faults");
  if (faults) faults.focus();

  let dirty = false;
  let isDropped = false;
  for (const cause of ["input", "change"]) {
    document.addEventListener(cause, (event) => {
      const form = event.target.closest(KEPT);
      if (!form) return;
      keep(form);
      isDropped = false;
    });
  }
  document.addEventListener("click", (event) => {
    if (event.target.closest("form.intake [data-drop]")) isDropped = true;
  });
  window.addEventListener("pagehide", () => {
    const form = find("form.intake");
    if (isDropped && form) forget(form);
  });
  document.addEventListener("input", (event) => {
    if (event.target.closest("form.intake")) dirty = true;
    // The ticket to merge into is looked up while it is typed: what was said about another number is over.
    const doubted = event.target.closest(".merge-into [aria-invalid]");
    if (doubted) {
      all(".fault", doubted.closest(".field")).forEach((fault) => fault.remove());
      doubted.removeAttribute("aria-invalid");
      doubted.removeAttribute("aria-describedby");
    }
  });
  document.addEventListener("submit", (event) => {
    dirty = false;
    if (event.target.matches(KEPT)) keep(event.target);
    if (event.target.matches("[data-end-session]")) drafts().forEach((key) => sessionStorage.removeItem(key));
    const button = find("button.primary", event.target);
    // Pressed twice is sent once; the operation's id makes a second one harmless anyway.
    if (button && !event.target.hasAttribute("hx-post")) window.setTimeout(() => (button.disabled = true), 0);
  });
  window.addEventListener("pageshow", () => all("button[disabled]").forEach((button) => (button.disabled = false)));
  window.addEventListener("beforeunload", (event) => dirty && event.preventDefault());

  select();
  document.addEventListener("DOMContentLoaded", bringBack); // after htmx, which is what opens forms
  listen();
  age();
})();
