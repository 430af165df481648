// The pages' only script: follows Airflow's theme, opens Airflow's own pages in its frame, and looks again now and then.
"use strict";

const root = document.documentElement;
let frame = null;
try {
  frame = window.parent !== window && window.parent.document ? window.parent.document : null;
} catch {
  frame = null; // framed by another origin: nothing to follow
}

function followTheme() {
  const chosen = localStorage.getItem("theme");
  const framed = frame && ["dark", "light"].find((name) => frame.documentElement.classList.contains(name));
  const theme = framed || (chosen === "dark" || chosen === "light" ? chosen : "");
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
}

followTheme();
if (frame) new MutationObserver(followTheme).observe(frame.documentElement, { attributeFilter: ["class"] });
window.addEventListener("storage", followTheme);

// Airflow's frame forbids us to navigate it; a click on a link of its own document is its own navigation.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-airflow]");
  if (!link || !frame || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const own = frame.createElement("a");
  own.href = link.href;
  own.click();
});

async function lookAgain() {
  const at = document.activeElement?.closest("main a, main summary, main form");
  const isTyped = [...document.querySelectorAll("main form :is(input, textarea)")].some((field) => field.value !== field.defaultValue);
  const isChosen = [...document.querySelectorAll("main form select")].some(
    (field) => field.selectedIndex !== Math.max([...field.options].findIndex((option) => option.defaultSelected), 0),
  );
  const busy = document.hidden || getSelection().type === "Range" || at || isTyped || isChosen;
  if (!busy) {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" }).catch(() => null);
    if (answer?.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const open = [...document.querySelectorAll("details[open][id]")].map((element) => element.id);
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      document.body.dataset.refresh = fresh.body.dataset.refresh;
      open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    }
  }
  plan();
}

function plan() {
  setTimeout(lookAgain, 1000 * Number(document.body.dataset.refresh || 60));
}

document.addEventListener("DOMContentLoaded", plan);
