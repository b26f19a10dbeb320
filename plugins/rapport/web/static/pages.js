"use strict";

// Numbers and times arrive in English and UTC; here they become the viewer's own, UTC stays on hover.
function asTheViewerWrites(part) {
  for (const element of part.querySelectorAll("time[datetime]")) {
    element.textContent = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" })
      .format(new Date(element.dateTime));
  }
  for (const element of part.querySelectorAll("data[value]")) {
    const { places, currency, percent } = element.dataset;
    const form = currency ? { style: "currency", currency, ...(places && { minimumFractionDigits: +places, maximumFractionDigits: +places }) }
      : percent ? { style: "percent", minimumFractionDigits: +percent, maximumFractionDigits: +percent }
      : { minimumFractionDigits: +places, maximumFractionDigits: +places };
    element.textContent = new Intl.NumberFormat(undefined, form).format(+element.value);
  }
}

// What is wider than a small screen scrolls by itself, with the keyboard, too.
function reachable() {
  for (const section of document.querySelectorAll("section")) {
    if (section.scrollWidth > section.clientWidth) section.tabIndex = 0;
    else section.removeAttribute("tabindex");
  }
}

asTheViewerWrites(document);
reachable();
// On a phone the navigation is wider than the screen: where one is, is in sight.
document.querySelector(".top [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
window.addEventListener("resize", reachable);
document.addEventListener("htmx:load", (event) => { asTheViewerWrites(event.detail.elt); reachable(); });

// A write that cannot be taken back asks first.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.ask;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A part that cannot be loaded says so in its place.
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, (event) => {
    event.detail.target.textContent = "This could not be loaded. Load the page again; if it stays so, tell whoever runs Rapport.";
  });
}
